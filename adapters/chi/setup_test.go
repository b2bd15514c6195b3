package chisession_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	chisession "github.com/sessionstate/sessionstate/adapters/chi"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// patience bounds every wait for what must happen.
const patience = 10 * time.Second

// note is what the tests keep in sessions.
var note = session.NewKey[string]("note")

// site is a server with a router, and one client with its cookies. GET /note
// replies with what the client's session has.
type site struct {
	testing.TB
	faults *sessiontest.Faults
	client *http.Client
	url    string
}

type middlewares = []func(http.Handler) http.Handler

// newSite starts a server whose router has outside, New and inside, in this
// order, and one handler.
func newSite(t testing.TB, outside, inside middlewares, handler http.HandlerFunc) *site {
	t.Helper()
	faults := sessiontest.NewFaults(memstore.New())
	mgr := newManager(t, faults.Store, session.Cookie{Insecure: true})
	r := chi.NewRouter()
	r.Use(outside...)
	r.Use(chisession.New(mgr))
	r.Use(inside...)
	r.HandleFunc("/", handler)
	return start(t, faults, r)
}

func newManager(t testing.TB, store session.Store, id session.IDSource) *session.Manager {
	t.Helper()
	mgr, err := session.New(store, session.Config{
		ID: id, SaveTimeout: 100 * time.Millisecond, ReapInterval: -1, Logger: slog.New(slog.DiscardHandler),
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

func start(t testing.TB, faults *sessiontest.Faults, r chi.Router) *site {
	t.Helper()
	r.Get("/note", func(w http.ResponseWriter, r *http.Request) {
		s, err := chisession.Acquire(r, session.Snapshot)
		if err != nil {
			chisession.Fail(w, r, err)
			return
		}
		text, _ := note.Get(s)
		io.WriteString(w, text)
	})
	srv := httptest.NewUnstartedServer(r)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	srv.Start()
	t.Cleanup(srv.Close)
	client := srv.Client()
	client.Jar, _ = cookiejar.New(nil) // never fails without options
	client.Timeout = patience
	return &site{TB: t, faults: faults, client: client, url: srv.URL}
}

// reply is a reply that has been read.
type reply struct {
	*http.Response
	body string
}

func (s *site) get(path string) reply { s.Helper(); return s.do("GET", path) }

func (s *site) do(method, path string) reply {
	s.Helper()
	r, err := http.NewRequest(method, s.url+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	res, err := s.client.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.Fatal(err)
	}
	return reply{res, string(body)}
}

func (s *site) want(got reply, status int, body string) {
	s.Helper()
	if got.StatusCode != status || got.body != body {
		s.Errorf("got %d %.80q, want %d %.80q", got.StatusCode, got.body, status, body)
	}
}

func (s *site) wantNote(text string) {
	s.Helper()
	s.want(s.get("/note"), http.StatusOK, text)
}

// put acquires the session of r and puts a note into it.
func put(t testing.TB, r *http.Request, text string) *session.Session {
	t.Helper()
	s, err := chisession.Acquire(r)
	if err == nil {
		err = note.Set(s, text)
	}
	if err != nil {
		t.Errorf("acquire and set: %v", err)
	}
	return s
}

// down makes the store refuse every write.
func (s *site) down() {
	for _, op := range []sessiontest.Op{sessiontest.OpCreate, sessiontest.OpSave} {
		s.faults.Next(op, -1, sessiontest.Fault{Kind: sessiontest.FailBefore})
	}
}
