package httpsession_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
)

// describe sets headers that describe one reply, and one that does not.
func describe(h http.Header) {
	h.Set("Content-Type", "application/pdf")
	h.Set("Content-Disposition", "attachment")
	h.Set("Content-Security-Policy", "default-src 'self'")
	h.Set("Etag", `"1"`)
	h.Set("Last-Modified", "Thu, 01 Jan 1970 00:00:00 GMT")
	h.Set("Location", "/secret")
	h.Set("Accept-Ranges", "bytes")
	h.Set("Cache-Control", "public, max-age=3600")
	h.Set("Trailer", "X-Sum")
	h.Set("X-Request-Id", "7")
	h.Add("Set-Cookie", "theme=dark")
}

// outside is an outer middleware that sets headers for every reply.
func outside(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "https://example.org")
		w.Header().Add("Set-Cookie", "csrf=1")
		next.ServeHTTP(w, r)
	})
}

var failures = map[string]func(testing.TB, http.ResponseWriter){
	"nothing written": func(_ testing.TB, w http.ResponseWriter) { describe(w.Header()) },
	"status": func(_ testing.TB, w http.ResponseWriter) {
		describe(w.Header())
		w.WriteHeader(302)
	},
	"held": func(t testing.TB, w http.ResponseWriter) {
		describe(w.Header())
		w.Header().Set("Content-Length", "4")
		if _, err := io.WriteString(w, "held"); err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Late", "no")
	},
	"flush": func(t testing.TB, w http.ResponseWriter) {
		describe(w.Header())
		wantRefused(t, w, http.NewResponseController(w).Flush())
	},
	"held and flushed": func(t testing.TB, w http.ResponseWriter) {
		describe(w.Header())
		io.WriteString(w, "held")
		wantRefused(t, w, http.NewResponseController(w).Flush())
	},
	"large write": func(t testing.TB, w http.ResponseWriter) {
		describe(w.Header())
		io.WriteString(w, "held")
		_, err := w.Write(make([]byte, 40<<10))
		wantRefused(t, w, err)
	},
	"large copy": func(t testing.TB, w http.ResponseWriter) {
		describe(w.Header())
		_, err := io.Copy(w, io.LimitReader(endless{}, 50<<10))
		wantRefused(t, w, err)
	},
	"hijack": func(t testing.TB, w http.ResponseWriter) {
		describe(w.Header())
		_, _, err := http.NewResponseController(w).Hijack()
		wantRefused(t, w, err)
	},
	"held and hijacked": func(t testing.TB, w http.ResponseWriter) {
		describe(w.Header())
		io.WriteString(w, "held")
		_, _, err := http.NewResponseController(w).Hijack()
		wantRefused(t, w, err)
	},
	"status 101": func(t testing.TB, w http.ResponseWriter) {
		describe(w.Header())
		w.WriteHeader(101)
		_, _, err := http.NewResponseController(w).Hijack()
		wantRefused(t, w, err)
	},
}

// wantRefused proves that err, and everything a handler does after it, says
// why the reply was refused.
func wantRefused(t testing.TB, w http.ResponseWriter, err error) {
	t.Helper()
	rc := http.NewResponseController(w)
	w.WriteHeader(200)
	_, errWrite := w.Write([]byte("more"))
	_, errString := io.WriteString(w, "more")
	_, errCopy := io.Copy(w, endless{})
	_, _, errHijack := rc.Hijack()
	for what, err := range map[string]error{
		"the call itself": err, "Write": errWrite, "WriteString": errString,
		"ReadFrom": errCopy, "Flush": rc.Flush(), "Hijack": errHijack,
	} {
		if !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("%s returns %v", what, err)
		}
	}
}

// TestA2_FailedStoreAnswersInsteadOfTheHandler: none of the handler's reply and
// no cookie goes out; what outer middlewares set stays.
func TestA2_FailedStoreAnswersInsteadOfTheHandler(t *testing.T) {
	for name, handler := range failures {
		for _, isNew := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newStore()
				mgr := newManager(t, s, hasty)
				f := serveOn(t, s, mgr, outside(httpsession.New(mgr)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					set(t, r, "lost")
					handler(t, w)
				}))))
				f.seed("before")
				old := f.id
				if isNew {
					f.id = ""
				}
				s.down.Store(true)
				got := f.get()
				f.want(got, 503, "Service Unavailable\n")
				for h, want := range map[string]string{
					"Retry-After": session.RetryAfter, "Cache-Control": "no-store",
					"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff",
					"Content-Length": "20", "Set-Cookie": "csrf=1",
					"Content-Disposition": "", "Etag": "", "Last-Modified": "", "Location": "", "Accept-Ranges": "", "X-Late": "",
					"X-Request-Id": "7", "Content-Security-Policy": "default-src 'self'",
					"Access-Control-Allow-Origin": "https://example.org",
				} {
					if have := strings.Join(got.Header.Values(h), "|"); have != want {
						t.Errorf("%s: %s, want %q", h, have, want)
					}
				}
				if len(got.Trailer) > 0 {
					t.Errorf("trailers: %v", got.Trailer)
				}
				s.down.Store(false)
				f.id = old
				f.wantStored("before")
				f.wantFree()
			})
		}
	}
}

