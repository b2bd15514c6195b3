package httpsession_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// TestConformance proves the rules of adapters for http.ServeMux as it is.
func TestConformance(t *testing.T) {
	sessiontest.RunAdapter(t, newScenarioServer, sessiontest.AdapterWant{
		Flush: true, Hijack: true, Informational: true, Trailers: true, Disconnect: true, Writer: true,
	})
}

// newScenarioServer serves a Scenario with http.ServeMux.
func newScenarioServer(t testing.TB, mgr *session.Manager, sc sessiontest.Scenario) string {
	mux := http.NewServeMux()
	for _, route := range sc.Routes {
		var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = route.Handler(conversation{sessiontest.NetHTTP{W: w, R: r}})
		})
		for _, mode := range slices.Backward(route.Require) {
			h = httpsession.Require(mode)(h)
		}
		mux.Handle(route.Method+" "+route.Path, h)
	}
	var opts httpsession.Options
	if sc.ErrorHandler != nil {
		opts.ErrorHandler = func(w http.ResponseWriter, r *http.Request, err error) {
			_ = sc.ErrorHandler(conversation{sessiontest.NetHTTP{W: w, R: r}}, err)
		}
	}
	var h http.Handler = mux
	if sc.Inner != nil {
		h = httpsession.New(sc.Inner, opts)(h)
	}
	if sc.Twice {
		h = httpsession.New(mgr, opts)(h)
	}
	h = outerRecoverer(httpsession.New(mgr, opts)(h), sc.Recovered)
	srv := httptest.NewUnstartedServer(h)
	srv.Config.MaxHeaderBytes = 64 << 10
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.URL
}

// outerRecoverer answers 500 for a panic, unless the reply has begun.
func outerRecoverer(next http.Handler, recovered func(any)) http.Handler {
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

// conversation is the translation of a Scenario's handlers.
type conversation struct {
	sessiontest.NetHTTP
}

func (c conversation) Acquire(mode ...session.Mode) (*session.Session, error) {
	return httpsession.Acquire(c.R, mode...)
}

func (c conversation) From() *session.Session { return httpsession.From(c.R) }

func (c conversation) Fail(err error) error {
	httpsession.Fail(c.W, c.R, err)
	return nil
}
