package httpsession_test

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
)

func TestRequire(t *testing.T) {
	for _, mode := range []session.Mode{session.Exclusive, session.ReadOnly, session.Snapshot, session.Concurrent} {
		s := newStore()
		mgr := newManager(t, s)
		f := serveOn(t, s, mgr, httpsession.New(mgr)(httpsession.Require(mode)(http.HandlerFunc(
			func(w http.ResponseWriter, r *http.Request) {
				sess := httpsession.From(r)
				if sess == nil || sess.Mode() != mode || session.From(r.Context()) != sess || mgr.From(r.Context()) != sess {
					t.Errorf("Require(%v): From is %v", mode, sess)
				}
				if again, err := httpsession.Acquire(r, mode); again != sess || err != nil {
					t.Errorf("Require(%v): Acquire again: %v", mode, err)
				}
			}))))
		f.want(f.seed("x").get(), 200, "")
	}
}

func TestRequireFails(t *testing.T) {
	for name, opts := range map[string][]httpsession.Options{
		"Service Unavailable\n": nil,
		"own words": {{}, {ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			w.WriteHeader(session.HTTPStatus(err))
			io.WriteString(w, "own words")
		}}},
	} {
		s := newStore()
		mgr := newManager(t, s)
		f := serveOn(t, s, mgr, httpsession.New(mgr, opts...)(httpsession.Require(session.Exclusive)(http.HandlerFunc(
			func(http.ResponseWriter, *http.Request) { t.Error("the handler ran") }))))
		f.seed("x")
		if err := mgr.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.want(f.get(), 503, name)
	}
}

func TestRequireWithoutTheMiddleware(t *testing.T) {
	f := serve(t, nil)
	f = serveOn(t, f.store, f.mgr, httpsession.Require(session.Exclusive)(http.HandlerFunc(
		func(http.ResponseWriter, *http.Request) { t.Error("the handler ran") })))
	f.want(f.get(), 500, "Internal Server Error\n")
}

func TestSkip(t *testing.T) {
	s := newStore()
	mgr := newManager(t, s)
	f := serveOn(t, s, mgr, httpsession.New(mgr, httpsession.Options{
		Skip: func(r *http.Request) bool { return r.URL.Path == "/health" },
	})(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, ours := w.(*httpsession.Writer)
		_, err := httpsession.Acquire(r)
		if skipped := r.URL.Path == "/health"; ours == skipped || errors.Is(err, session.ErrNoSession) != skipped {
			t.Errorf("%s: %T, %v", r.URL, w, err)
		}
	})))
	f.do("GET", "/health")
	f.do("GET", "/")
}

func TestNestedTwiceIsOnce(t *testing.T) {
	s := newStore()
	mgr := newManager(t, s)
	f := serveOn(t, s, mgr, httpsession.New(mgr)(httpsession.New(mgr)(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			set(t, r, "stored")
			if _, twice := w.(*httpsession.Writer).Unwrap().(*httpsession.Writer); twice {
				t.Error("two writers")
			}
			io.WriteString(w, "x")
		}))))
	got := f.get()
	f.want(got, 200, "x")
	if n := len(got.Header.Values("Set-Cookie")); n != 1 || s.writes.Load() != 1 {
		t.Errorf("%d cookies, %d writes", n, s.writes.Load())
	}
}

// TestA7_TwoManagers serve one request: their sessions, cookies and commits
// are two.
func TestA7_TwoManagers(t *testing.T) {
	innerName := func(cfg *session.Config) {
		cfg.ID = session.Cookie{Name: "inner", Insecure: true}
		hasty(cfg)
	}
	for name, c := range map[string]struct {
		path        string
		innerDown   bool
		outerDown   bool
		status      int
		outer, save bool // the outer session is stored; Save is called in the handler
	}{
		"both":                    {status: 200, outer: true},
		"outer down":              {outerDown: true, status: 503},
		"inner down":              {innerDown: true, status: 503},
		"inner down, outer saved": {innerDown: true, status: 503, save: true, outer: true},
	} {
		for how, reply := range map[string]func(http.ResponseWriter){
			"nothing": func(http.ResponseWriter) {},
			"held":    func(w http.ResponseWriter) { io.WriteString(w, "") },
			"flushed": func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				outerStore, innerStore := newStore(), newStore()
				outer, inner := newManager(t, outerStore, hasty), newManager(t, innerStore, innerName)
				f := serveOn(t, outerStore, outer, httpsession.New(outer)(httpsession.New(inner)(
					httpsession.Require(session.Exclusive, outer, inner)(http.HandlerFunc(
						func(w http.ResponseWriter, r *http.Request) {
							ctx := r.Context()
							if httpsession.From(r) != inner.From(ctx) || outer.From(ctx) == inner.From(ctx) {
								t.Error("the innermost Manager is not the default")
							}
							if err := errors.Join(note.Set(outer.From(ctx), "outer"), note.Set(inner.From(ctx), "inner")); err != nil {
								t.Error(err)
							}
							if c.save {
								if err := outer.From(ctx).Save(ctx); err != nil {
									t.Error(err)
								}
							}
							innerStore.down.Store(c.innerDown)
							outerStore.down.Store(c.outerDown)
							reply(w)
						})))))
				got := f.get()
				if got.StatusCode != c.status {
					t.Errorf("got %d, want %d", got.StatusCode, c.status)
				}
				hasInner := strings.Contains(strings.Join(got.Header.Values("Set-Cookie"), "\n"), "inner=")
				if hasInner != (c.status == 200) || (f.id != "") != c.outer {
					t.Errorf("cookies %q", got.Header.Values("Set-Cookie"))
				}
				if c.outer {
					f.wantStored("outer")
				}
			})
		}
	}
}

