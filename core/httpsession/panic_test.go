package httpsession_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
)

// recoverer answers panics with 500 unless the reply has begun, and keeps what
// it recovered.
func recoverer(recovered *any, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if *recovered = recover(); *recovered != nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

func TestA4_PanicReleasesAndGoesUp(t *testing.T) {
	for name, reply := range map[string]func(http.ResponseWriter){
		"nothing written": func(w http.ResponseWriter) { w.Header().Set("X-Request-Id", "7") },
		"held": func(w http.ResponseWriter) {
			describe(w.Header())
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(201)
			io.WriteString(w, "held")
			w.Header().Set("X-Late", "no")
		},
	} {
		for _, value := range []any{"why", http.ErrAbortHandler} {
			t.Run(name, func(t *testing.T) {
				var recovered any
				s := newStore()
				mgr := newManager(t, s)
				f := serveOn(t, s, mgr, recoverer(&recovered, outside(httpsession.New(mgr)(http.HandlerFunc(
					func(w http.ResponseWriter, r *http.Request) {
						set(t, r, "lost")
						reply(w)
						panic(value)
					})))))
				f.seed("before")
				got := f.get()
				f.want(got, 500, "")
				if recovered != value {
					t.Errorf("recovered %v", recovered)
				}
				got.Header.Del("Date")
				want := http.Header{
					"Access-Control-Allow-Origin": {"https://example.org"},
					"Set-Cookie":                  {"csrf=1"}, "Content-Length": {"0"}, "X-Request-Id": {"7"},
				}
				got.Header.Del("Content-Security-Policy")
				if !maps.EqualFunc(got.Header, want, func(a, b []string) bool { return len(a) == len(b) && a[0] == b[0] }) {
					t.Errorf("got the headers %v, want %v", got.Header, want)
				}
				f.wantStored("before")
				f.wantFree()
			})
		}
	}
}

func TestA4_PanicAfterTheHeaders(t *testing.T) {
	f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		s := set(t, r, "early")
		w.(http.Flusher).Flush()
		if err := note.Set(s, "late"); err != nil {
			t.Error(err)
		}
		panic(http.ErrAbortHandler)
	})
	f.seed("before")
	r, _ := http.NewRequest("GET", f.url, nil)
	r.AddCookie(&http.Cookie{Name: cookieName, Value: f.id})
	res, err := f.http.Do(r)
	if err == nil {
		if _, err = io.ReadAll(res.Body); err == nil {
			t.Error("the connection was not aborted")
		}
		res.Body.Close()
	}
	f.wantFree()
	f.wantStored("early")
}

func TestA4_PanicKeepsTheCookieOfWhatWasSaved(t *testing.T) {
	var recovered any
	s := newStore()
	mgr := newManager(t, s)
	f := serveOn(t, s, mgr, recoverer(&recovered, httpsession.New(mgr)(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			if err := set(t, r, "saved").Save(r.Context()); err != nil {
				t.Error(err)
			}
			set(t, r, "lost")
			io.WriteString(w, "held")
			panic("why")
		}))))
	f.want(f.get(), 500, "")
	f.wantStored("saved")
}

func TestA4_GoexitReleases(t *testing.T) {
	f := serve(t, nil)
	f.seed("before")
	ended := make(chan struct{})
	go func() { // a server's goroutine would take the connection with it
		defer close(ended)
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(&http.Cookie{Name: cookieName, Value: f.id})
		httpsession.New(f.mgr)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			set(t, r, "lost")
			runtime.Goexit()
		})).ServeHTTP(httptest.NewRecorder(), r)
	}()
	await(t, ended)
	f.wantStored("before")
	f.wantFree()
}

// bomb panics, once or always, when it is armed.
type bomb struct{ armed, stubborn atomic.Bool }

func (b *bomb) explode() {
	if b.armed.Load() {
		b.armed.Store(b.stubborn.Load())
		panic("in the hook")
	}
}

// Observe makes a bomb an Observer.
func (b *bomb) Observe(context.Context, session.Event) { b.explode() }

