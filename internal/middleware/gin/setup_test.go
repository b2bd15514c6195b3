package gin_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	ginsession "github.com/sessionstate/sessionstate/adapters/gin"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// note is what the tests keep in sessions.
var note = session.NewKey[string]("note")

// patience bounds every wait for what must happen.
const patience = 10 * time.Second

// site is a server with an engine, and one client.
type site struct {
	testing.TB
	faults *sessiontest.Faults
	mgr    *session.Manager
	engine *gin.Engine
	url    string
	client *http.Client
	id     string // of the client's session: its cookie
}

// newSite starts a server whose engine has these middlewares.
func newSite(t testing.TB, chain func(*session.Manager) []gin.HandlerFunc) *site {
	t.Helper()
	s := newBareSite(t)
	s.engine.Use(chain(s.mgr)...)
	s.start(s.engine)
	return s
}

// newBareSite makes a site without middlewares, whose server is not started.
func newBareSite(t testing.TB) *site {
	t.Helper()
	faults := sessiontest.NewFaults(memstore.New())
	return &site{TB: t, faults: faults, mgr: newManager(t, faults.Store, ""), engine: gin.New()}
}

func newManager(t testing.TB, store session.Store, cookie string) *session.Manager {
	t.Helper()
	mgr, err := session.New(store, session.Config{
		ID:           session.Cookie{Name: cookie, Insecure: true},
		SaveTimeout:  100 * time.Millisecond, // or tests of a store that is down take long
		ReapInterval: -1,
		Logger:       slog.New(slog.DiscardHandler),
	})
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

func (s *site) start(h http.Handler) {
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	srv.Start()
	s.Cleanup(srv.Close)
	s.url, s.client = srv.URL, srv.Client()
	s.client.Transport.(*http.Transport).DisableCompression = true
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.client.Timeout = patience
}

// only is the chain of the adapter alone.
func only(mgr *session.Manager) []gin.HandlerFunc { return []gin.HandlerFunc{ginsession.New(mgr)} }

// sides are chains with a middleware outside of the adapter's, and inside.
func sides(mw func() gin.HandlerFunc, opts ...ginsession.Options) map[string]func(*session.Manager) []gin.HandlerFunc {
	return map[string]func(*session.Manager) []gin.HandlerFunc{
		"outside": func(mgr *session.Manager) []gin.HandlerFunc {
			return []gin.HandlerFunc{mw(), ginsession.New(mgr, opts...)}
		},
		"inside": func(mgr *session.Manager) []gin.HandlerFunc {
			return []gin.HandlerFunc{ginsession.New(mgr, opts...), mw()}
		},
	}
}

// down makes the store fail to store.
func (s *site) down() {
	for _, op := range []sessiontest.Op{sessiontest.OpCreate, sessiontest.OpSave} {
		s.faults.Next(op, -1, sessiontest.Fault{Kind: sessiontest.FailBefore})
	}
}

// seed gives the client a session with this note.
func (s *site) seed(text string) *site {
	s.Helper()
	s.within(func(r *http.Request) {
		sess, err := session.Acquire(r.Context())
		if err == nil {
			err = note.Set(sess, text)
		}
		if err != nil {
			s.Fatal(err)
		}
	})
	return s
}

// wantNote proves that the client's session has this note, and is free.
func (s *site) wantNote(text string) {
	s.Helper()
	s.within(func(r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		sess, err := session.Acquire(ctx)
		if err != nil {
			s.Errorf("the session is not free: %v", err)
			return
		}
		if got, err := note.Get(sess); got != text || err != nil {
			s.Errorf("the session has %q, %v, want %q", got, err, text)
		}
	})
}

// within makes a request of the client, without a server.
func (s *site) within(h func(*http.Request)) {
	s.Helper()
	r := httptest.NewRequest("GET", "/", nil)
	s.sign(r)
	rec := httptest.NewRecorder()
	httpsession.New(s.mgr)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { h(r) })).ServeHTTP(rec, r)
	s.learn(rec.Result())
}

func (s *site) sign(r *http.Request) {
	if s.id != "" {
		r.AddCookie(&http.Cookie{Name: "session", Value: s.id})
	}
}

func (s *site) learn(res *http.Response) {
	for _, c := range res.Cookies() {
		if c.Name == "session" {
			s.id = c.Value
		}
	}
}

// reply is a reply that has been read.
type reply struct {
	*http.Response
	body string
}

// do makes a request of the client. header is of names and values in turn.
func (s *site) do(method, path string, header ...string) reply {
	s.Helper()
	res := s.begin(method, path, header...)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.Errorf("%s %s: %v", method, path, err)
	}
	return reply{res, string(body)}
}

// begin makes a request of the client and returns when the headers of the
// reply are there.
func (s *site) begin(method, path string, header ...string) *http.Response {
	s.Helper()
	r, err := http.NewRequest(method, s.url+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	s.sign(r)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := s.client.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	s.learn(res)
	return res
}

func (s *site) want(got reply, status int, body string) {
	s.Helper()
	if got.StatusCode != status || !strings.Contains(got.body, body) || body == "" && got.body != "" {
		s.Errorf("got %d %.80q, want %d %.80q", got.StatusCode, got.body, status, body)
	}
}

// set acquires the session, Exclusive, and puts a note into it.
func set(t testing.TB, c *gin.Context, text string) *session.Session {
	t.Helper()
	s, err := ginsession.Acquire(c)
	if err == nil {
		err = note.Set(s, text)
	}
	if err != nil {
		t.Errorf("acquire and set: %v", err)
	}
	return s
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
