package chisession_test

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/go-chi/chi/v5"

	chisession "github.com/sessionstate/sessionstate/adapters/chi"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// TestRoutes: New at the root serves every route, however it was added, and
// those that the router answers itself.
func TestRoutes(t *testing.T) {
	faults := sessiontest.NewFaults(memstore.New())
	mgr := newManager(t, faults.Store, session.Cookie{Insecure: true})
	show := func(w http.ResponseWriter, r *http.Request) {
		s := chisession.From(r)
		if s == nil {
			t.Errorf("%s: From is nil", r.URL)
			return
		}
		text, _ := note.Get(s)
		io.WriteString(w, chi.URLParam(r, "who")+":"+text)
	}
	r := chi.NewRouter()
	r.Use(chisession.New(mgr))
	r.Put("/", func(w http.ResponseWriter, r *http.Request) { put(t, r, "x") })
	r.With(chisession.Require(session.ReadOnly)).Get("/with/{who}", show)
	groups := 0
	r.Group(func(r chi.Router) {
		r.Use(chisession.Require(session.Exclusive), func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				groups++
				next.ServeHTTP(w, r)
			})
		})
		r.Get("/group/{who}", show)
	})
	r.Route("/route", func(r chi.Router) {
		r.Use(chisession.Require(session.Snapshot))
		r.Get("/{who}", show)
	})
	mounted := chi.NewRouter()
	mounted.Use(chisession.New(mgr), chisession.Require(session.Concurrent)) // nested: the outer one serves
	mounted.Get("/{who}", show)
	r.Mount("/mount", mounted)
	r.NotFound(func(w http.ResponseWriter, r *http.Request) {
		put(t, r, "lost")
		w.WriteHeader(http.StatusNotFound)
	})
	r.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		put(t, r, "not allowed")
		w.WriteHeader(http.StatusMethodNotAllowed)
	})
	s := start(t, faults, r)
	s.do("PUT", "/")
	for _, path := range []string{"/with/", "/group/", "/route/", "/mount/"} {
		s.want(s.get(path+"me"), 200, "me:x")
	}
	s.want(s.get("/nowhere"), 404, "")
	s.wantNote("lost")
	s.want(s.do("POST", "/group/me"), 405, "")
	s.wantNote("not allowed")
	if groups != 1 {
		t.Errorf("the group's middleware ran %d times", groups)
	}
}

func TestOptions(t *testing.T) {
	faults := sessiontest.NewFaults(memstore.New())
	mgr := newManager(t, faults.Store, session.Cookie{Insecure: true})
	r := chi.NewRouter()
	r.Use(chisession.New(mgr, chisession.Options{
		Skip: func(r *http.Request) bool { return r.URL.Path == "/skipped" },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			w.WriteHeader(session.HTTPStatus(err))
			io.WriteString(w, "own words")
		},
	}))
	r.Get("/skipped", func(w http.ResponseWriter, r *http.Request) {
		if _, err := chisession.Acquire(r); !errors.Is(err, session.ErrNoSession) {
			t.Errorf("got %v", err)
		}
	})
	r.Get("/fails", func(w http.ResponseWriter, r *http.Request) { chisession.Fail(w, r, session.ErrQueueFull) })
	r.Get("/lost", func(w http.ResponseWriter, r *http.Request) {
		put(t, r, "x")
		io.WriteString(w, "held")
	})
	s := start(t, faults, r)
	s.want(s.get("/skipped"), 200, "")
	s.want(s.get("/fails"), 429, "own words")
	s.down()
	s.want(s.get("/lost"), 503, "own words")
}

// TestTwoManagers: the innermost one is the default, and the others are named.
func TestTwoManagers(t *testing.T) {
	faults := sessiontest.NewFaults(memstore.New())
	users := newManager(t, faults.Store, session.Cookie{Insecure: true})
	visits := newManager(t, memstore.New(), session.Cookie{Name: "visits", Insecure: true})
	r := chi.NewRouter()
	r.Use(chisession.New(users), chisession.New(visits))
	r.With(chisession.Require(session.Exclusive, users, visits)).Get("/", func(w http.ResponseWriter, r *http.Request) {
		user, visit := users.From(r.Context()), chisession.From(r)
		if visit == nil || visit != visits.From(r.Context()) || user == nil || user == visit {
			t.Errorf("got %v and %v", user, visit)
		}
		if err := errors.Join(note.Set(user, "user"), note.Set(visit, "visit")); err != nil {
			t.Error(err)
		}
	})
	s := start(t, faults, r)
	if got := s.get("/"); len(got.Cookies()) != 2 {
		t.Errorf("got the cookies %v", got.Cookies())
	}
	s.wantNote("visit")
}