// TestA4_PanicInTheHook: what panics is a function of the user's, which the
// core calls at the end of the request or before the headers.
func TestA4_PanicInTheHook(t *testing.T) {
	for name, handler := range map[string]func(http.ResponseWriter){
		"nothing written": func(http.ResponseWriter) {},
		"held":            func(w http.ResponseWriter) { io.WriteString(w, "held") },
		"flushed":         func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
		"panicking":       func(http.ResponseWriter) { panic("in the hook") },
	} {
		for _, stubborn := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", always ", stubborn), func(t *testing.T) {
				var recovered any
				var b bomb
				b.stubborn.Store(stubborn)
				s := newStore()
				mgr := newManager(t, s, func(cfg *session.Config) {
					cfg.Discard = func(out session.Outcome) bool {
						b.explode()
						return out.Failed()
					}
				})
				f := serveOn(t, s, mgr, recoverer(&recovered, httpsession.New(mgr)(http.HandlerFunc(
					func(w http.ResponseWriter, r *http.Request) {
						set(t, r, "after")
						b.armed.Store(true)
						handler(w)
					}))))
				f.seed("before")
				f.want(f.get(), 500, "")
				if recovered != "in the hook" {
					t.Errorf("recovered %v", recovered)
				}
				b.armed.Store(false)
				f.wantFree()
			})
		}
	}
}

// TestPanicInTheObserver: whatever an Observer does, the reply is the same.
func TestPanicInTheObserver(t *testing.T) {
	for name, c := range map[string]struct {
		handler func(http.ResponseWriter)
		status  int
		stored  string
	}{
		"nothing written": {func(http.ResponseWriter) {}, 200, "after"},
		"held":            {func(w http.ResponseWriter) { w.WriteHeader(201) }, 201, "after"},
		"flushed":         {func(w http.ResponseWriter) { w.(http.Flusher).Flush() }, 200, "after"},
		"panicking":       {func(http.ResponseWriter) { panic("in the handler") }, 500, "before"},
	} {
		for _, stubborn := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", always ", stubborn), func(t *testing.T) {
				var recovered any
				var b bomb
				b.stubborn.Store(stubborn)
				s := newStore()
				mgr := newManager(t, s, func(cfg *session.Config) { cfg.Observer = &b })
				f := serveOn(t, s, mgr, recoverer(&recovered, httpsession.New(mgr)(http.HandlerFunc(
					func(w http.ResponseWriter, r *http.Request) {
						set(t, r, "after")
						b.armed.Store(true)
						c.handler(w)
					}))))
				f.seed("before")
				f.want(f.get(), c.status, "")
				if recovered != nil && recovered != "in the handler" {
					t.Errorf("recovered %v", recovered)
				}
				f.wantStored(c.stored)
				f.wantFree()
			})
		}
	}
}

// brittle is a base writer whose Header panics when it is told to.
type brittle struct {
	*httptest.ResponseRecorder
	broken bool
}

func (w *brittle) Header() http.Header {
	if w.broken {
		panic("in Header")
	}
	return w.ResponseRecorder.Header()
}

// TestA4_PanicOfTheBase: the session is released even if the reply cannot be
// dropped.
func TestA4_PanicOfTheBase(t *testing.T) {
	f := serve(t, nil)
	f.seed("before")
	defer func() {
		if v := recover(); v != "in Header" {
			t.Errorf("recovered %v", v)
		}
		f.wantStored("before")
		f.wantFree()
	}()
	base := &brittle{ResponseRecorder: httptest.NewRecorder()}
	_, err := f.run(base, func(w http.ResponseWriter, r *http.Request) session.Outcome {
		set(t, r, "lost")
		io.WriteString(w, "held")
		base.broken = true
		panic("why")
	}, nil)
	t.Errorf("Run returned %v", err)
}

func TestA4_PanicInTheErrorHandler(t *testing.T) {
	var recovered any
	s := newStore()
	mgr := newManager(t, s, hasty)
	f := serveOn(t, s, mgr, recoverer(&recovered, httpsession.New(mgr, httpsession.Options{
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic("in ErrorHandler") },
	})(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		set(t, r, "lost")
		io.WriteString(w, "held")
	}))))
	f.seed("before")
	s.down.Store(true)
	f.want(f.get(), 500, "")
	if recovered != "in ErrorHandler" {
		t.Errorf("recovered %v", recovered)
	}
	s.down.Store(false)
	f.wantStored("before")
	f.wantFree()
}
