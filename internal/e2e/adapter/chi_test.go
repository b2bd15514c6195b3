package adapter

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-chi/chi/v5"

	chisession "github.com/sessionstate/sessionstate/adapters/chi"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// run proves the rules of adapters for chi on the stores that newStore makes.
func run(t *testing.T, newStore func(testing.TB) session.Store) {
	t.Helper()
	sessiontest.RunAdapter(t, newServer, sessiontest.AdapterWant{
		Flush: true, Hijack: true, Informational: true, Trailers: true, Disconnect: true, Writer: true,
		Store: newStore,
	})
}

// newServer serves a Scenario with chi, as the adapter's own tests do.
func newServer(t testing.TB, mgr *session.Manager, sc sessiontest.Scenario) string {
	t.Helper()
	var opts chisession.Options
	if sc.ErrorHandler != nil {
		opts.ErrorHandler = func(w http.ResponseWriter, r *http.Request, err error) {
			_ = sc.ErrorHandler(conversation{sessiontest.NetHTTP{W: w, R: r}}, err)
		}
	}
	router := chi.NewRouter()
	router.Use(chisession.Rewrite(mgr), recoverer(sc.Recovered), chisession.New(mgr, opts))
	if sc.Twice {
		router.Use(chisession.New(mgr, opts))
	}
	if sc.Inner != nil {
		router.Use(chisession.New(sc.Inner, opts))
	}
	for _, route := range sc.Routes {
		var required chi.Middlewares
		if route.Passive {
			required = append(required, chisession.Passive())
		}
		for _, mode := range route.Require {
			required = append(required, chisession.Require(mode))
		}
		router.With(required...).Method(route.Method, route.Path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = route.Handler(conversation{sessiontest.NetHTTP{W: w, R: r}})
		}))
	}
	server := httptest.NewUnstartedServer(router)
	server.Config.MaxHeaderBytes = 64 << 10
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

// recoverer is chi's middleware.Recoverer, which prints what it gets, without
// that.
func recoverer(recovered func(any)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if v := recover(); v != nil {
					recovered(v)
					w.WriteHeader(http.StatusInternalServerError) // net/http ignores it if it is not the first
				}
			}()
			next.ServeHTTP(w, r)
		})
	}
}

// conversation is a request in chi.
type conversation struct{ sessiontest.NetHTTP }

func (c conversation) Acquire(mode ...session.Mode) (*session.Session, error) {
	return chisession.Acquire(c.R, mode...)
}

func (c conversation) From() *session.Session { return chisession.From(c.R) }

func (c conversation) Fail(err error) error {
	chisession.Fail(c.W, c.R, err)
	return nil
}
