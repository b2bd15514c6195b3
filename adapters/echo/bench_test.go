package echosession_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"
	echosession "github.com/sessionstate/sessionstate/adapters/echo"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// discarding is a writer that costs nothing.
type discarding struct{ h http.Header }

func (w *discarding) Header() http.Header               { return w.h }
func (w *discarding) Write(p []byte) (int, error)       { return len(p), nil }
func (w *discarding) WriteString(s string) (int, error) { return len(s), nil }
func (w *discarding) WriteHeader(int)                   {}

// BenchmarkMiddleware is the middleware's cost over the bare framework.
func BenchmarkMiddleware(b *testing.B) {
	ok := []byte("ok")
	counter := session.NewKey[int]("n")
	acquire := func(c echo.Context, mode session.Mode) *session.Session {
		s, err := echosession.Acquire(c, mode)
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	bare := func(c echo.Context) error { _, err := c.Response().Write(ok); return err }
	mgr := newManager(b, memstore.New(), "")
	use := []echo.MiddlewareFunc{echosession.New(mgr)}
	for _, c := range []struct {
		name  string
		chain []echo.MiddlewareFunc
		h     echo.HandlerFunc
	}{
		{"bare", nil, bare},
		{"never acquires", use, bare},
		{"one read", use, func(c echo.Context) error {
			if _, err := counter.Get(acquire(c, session.ReadOnly)); err != nil {
				b.Fatal(err)
			}
			return bare(c)
		}},
		{"one read and one write", use, func(c echo.Context) error {
			s := acquire(c, session.Exclusive)
			n, err := counter.Get(s)
			if err != nil {
				b.Fatal(err)
			}
			if err := counter.Set(s, n+1); err != nil {
				b.Fatal(err)
			}
			return bare(c)
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := &site{TB: b, mgr: mgr, echo: newEcho()}
			s.echo.Use(c.chain...)
			s.echo.GET("/", c.h)
			s.seed("x")
			r := httptest.NewRequest("GET", "/", nil)
			s.sign(r)
			w := &discarding{h: make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.h)
				s.echo.ServeHTTP(w, r)
			}
		})
	}
}
