package ginsession_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	ginsession "github.com/sessionstate/sessionstate/adapters/gin"
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
	acquire := func(c *gin.Context, mode session.Mode) *session.Session {
		s, err := ginsession.Acquire(c, mode)
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	bare := func(c *gin.Context) { _, _ = c.Writer.Write(ok) } // to memory
	mgr := newManager(b, memstore.New(), "")
	use := []gin.HandlerFunc{ginsession.New(mgr)}
	for _, c := range []struct {
		name  string
		chain []gin.HandlerFunc
		h     gin.HandlerFunc
	}{
		{"bare", nil, bare},
		{"never acquires", use, bare},
		{"one read", use, func(c *gin.Context) {
			if _, err := counter.Get(acquire(c, session.ReadOnly)); err != nil {
				b.Fatal(err)
			}
			bare(c)
		}},
		{"one read and one write", use, func(c *gin.Context) {
			s := acquire(c, session.Exclusive)
			n, err := counter.Get(s)
			if err != nil {
				b.Fatal(err)
			}
			if err := counter.Set(s, n+1); err != nil {
				b.Fatal(err)
			}
			bare(c)
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := &site{TB: b, mgr: mgr, engine: gin.New()}
			s.engine.Use(c.chain...)
			s.engine.GET("/", c.h)
			s.seed("x")
			r := httptest.NewRequest("GET", "/", nil)
			s.sign(r)
			w := &discarding{h: make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.h)
				s.engine.ServeHTTP(w, r)
			}
		})
	}
}
