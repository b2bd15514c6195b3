package session_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// process is a Manager as one process of a service has it: with its own way to
// the store that all share, which can break, and whose calls are counted.
type process struct {
	*session.Manager
	t      testing.TB
	faults *sessiontest.Faults
	calls  *sessiontest.Counter
	events *events
}

// start makes a process. When the test ends, nothing may be left in it.
func start(t testing.TB, store session.Store, cfg session.Config) *process {
	t.Helper()
	p := &process{t: t, faults: sessiontest.NewFaults(store), events: &events{}}
	p.calls = sessiontest.NewCounter(p.faults.Store)
	cfg.Logger = slog.New(slog.DiscardHandler)
	if cfg.Observer == nil {
		cfg.Observer = p.events
	}
	if cfg.ReapInterval == 0 {
		cfg.ReapInterval = -1
	}
	var err error
	if p.Manager, err = session.New(p.calls.Store, cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.faults.Reset()
		if err := closeSoon(p.Manager); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if left := p.Leftovers(); left != "" {
			t.Errorf("left behind: %s", left)
		}
		p.events.balance(t)
	})
	return p
}

// client returns a client of the process that has the cookie id.
func (p *process) client(id string) *client { return &client{t: p.t, m: p.Manager, id: id} }

// stored makes a session whose count is n and returns its ID.
func (p *process) stored(n int) string {
	p.t.Helper()
	c := p.client("")
	if err := c.do(session.Exclusive, func(s *session.Session) { set(p.t, s, n) }); err != nil || c.id == "" {
		p.t.Fatalf("storing a new session: %v", err)
	}
	p.calls.Reset()
	return c.id
}

// count returns the session's count as it is stored.
func (p *process) count(id string) (n int) {
	p.t.Helper()
	if err := p.client(id).do(session.Snapshot, func(s *session.Session) { n = get(p.t, s) }); err != nil {
		p.t.Errorf("Finish: %v", err)
	}
	return n
}

// acquire begins a request and acquires.
func (c *client) acquire(mode session.Mode) (*request, *session.Session, error) {
	r := c.begin()
	s, err := session.Acquire(r.ctx, mode)
	return r, s, err
}

// hold begins a request that has acquired.
func (c *client) hold(mode session.Mode) (*request, *session.Session) {
	c.t.Helper()
	r, s, err := c.acquire(mode)
	if err != nil {
		c.t.Fatalf("Acquire %v: %v", mode, err)
	}
	return r, s
}

// try is do that returns the error of Acquire too.
func (c *client) try(mode session.Mode, f func(s *session.Session)) error {
	r, s, err := c.acquire(mode)
	if err != nil {
		return errors.Join(err, r.end(session.Outcome{Status: session.HTTPStatus(err)}))
	}
	f(s)
	return r.end(ok200)
}

var ok200 = session.Outcome{Status: 200}

func set(t testing.TB, s *session.Session, n int) {
	t.Helper()
	if err := countKey.Set(s, n); err != nil {
		t.Errorf("Set: %v", err)
	}
}

func get(t testing.TB, s *session.Session) int {
	t.Helper()
	n, err := countKey.Get(s)
	if err != nil {
		t.Errorf("Get: %v", err)
	}
	return n
}

// add adds one to the count.
func add(s *session.Session) error {
	return countKey.Update(s, func(n int) int { return n + 1 })
}

// wantErr checks an error.
func wantErr(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

// wantTook checks how much time has passed since begun, by the bubble's clock.
func wantTook(t testing.TB, what string, begun time.Time, from, to time.Duration) {
	t.Helper()
	if d := time.Since(begun); d < from || d > to {
		t.Errorf("%s took %v, want from %v to %v", what, d, from, to)
	}
}

// events remembers what an Observer is told.
type events struct {
	mu   sync.Mutex
	list []session.Event
}

func (ev *events) Observe(_ context.Context, e session.Event) {
	ev.mu.Lock()
	defer ev.mu.Unlock()
	ev.list = append(ev.list, e)
}

func (ev *events) count(kind session.EventKind) (n int) {
	ev.mu.Lock()
	defer ev.mu.Unlock()
	for _, e := range ev.list {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// balance fails the test if ever more sessions were released than acquired, or
// more requests had ended their wait than begun one, or if that is not even at
// the end.
func (ev *events) balance(t testing.TB) {
	t.Helper()
	ev.mu.Lock()
	defer ev.mu.Unlock()
	var held, waiting int
	for _, e := range ev.list {
		switch e.Kind {
		case session.EventAcquired:
			held++
		case session.EventReleased:
			held--
		case session.EventWaiting:
			waiting++
		case session.EventWaited:
			waiting--
		}
		if held < 0 || waiting < 0 {
			t.Errorf("the observer hears of %d sessions held, %d requests waiting, after %v", held, waiting, e.Kind)
		}
	}
	if held != 0 || waiting != 0 {
		t.Errorf("in the end the observer has heard of %d sessions held, %d requests waiting", held, waiting)
	}
}

// silent hides everything but session.Store: it cannot wake anybody.
type silent struct{ session.Store }

var hangs = sessiontest.Fault{Kind: sessiontest.HangBefore}

// bubble runs f in a bubble of synthetic time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}