func TestA2_ErrorHandler(t *testing.T) {
	for name, handler := range failures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore()
			s.down.Store(true)
			mgr := newManager(t, s, hasty)
			calls := 0
			f := serveOn(t, s, mgr, httpsession.New(mgr, httpsession.Options{
				ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
					calls++
					if r.URL.Path != "/" || !errors.Is(err, session.ErrUnavailable) {
						t.Errorf("got %v %v", r.URL, err)
					}
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(session.HTTPStatus(err))
					io.WriteString(w, `{}`)
				},
			})(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				set(t, r, "lost")
				handler(t, w)
			})))
			got := f.get()
			f.want(got, 503, "{}")
			if calls != 1 || got.Header.Get("Content-Type") != "application/json" || got.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%d calls, headers %v", calls, got.Header)
			}
		})
	}
}

func TestA2_SilentErrorHandlerLeavesItToTheDefault(t *testing.T) {
	for name, handler := range map[string]func(http.ResponseWriter, *http.Request, error){
		"silent":       func(http.ResponseWriter, *http.Request, error) {},
		"only a hint":  func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(103) },
		"only headers": func(w http.ResponseWriter, _ *http.Request, _ error) { w.Header().Set("X-Why", "because") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore()
			s.down.Store(true)
			mgr := newManager(t, s, hasty)
			f := serveOn(t, s, mgr, httpsession.New(mgr, httpsession.Options{ErrorHandler: handler})(http.HandlerFunc(
				func(w http.ResponseWriter, r *http.Request) {
					set(t, r, "lost")
					io.WriteString(w, "held")
				})))
			f.want(f.get(), 503, "Service Unavailable\n")
		})
	}
}

// TestM13_WhatWasSavedKeepsItsCookie: a session that was stored in the middle
// of a request must not be orphaned by what happens to the reply.
func TestM13_WhatWasSavedKeepsItsCookie(t *testing.T) {
	for name, reply := range map[string]func(http.ResponseWriter){
		"nothing written": func(http.ResponseWriter) {},
		"held":            func(w http.ResponseWriter) { io.WriteString(w, "held") },
		"flushed":         func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
	} {
		for handlerName, handler := range map[string]func(http.ResponseWriter, *http.Request, error){
			"default": nil,
			"cleans": func(w http.ResponseWriter, _ *http.Request, err error) {
				clear(w.Header())
				w.WriteHeader(session.HTTPStatus(err))
			},
			"cleans and writes": func(w http.ResponseWriter, _ *http.Request, err error) {
				clear(w.Header())
				w.WriteHeader(103)
				io.WriteString(w, "sorry")
			},
		} {
			t.Run(name+", error handler "+handlerName, func(t *testing.T) {
				t.Parallel()
				s := newStore()
				mgr := newManager(t, s, hasty)
				f := serveOn(t, s, mgr, httpsession.New(mgr, httpsession.Options{ErrorHandler: handler})(http.HandlerFunc(
					func(w http.ResponseWriter, r *http.Request) {
						sess := set(t, r, "saved")
						if err := sess.Save(r.Context()); err != nil {
							t.Error(err)
						}
						s.down.Store(true)
						set(t, r, "lost")
						reply(w)
					})))
				got := f.get()
				if f.id == "" || got.Header.Get("Cache-Control") != "no-store" || !slices.Contains(got.Header.Values("Vary"), "Cookie") {
					t.Fatalf("headers %v", got.Header)
				}
				s.down.Store(false)
				f.wantStored("saved")
			})
		}
	}
}

func TestFail(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		body   string
		retry  string
	}{
		{session.ErrQueueFull, 429, "Too Many Requests\n", session.RetryAfter},
		{errDown, 503, "Service Unavailable\n", session.RetryAfter},
		{session.ErrRenewed, 409, "Conflict\n", ""},
		{session.ErrTooLarge, 413, "Request Entity Too Large\n", ""},
		{t.Context().Err(), 200, "OK\n", ""},
		{errors.New("secret"), 500, "Internal Server Error\n", ""},
		{http.ErrAbortHandler, 500, "Internal Server Error\n", ""},
	} {
		f := serve(t, func(w http.ResponseWriter, r *http.Request) {
			describe(w.Header())
			w.Header().Set("Content-Length", "1000")
			w.Header().Set("Content-Encoding", "identity")
			httpsession.Fail(w, r, c.err)
		})
		got := f.get()
		f.want(got, c.status, c.body)
		h := got.Header
		if h.Get("Retry-After") != c.retry || h.Get("Cache-Control") != "no-store" || h.Get("Etag") != "" ||
			h.Get("Content-Encoding") != "identity" || h.Get("Set-Cookie") != "theme=dark" {
			t.Errorf("%v: headers %v", c.err, h)
		}
	}
}

func TestFailWithoutTheMiddleware(t *testing.T) {
	rec := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	_, err := httpsession.Acquire(r)
	if !errors.Is(err, session.ErrNoSession) || httpsession.From(r) != nil {
		t.Errorf("got %v", err)
	}
	httpsession.Fail(rec, r, err)
	if rec.Code != 500 || strings.Contains(rec.Body.String(), "session") {
		t.Errorf("got %d %s", rec.Code, rec.Body)
	}
}
