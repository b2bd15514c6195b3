package echosession_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/labstack/echo/v4"
	echosession "github.com/sessionstate/sessionstate/adapters/echo"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// TestRunAdapter proves that this adapter keeps the rules of all of them.
func TestRunAdapter(t *testing.T) {
	sessiontest.RunAdapter(t, newServer, sessiontest.AdapterWant{
		Flush: true, Hijack: true, Informational: true, Trailers: true, Disconnect: true, Errors: true, Writer: true,
	})
}

// conversation is a request in Echo.
type conversation struct {
	sessiontest.NetHTTP
	c echo.Context
}

func converse(c echo.Context) conversation {
	return conversation{sessiontest.NetHTTP{W: c.Response(), R: c.Request()}, c}
}

func (c conversation) Acquire(mode ...session.Mode) (*session.Session, error) {
	return echosession.Acquire(c.c, mode...)
}

func (c conversation) From() *session.Session { return echosession.From(c.c) }
func (c conversation) Fail(err error) error   { return echosession.Fail(c.c, err) }

// Informational goes to the writer below the echo.Response, which takes every
// status for the reply's.
func (c conversation) Informational(status int) error {
	c.c.Response().Writer.WriteHeader(status)
	return nil
}

func (c conversation) Redirect(status int, url string) error { return c.c.Redirect(status, url) }
func (c conversation) Error(status int, text string) error   { return c.c.String(status, text) }
func (c conversation) StatusError(status int) error          { return echo.NewHTTPError(status) }

func newServer(t testing.TB, mgr *session.Manager, sc sessiontest.Scenario) string {
	t.Helper()
	var opts echosession.Options
	if sc.ErrorHandler != nil {
		opts.ErrorHandler = func(c echo.Context, err error) error { return sc.ErrorHandler(converse(c), err) }
	}
	e := newEcho()
	e.Pre(echosession.Rewrite(mgr))
	e.Use(recoverer(sc.Recovered), echosession.New(mgr, opts))
	if sc.Twice {
		e.Use(echosession.New(mgr, opts))
	}
	if sc.Inner != nil {
		e.Use(echosession.New(sc.Inner, opts))
	}
	for _, r := range sc.Routes {
		var chain []echo.MiddlewareFunc
		if r.Passive {
			chain = append(chain, echosession.Passive())
		}
		for _, mode := range r.Require {
			chain = append(chain, echosession.Require(mode))
		}
		e.Add(r.Method, r.Path, func(c echo.Context) error { return r.Handler(converse(c)) }, slices.Clip(chain)...)
	}
	srv := httptest.NewServer(e)
	t.Cleanup(srv.Close)
	return srv.URL
}

func newEcho() *echo.Echo {
	e := echo.New()
	e.Logger.SetOutput(io.Discard)
	return e
}

// recoverer is Echo's middleware.Recover, which passes http.ErrAbortHandler
// on, for all values.
func recoverer(recovered func(any)) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) (err error) {
			defer func() {
				if v := recover(); v != nil {
					recovered(v)
					err = echo.NewHTTPError(http.StatusInternalServerError).SetInternal(fmt.Errorf("recovered: %v", v))
				}
			}()
			return next(c)
		}
	}
}