// gzipped is a compressing middleware of the common kind.
func gzipped(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		gw := &gzipWriter{ResponseWriter: w}
		defer gw.close()
		next.ServeHTTP(gw, r)
	})
}

type gzipWriter struct {
	http.ResponseWriter
	z     *gzip.Writer
	begun bool
}

func (w *gzipWriter) WriteHeader(code int) {
	if !w.begun && code >= 200 {
		w.begun = true
		if code != 204 && code != 304 {
			w.Header().Del("Content-Length")
			w.Header().Set("Content-Encoding", "gzip")
			w.z = gzip.NewWriter(w.ResponseWriter)
		}
	}
	w.ResponseWriter.WriteHeader(code)
}

func (w *gzipWriter) Write(p []byte) (int, error) {
	if !w.begun {
		if w.Header().Get("Content-Type") == "" {
			w.Header().Set("Content-Type", http.DetectContentType(p))
		}
		w.WriteHeader(200)
	}
	if w.z == nil {
		return w.ResponseWriter.Write(p)
	}
	return w.z.Write(p)
}

func (w *gzipWriter) Flush() {
	if w.z != nil {
		w.z.Flush()
	}
	w.ResponseWriter.(http.Flusher).Flush()
}

func (w *gzipWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *gzipWriter) close() {
	if w.z != nil {
		w.z.Close()
	}
}

func TestA1_GzipOnEitherSide(t *testing.T) {
	replies := map[string]struct {
		reply  func(http.ResponseWriter)
		status int
		body   string
	}{
		"nothing":    {func(http.ResponseWriter) {}, 200, ""},
		"no content": {func(w http.ResponseWriter) { w.WriteHeader(204) }, 204, ""},
		"short":      {func(w http.ResponseWriter) { io.WriteString(w, "short") }, 200, "short"},
		"status":     {func(w http.ResponseWriter) { http.Error(w, "gone", 410) }, 410, "gone\n"},
		"long": {func(w http.ResponseWriter) {
			for range 100 {
				_, _ = io.Copy(w, io.LimitReader(endless{}, 1000)) // fails if the store is down
			}
		}, 200, strings.Repeat("z", 100_000)},
		"flushed": {func(w http.ResponseWriter) {
			io.WriteString(w, "a")
			w.(http.Flusher).Flush()
			io.WriteString(w, "b")
		}, 200, "ab"},
	}
	for side, chain := range map[string]func(func(http.Handler) http.Handler, http.Handler) http.Handler{
		"outside": func(mw func(http.Handler) http.Handler, h http.Handler) http.Handler { return gzipped(mw(h)) },
		"inside":  func(mw func(http.Handler) http.Handler, h http.Handler) http.Handler { return mw(gzipped(h)) },
	} {
		for name, c := range replies {
			for _, down := range []bool{false, true} {
				t.Run(side+", "+name, func(t *testing.T) {
					t.Parallel()
					s := newStore()
					mgr := newManager(t, s, hasty)
					f := serveOn(t, s, mgr, chain(httpsession.New(mgr), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						set(t, r, "stored")
						s.down.Store(down)
						c.reply(w)
					})))
					got := f.get()
					if got.Header.Get("Content-Encoding") == "gzip" {
						z, err := gzip.NewReader(strings.NewReader(got.body))
						if err != nil {
							t.Fatal(err)
						}
						body, err := io.ReadAll(z)
						if err != nil {
							t.Fatal(err)
						}
						got.body = string(body)
					}
					if down {
						f.want(got, 503, "Service Unavailable\n")
						return
					}
					f.want(got, c.status, c.body)
					f.wantStored("stored")
					f.wantFree()
					if extra := s.writes.Load(); extra > 2 || extra > 1 && name != "long" && name != "flushed" {
						t.Errorf("%d writes", extra)
					}
				})
			}
		}
	}
}
