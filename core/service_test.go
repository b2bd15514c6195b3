package session_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// service is one process of a service, over a store in memory whose calls are
// counted and can be made to fail.
type service struct {
	*session.Manager
	t      testing.TB
	memory *memstore.Store
	faults *sessiontest.Faults
	calls  *sessiontest.Counter
	events *eventLog
	log    *logText
}

func newService(t testing.TB, cfg session.Config) *service {
	t.Helper()
	return newProcess(t, memstore.New(), cfg)
}

// newProcess returns another process over the same sessions.
func newProcess(t testing.TB, memory *memstore.Store, cfg session.Config) *service {
	t.Helper()
	sv := &service{t: t, memory: memory, faults: sessiontest.NewFaults(memory), events: &eventLog{}, log: &logText{}}
	sv.calls = sessiontest.NewCounter(sv.faults.Store)
	if cfg.Observer == nil {
		cfg.Observer = sv.events
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(sv.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if cfg.ReapInterval == 0 {
		cfg.ReapInterval = -1 // else it is among the calls that are counted
	}
	sv.Manager = newManager(t, sv.calls.Store, cfg)
	return sv
}

// client returns a client without a session.
func (sv *service) client() *client { return &client{t: sv.t, m: sv.Manager} }

// visitor returns a client with a stored session, count 1, and forgets the
// calls that made it.
func (sv *service) visitor() *client {
	sv.t.Helper()
	c := sv.client()
	sv.check(c.do(session.Exclusive, func(s *session.Session) { sv.check(countKey.Set(s, 1)) }))
	if c.id == "" {
		sv.t.Fatal("a new session with a value got no cookie")
	}
	sv.reset()
	return c
}

func (sv *service) reset() {
	sv.calls.Reset()
	sv.faults.Reset()
	sv.events.reset()
}

func (sv *service) check(err error) {
	sv.t.Helper()
	if err != nil {
		sv.t.Error(err)
	}
}

// total fails the test unless the store got so many calls since the last
// reset.
func (sv *service) total(want int) {
	sv.t.Helper()
	if n := sv.calls.Total(); n != want {
		sv.t.Errorf("%d store calls, want %d: %v", n, want, sv.calls.Counts())
	}
}

// stored fails the test unless so many sessions are stored, over all
// namespaces that tests use.
func (sv *service) stored(want int) {
	sv.t.Helper()
	n := 0
	for _, err := range sv.memory.All(context.Background(), "") {
		sv.check(err)
		n++
	}
	if n != want {
		sv.t.Errorf("%d sessions are stored, want %d", n, want)
	}
}

// count fails the test unless the client's session has that count; absent
// means that the client has no session, or none with a count.
func (c *client) count(want int) {
	c.t.Helper()
	again := &client{t: c.t, m: c.m, id: c.id}
	err := again.do(session.Snapshot, func(s *session.Session) {
		n, found, err := countKey.Lookup(s)
		if !found {
			n = absent
		}
		if err != nil || n != want {
			c.t.Errorf("the stored count is %d (%v), want %d", n, err, want)
		}
	})
	if err != nil {
		c.t.Error(err)
	}
}

const absent = -1

// acquire acquires and fails the test if that fails.
func (r *request) acquire(mode session.Mode) *session.Session {
	r.c.t.Helper()
	s, err := session.Acquire(r.ctx, mode)
	if err != nil {
		r.c.t.Fatalf("Acquire: %v", err)
	}
	return s
}

// cookie returns the reply's only cookie, or nil.
func (r *request) cookie() *http.Cookie {
	r.c.t.Helper()
	cookies := (&http.Response{Header: r.ex.reply}).Cookies()
	switch len(cookies) {
	case 0:
		return nil
	case 1:
		return cookies[0]
	}
	r.c.t.Fatalf("the reply sets %d cookies", len(cookies))
	return nil
}

// noCookie fails the test if the reply touches the client's cookies, or says
// anything else.
func (r *request) noCookie() {
	r.c.t.Helper()
	if len(r.ex.reply) > 0 {
		r.c.t.Error("the reply has headers:", len(r.ex.reply))
	}
}

var error500 = session.Outcome{Status: 500}

// wantIs fails the test unless err is want.
func wantIs(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error is %v, want %v", err, want)
	}
}

var errBoom = errors.New("boom")

// down is a fault that the store does not recover from.
var down = sessiontest.Fault{Kind: sessiontest.FailBefore}

// allModes are all modes, for tests of what does not depend on the mode.
var allModes = []session.Mode{session.Exclusive, session.ReadOnly, session.Snapshot, session.Concurrent}

// writeModes are those in which a session can be changed.
var writeModes = []session.Mode{session.Exclusive, session.Concurrent}

// inBubble runs f under the bubble's clock, with a subtest for each mode.
func inBubble(t *testing.T, modes []session.Mode, f func(t *testing.T, mode session.Mode)) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, mode) })
		})
	}
}

// eventLog is an Observer that remembers.
type eventLog struct {
	mu  sync.Mutex
	all []session.Event
}

func (l *eventLog) Observe(_ context.Context, e session.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, e)
}

func (l *eventLog) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = nil
}

// of returns the events of a kind.
func (l *eventLog) of(kind session.EventKind) []session.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.all), func(e session.Event) bool { return e.Kind != kind })
}

// logText is what was logged.
type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logText) count(s string) int { return strings.Count(l.String(), s) }

// id24 returns a well-formed ID that no store knows.
func id24(c byte) string { return strings.Repeat(string(c), 24) }

// settle lets everything that runs in the bubble come to rest.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// idleAndMore is longer than a session with the default Config lives when it
// is not used.
func (*service) idleAndMore() time.Duration { return 21*time.Minute + time.Second }

// newExchange returns an exchange over TLS without any headers.
func newExchange() *exchange {
	return &exchange{request: http.Header{}, reply: http.Header{}, secure: true}
}

// spyStore shows the records that are created.
type spyStore struct {
	session.Store
	seen func(session.StoreKey, session.Record)
}

func (s spyStore) Create(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, lease time.Duration) error {
	s.seen(key, rec)
	return s.Store.Create(ctx, key, rec, token, lease)
}

// damage makes all stored sessions unreadable.
func (sv *service) damage() {
	ctx := context.Background()
	for info, err := range sv.memory.All(ctx, "") {
		sv.check(err)
		rec, err := sv.memory.Load(ctx, info.Key, false)
		sv.check(err)
		old := rec.Write
		rec.Data, rec.Write = []byte("top secret damage"), session.NewWriteID()
		sv.check(sv.memory.Swap(ctx, info.Key, rec, old))
	}
}
