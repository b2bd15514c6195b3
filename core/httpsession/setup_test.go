package httpsession_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// note is what the tests keep in sessions.
var note = session.NewKey[string]("note")

// cookieName is the session cookie's.
const cookieName = "session"

// patience bounds every wait for what must happen.
const patience = 10 * time.Second

// store counts what is asked of it and fails when it is told to.
type store struct {
	*memstore.Store
	down   atomic.Bool  // writes fail
	asked  atomic.Int32 // all operations
	writes atomic.Int32 // Create, Save, Remove
}

func newStore() *store { return &store{Store: memstore.New()} }

var errDown = fmt.Errorf("%w: password=hunter2", session.ErrUnavailable)

func (s *store) Acquire(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) (session.Record, error) {
	s.asked.Add(1)
	return s.Store.Acquire(ctx, key, token, lease)
}

func (s *store) Load(ctx context.Context, key session.StoreKey, wait bool) (session.Record, error) {
	s.asked.Add(1)
	return s.Store.Load(ctx, key, wait)
}

func (s *store) Create(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, lease time.Duration) error {
	s.asked.Add(1)
	if s.down.Load() {
		return errDown
	}
	s.writes.Add(1)
	return s.Store.Create(ctx, key, rec, token, lease)
}

func (s *store) Save(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, how session.Commit) error {
	s.asked.Add(1)
	if s.down.Load() {
		return errDown
	}
	s.writes.Add(1)
	return s.Store.Save(ctx, key, rec, token, how)
}

func (s *store) Release(ctx context.Context, key session.StoreKey, token session.Token) error {
	s.asked.Add(1)
	return s.Store.Release(ctx, key, token)
}

func (s *store) Remove(ctx context.Context, key session.StoreKey, token session.Token, reason session.EndReason) error {
	s.asked.Add(1)
	s.writes.Add(1)
	return s.Store.Remove(ctx, key, token, reason)
}

func newManager(t testing.TB, s session.Store, tweaks ...func(*session.Config)) *session.Manager {
	t.Helper()
	cfg := session.Config{
		ID:           session.Cookie{Insecure: true},
		ReapInterval: -1,
		Logger:       slog.New(slog.DiscardHandler),
	}
	for _, tweak := range tweaks {
		tweak(&cfg)
	}
	mgr, err := session.New(s, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := mgr.Close(ctx); err != nil {
			t.Errorf("M22: %v", err) // a session was not released
		}
	})
	return mgr
}

// hasty makes saves give up soon.
func hasty(cfg *session.Config) { cfg.SaveTimeout = 100 * time.Millisecond }

// fixture is a server with the middleware before one handler, and one client.
type fixture struct {
	testing.TB
	store *store
	mgr   *session.Manager
	url   string
	http  *http.Client
	id    string // of the client's session: its cookie
}

func serve(t testing.TB, h http.HandlerFunc, tweaks ...func(*session.Config)) *fixture {
	t.Helper()
	s := newStore()
	mgr := newManager(t, s, tweaks...)
	return serveOn(t, s, mgr, httpsession.New(mgr)(h))
}

func serveOn(t testing.TB, s *store, mgr *session.Manager, h http.Handler) *fixture {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = discardLog
	srv.Start()
	t.Cleanup(srv.Close)
	return &fixture{TB: t, store: s, mgr: mgr, url: srv.URL, http: quiet(srv)}
}

// quiet returns a client that follows no redirect and inflates nothing.
func quiet(srv *httptest.Server) *http.Client {
	c := srv.Client()
	c.Transport.(*http.Transport).DisableCompression = true
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.Timeout = patience
	return c
}

// seed gives the client a session with this note.
func (f *fixture) seed(text string) *fixture {
	f.Helper()
	rec := httptest.NewRecorder()
	httpsession.New(f.mgr)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		set(f, r, text)
	})).ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	f.id = sessionCookie(rec.Result())
	if f.id == "" {
		f.Fatal("the client got no session")
	}
	return f
}

// stored returns the note that the store has of the client.
func (f *fixture) stored() (text string) {
	f.Helper()
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: cookieName, Value: f.id})
	httpsession.New(f.mgr)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, err := httpsession.Acquire(r, session.Snapshot)
		if err != nil {
			f.Fatal(err)
		}
		text, _ = note.Get(s)
	})).ServeHTTP(httptest.NewRecorder(), r)
	return text
}

// wantFree proves that the session is not locked: it can be had at once.
func (f *fixture) wantFree() {
	f.Helper()
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: cookieName, Value: f.id})
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	httpsession.New(f.mgr)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := httpsession.Acquire(r); err != nil {
			f.Errorf("the session is not free: %v", err)
		}
	})).ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx))
}

// reply is a reply that has been read.
type reply struct {
	*http.Response
	body string
}

func (f *fixture) do(method, path string) reply {
	f.Helper()
	r, err := http.NewRequest(method, f.url+path, nil)
	if err != nil {
		f.Fatal(err)
	}
	return f.send(r)
}

func (f *fixture) get() reply { f.Helper(); return f.do("GET", "/") }

func (f *fixture) send(r *http.Request) reply {
	f.Helper()
	if f.id != "" {
		r.AddCookie(&http.Cookie{Name: cookieName, Value: f.id})
	}
	res, err := f.http.Do(r)
	if err != nil {
		f.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		f.Fatal(err)
	}
	if id := sessionCookie(res); id != "" {
		f.id = id
	}
	return reply{res, string(body)}
}

func (f *fixture) want(got reply, status int, body string) {
	f.Helper()
	if got.StatusCode != status || got.body != body {
		f.Errorf("got %d %.80q, want %d %.80q", got.StatusCode, got.body, status, body)
	}
}

func (f *fixture) wantStored(text string) {
	f.Helper()
	if got := f.stored(); got != text {
		f.Errorf("the session has %q, want %q", got, text)
	}
}

// sessionCookie returns the ID that a reply sets, or "".
func sessionCookie(res *http.Response) string {
	for _, c := range res.Cookies() {
		if c.Name == cookieName {
			return c.Value
		}
	}
	return ""
}

// set acquires the session of r, Exclusive, and puts a note into it.
func set(t testing.TB, r *http.Request, text string) *session.Session {
	t.Helper()
	s, err := httpsession.Acquire(r)
	if err == nil {
		err = note.Set(s, text)
	}
	if err != nil {
		t.Errorf("acquire and set: %v", err)
	}
	return s
}

// discardLog is a server's log that nobody reads.
var discardLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)

// request returns a request as if it came from a server with such a log.
func request(method string, body io.Reader) *http.Request {
	r := httptest.NewRequest(method, "/", body)
	return r.WithContext(context.WithValue(r.Context(), http.ServerContextKey, &http.Server{ErrorLog: discardLog}))
}

// await returns what comes from ch, in time.
func await[T any](t testing.TB, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		t.Error("waited in vain")
	}
	return v
}
