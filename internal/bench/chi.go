package main

import (
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/gorilla/sessions"
	gorillastore "github.com/quasoft/memstore"

	chisession "github.com/sessionstate/sessionstate/adapters/chi"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/internal/bench/reference"
)

func chiFramework() framework {
	return framework{
		name: "chi",
		bare: func() client { return newHTTPClient(chiRouter(nil, library[*http.Request]{}.routes(new(seen)))) },
		ours: contender{name: "sessionstate", open: func(see *seen) (client, func() error, error) {
			mgr, closer, err := newManager()
			if err != nil {
				return nil, nil, err
			}
			l := sessionstate(chisession.Acquire)
			return newHTTPClient(chiRouter(chisession.New(mgr), l.routes(see))), closer, nil
		}},
		peers: []contender{
			{name: "scs", open: chiSCS(0)},
			{name: "scs, idle timeout", open: chiSCS(20 * time.Minute)},
			{name: "gorilla/sessions, memstore", open: chiGorilla},
			{name: "the reference's algorithm", open: func(see *seen) (client, func() error, error) {
				mgr, closer, err := open(reference.New(memstore.New(), reference.Local), reference.Config(session.Config{}))
				if err != nil {
					return nil, nil, err
				}
				l := sessionstate(chisession.Acquire)
				return newHTTPClient(chiRouter(chisession.New(mgr), l.routes(see))), closer, nil
			}},
		},
	}
}

func chiSCS(idle time.Duration) func(see *seen) (client, func() error, error) {
	return func(see *seen) (client, func() error, error) {
		m := newSCS(idle)
		l := scsLibrary(m, requestContext)
		return newHTTPClient(chiRouter(m.LoadAndSave, l.routes(see))), nothingToClose, nil
	}
}

// chiGorilla is gorilla/sessions, which has no middleware: handlers get the
// session, and save it before they answer. quasoft/memstore keeps it.
func chiGorilla(see *seen) (client, func() error, error) {
	st := gorillastore.NewMemStore(signingKey)
	get := func(g gorillaRequest) (*sessions.Session, error) { return st.Get(g.r, cookieName) }
	l := library[gorillaRequest]{
		fill: func(g gorillaRequest) error {
			s, err := get(g)
			if err != nil {
				return err
			}
			s.Values["text"], s.Values["n"] = text, 1
			return s.Save(g.r, g.w)
		},
		read: func(g gorillaRequest) (int, error) {
			s, err := get(g)
			if err != nil {
				return 0, err
			}
			n, _ := s.Values["n"].(int)
			return n, nil
		},
		step: func(g gorillaRequest) (int, error) {
			s, err := get(g)
			if err != nil {
				return 0, err
			}
			n, _ := s.Values["n"].(int)
			s.Values["n"] = n + 1
			return n, s.Save(g.r, g.w)
		},
		look: func(g gorillaRequest) (int, string, error) {
			s, err := get(g)
			if err != nil {
				return 0, "", err
			}
			n, _ := s.Values["n"].(int)
			text, _ := s.Values["text"].(string)
			return n, text, nil
		},
	}
	r := chi.NewRouter()
	for path, do := range l.routes(see) {
		r.Get(path, func(w http.ResponseWriter, r *http.Request) {
			do(gorillaRequest{w, r})
			w.Write(ok)
		})
	}
	return newHTTPClient(r), nothingToClose, nil
}

// gorillaRequest is what gorilla/sessions needs of a request.
type gorillaRequest struct {
	w http.ResponseWriter
	r *http.Request
}

func chiRouter(middleware func(http.Handler) http.Handler, routes map[string]func(*http.Request)) http.Handler {
	r := chi.NewRouter()
	if middleware != nil {
		r.Use(middleware)
	}
	for path, do := range routes {
		r.Get(path, func(w http.ResponseWriter, r *http.Request) {
			do(r)
			w.Write(ok)
		})
	}
	return r
}
