package httpsession_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// discarding is a base writer that costs nothing.
type discarding struct{ h http.Header }

func (w *discarding) Header() http.Header               { return w.h }
func (w *discarding) Write(p []byte) (int, error)       { return len(p), nil }
func (w *discarding) WriteString(s string) (int, error) { return len(s), nil }
func (w *discarding) WriteHeader(int)                   {}

var ok = []byte("ok")

type benchKey struct{}

// BenchmarkMiddleware is the middleware's cost over the bare handler.
func BenchmarkMiddleware(b *testing.B) {
	mgr := newManager(b, memstore.New())
	mw := httpsession.New(mgr)
	var bare http.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(ok) })
	counter := session.NewKey[int]("n")
	acquire := func(r *http.Request, mode session.Mode) *session.Session {
		s, err := httpsession.Acquire(r, mode)
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	for _, c := range []struct {
		name string
		h    http.Handler
	}{
		{"bare", bare},
		{"a context value", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // the least a middleware does
			bare.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), benchKey{}, w)))
		})},
		{"never acquires, without a cookie", mw(bare)},
		{"never acquires", mw(bare)},
		{"one read", mw(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := counter.Get(acquire(r, session.ReadOnly)); err != nil {
				b.Fatal(err)
			}
			w.Write(ok)
		}))},
		{"one read and one write", mw(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := acquire(r, session.Exclusive)
			n, err := counter.Get(s)
			if err != nil {
				b.Fatal(err)
			}
			if err := counter.Set(s, n+1); err != nil {
				b.Fatal(err)
			}
			w.Write(ok)
		}))},
	} {
		b.Run(c.name, func(b *testing.B) {
			f := &fixture{TB: b, mgr: mgr}
			f.seed("x")
			r := httptest.NewRequest("GET", "/", nil)
			if !strings.Contains(c.name, "without") {
				r.AddCookie(&http.Cookie{Name: cookieName, Value: f.id})
			}
			w := &discarding{h: make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.h)
				c.h.ServeHTTP(w, r)
			}
		})
	}
}
