package sessiontest_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// netHTTP is what net/http can do.
var netHTTP = sessiontest.AdapterWant{
	Flush: true, Hijack: true, Informational: true, Trailers: true, Disconnect: true, Writer: true,
}

// TestRunAdapter proves that the kit asks no more of an adapter than the rules,
// and that httpsession keeps them.
func TestRunAdapter(t *testing.T) {
	sessiontest.RunAdapter(t, newHTTPServer, netHTTP)
}

// conversation is a request in net/http with httpsession.
type conversation struct{ sessiontest.NetHTTP }

func (c conversation) Acquire(mode ...session.Mode) (*session.Session, error) {
	return httpsession.Acquire(c.R, mode...)
}

func (c conversation) From() *session.Session { return httpsession.From(c.R) }

func (c conversation) Fail(err error) error {
	httpsession.Fail(c.W, c.R, err)
	return nil
}

func newHTTPServer(t testing.TB, mgr *session.Manager, sc sessiontest.Scenario) string {
	t.Helper()
	return newHTTPServerWith(t, mgr, sc, func(w http.ResponseWriter) http.ResponseWriter { return w })
}

// newHTTPServerWith starts a server whose handlers get what wrap makes of
// their writer.
func newHTTPServerWith(t testing.TB, mgr *session.Manager, sc sessiontest.Scenario, wrap func(http.ResponseWriter) http.ResponseWriter) string {
	t.Helper()
	mux := http.NewServeMux()
	for _, r := range sc.Routes {
		var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if err := r.Handler(conversation{sessiontest.NetHTTP{W: wrap(w), R: req}}); err != nil {
				t.Errorf("%s %s: a handler of net/http cannot return %v", r.Method, r.Path, err)
			}
		})
		for _, mode := range slices.Backward(r.Require) {
			h = httpsession.Require(mode)(h)
		}
		if r.Passive {
			h = httpsession.Passive()(h)
		}
		mux.Handle(r.Method+" "+r.Path+exactly(r.Path), h)
	}
	var opts httpsession.Options
	if sc.ErrorHandler != nil {
		opts.ErrorHandler = func(w http.ResponseWriter, r *http.Request, err error) {
			sc.ErrorHandler(conversation{sessiontest.NetHTTP{W: w, R: r}}, err)
		}
	}
	var h http.Handler = mux
	if sc.Inner != nil {
		h = httpsession.New(sc.Inner, opts)(h)
	}
	if sc.Twice {
		h = httpsession.New(mgr, opts)(h)
	}
	h = httpsession.New(mgr, opts)(h)
	srv := httptest.NewServer(httpsession.Rewrite(mgr)(recoverer(h, sc.Recovered)))
	t.Cleanup(srv.Close)
	return srv.URL
}

// exactly makes a mux pattern that ends with a slash match nothing below it.
func exactly(path string) string {
	if path[len(path)-1] == '/' {
		return "{$}"
	}
	return ""
}
