package main

import (
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	chisession "github.com/sessionstate/sessionstate/adapters/chi"
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
