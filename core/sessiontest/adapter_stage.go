package sessiontest

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// waitLimit bounds every wait for what must happen. Only the kit's own tests
// change it.
var waitLimit = 10 * time.Second

// stage is what an act works with: the means to start servers.
type stage struct {
	testing.TB
	newServer func(testing.TB, *session.Manager, Scenario) string
	want      AdapterWant
}

// server is a server under test, with what is before and behind it. Failures
// to set a scene up end the act; findings are collected, from any goroutine.
type server struct {
	*stage
	store  *backing
	mgr    *session.Manager
	events *journal
	panics *journalOf[any] // what the recoverer saw
	url    string
	client *http.Client
	hangs  *atomic.Bool // a request got no reply in time
}

// What handlers of the kit store.
var (
	note  = session.NewKey[string]("note")
	count = session.NewKey[int]("count")
)

// serve starts a server with sessions of its own.
func (st *stage) serve(sc Scenario, set ...func(*session.Config)) *server {
	st.Helper()
	return st.serveOn(st.newBacking(), sc, set...)
}

// serveOn starts a server, with a Manager of its own, on the sessions in
// store: what another process of the same service would be.
func (st *stage) serveOn(store *backing, sc Scenario, set ...func(*session.Config)) *server {
	st.Helper()
	sv := &server{stage: st, store: store, events: new(journal), panics: new(journalOf[any]), hangs: new(atomic.Bool)}
	sv.mgr = st.manager(store, func(cfg *session.Config) {
		cfg.Observer = sv.events
		for _, f := range set {
			f(cfg)
		}
	})
	recovered := sc.Recovered
	sc.Recovered = func(v any) {
		sv.panics.add(v)
		if recovered == nil {
			st.Errorf("a handler panicked: %v", v)
			return
		}
		recovered(v)
	}
	sc.Routes = append(slices.Clip(sc.Routes),
		Route{Method: "GET", Path: "/-/note", Handler: in(session.Snapshot, showNote)},
		Route{Method: "PUT", Path: "/-/note", Handler: in(session.Exclusive, putNote)})
	sv.url = st.newServer(st, sv.mgr, sc)
	tr := &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}
	st.Cleanup(tr.CloseIdleConnections)
	sv.client = &http.Client{
		Transport:     tr,
		Timeout:       waitLimit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return sv
}

// manager makes a Manager that ends with the act.
func (st *stage) manager(store *backing, set func(*session.Config)) *session.Manager {
	st.Helper()
	cfg := session.Config{Logger: slog.New(slog.DiscardHandler), ReapInterval: -1}
	set(&cfg)
	mgr, err := session.New(store.Store, cfg)
	if err != nil {
		st.Fatalf("session.New: %v", err)
	}
	st.Cleanup(func() { st.drain(mgr) })
	return mgr
}

// drain closes a Manager: then nothing is under way in the background.
func (st *stage) drain(mgr *session.Manager) {
	st.Helper()
	limit := waitLimit
	if st.Failed() {
		limit = time.Second // as likely as not, it hangs by what has been reported
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := mgr.Close(ctx); err != nil {
		st.Errorf("M22: Manager.Close: %v", err)
	}
}

// in is a handler that acquires the session in that mode.
func in(mode session.Mode, h func(Conversation, *session.Session) error) func(Conversation) error {
	return func(c Conversation) error {
		s, err := c.Acquire(mode)
		if err != nil {
			return c.Fail(err)
		}
		return h(c, s)
	}
}

func showNote(c Conversation, s *session.Session) error {
	text, err := note.Get(s)
	if err != nil {
		return c.Fail(err)
	}
	return say(c, text)
}

func putNote(c Conversation, s *session.Session) error {
	if err := note.Set(s, c.RequestHeader("X-Note")); err != nil {
		return c.Fail(err)
	}
	return say(c, "stored")
}

// say replies with text.
func say(c Conversation, text string) error {
	c.SetReplyHeader("Content-Type", "text/plain")
	write(c, text)
	return nil
}

// write writes a part of a reply. Whether it arrives is seen at the client.
func write(c Conversation, text string) { _, _ = c.Write([]byte(text)) }

// try reports an error of what must work. It may be called in handlers.
func (st *stage) try(what string, err error) {
	st.Helper()
	if err != nil {
		st.Errorf("%s: %v", what, err)
	}
}

// await waits for ch, and reports what did not come. It may be called in
// handlers.
func await[T any](st *stage, ch <-chan T, what string) (v T) {
	st.Helper()
	timer := time.NewTimer(waitLimit)
	defer timer.Stop()
	select {
	case v = <-ch:
	case <-timer.C:
		st.Errorf("waited %v in vain: %s", waitLimit, what)
	}
	return v
}

// tell sends v, and reports if nobody takes it. It may be called in handlers.
func tell[T any](st *stage, ch chan<- T, v T) {
	st.Helper()
	timer := time.NewTimer(waitLimit)
	defer timer.Stop()
	select {
	case ch <- v:
	case <-timer.C:
		st.Errorf("waited %v in vain: what a handler and the test wait for from each other", waitLimit)
	}
}

// until waits until a journal's entries satisfy ok, and reports what they
// never did.
func until[T any](st *stage, j *journalOf[T], what string, ok func([]T) bool) {
	st.Helper()
	timer := time.NewTimer(waitLimit)
	defer timer.Stop()
	for {
		entries, more := j.all()
		if ok(entries) {
			return
		}
		select {
		case <-more:
		case <-timer.C:
			st.Errorf("waited %v in vain: %s", waitLimit, what)
			return
		}
	}
}

// journalOf collects entries and tells of new ones.
type journalOf[T any] struct {
	mu      sync.Mutex
	entries []T
	more    chan struct{} // closed at the next entry
}

func (j *journalOf[T]) add(v T) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, v)
	if j.more != nil {
		close(j.more)
		j.more = nil
	}
}

// all returns the entries so far, and a channel that is closed when there are
// more.
func (j *journalOf[T]) all() ([]T, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.more == nil {
		j.more = make(chan struct{})
	}
	return slices.Clip(j.entries), j.more
}

// journal is an Observer that keeps what it is told.
type journal struct{ journalOf[session.Event] }

// Observe implements session.Observer.
func (j *journal) Observe(_ context.Context, e session.Event) { j.add(e) }

// of returns the events of a kind so far.
func (j *journal) of(kind session.EventKind) (events []session.Event) {
	all, _ := j.all()
	for _, e := range all {
		if e.Kind == kind {
			events = append(events, e)
		}
	}
	return events
}
