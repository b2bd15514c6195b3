package httpsession_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
)

var (
	_ http.Flusher    = (*httpsession.Writer)(nil)
	_ http.Hijacker   = (*httpsession.Writer)(nil)
	_ http.Pusher     = (*httpsession.Writer)(nil)
	_ io.ReaderFrom   = (*httpsession.Writer)(nil)
	_ io.StringWriter = (*httpsession.Writer)(nil)
)

// bare is a base writer that can do nothing but what it must.
type bare struct{ http.ResponseWriter }

// pushing is one that can push, and reads from readers by itself.
type pushing struct {
	http.ResponseWriter
	pushed string
	src    io.Reader
	strung int
}

func (w *pushing) Push(target string, _ *http.PushOptions) error { w.pushed = target; return nil }

func (w *pushing) ReadFrom(src io.Reader) (int64, error) {
	w.src = src
	return io.Copy(w.ResponseWriter, src)
}

func (w *pushing) WriteString(s string) (int, error) {
	w.strung++
	return w.ResponseWriter.Write([]byte(s))
}

// wrapper is a middleware's writer with Unwrap.
type wrapper struct{ http.ResponseWriter }

func (w wrapper) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestA3_WhatTheBaseCannotIsRefused(t *testing.T) {
	f := serve(t, nil)
	for name, wrap := range map[string]func(http.ResponseWriter) http.ResponseWriter{
		"bare":        func(w http.ResponseWriter) http.ResponseWriter { return bare{w} },
		"behind ours": func(w http.ResponseWriter) http.ResponseWriter { return wrapper{bare{w}} },
	} {
		rec := httptest.NewRecorder()
		other := newManager(t, newStore())
		httpsession.New(other)(httpsession.New(f.mgr)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := set(t, r, "x")
			rc := http.NewResponseController(w)
			_, _, errHijack := rc.Hijack()
			for what, err := range map[string]error{
				"Flush":            rc.Flush(),
				"Hijack":           errHijack,
				"Push":             w.(http.Pusher).Push("/a.css", nil),
				"SetReadDeadline":  rc.SetReadDeadline(time.Time{}),
				"EnableFullDuplex": rc.EnableFullDuplex(),
			} {
				if !errors.Is(err, http.ErrNotSupported) {
					t.Errorf("%s: %s: %v", name, what, err)
				}
			}
			w.(http.Flusher).Flush()
			// Nothing of that was a sign of the reply, or released the session.
			if err := note.Set(s, "y"); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			http.Error(w, "nothing sent yet", 404)
		}))).ServeHTTP(wrap(rec), httptest.NewRequest("GET", "/", nil))
		if rec.Code != 404 || rec.Flushed {
			t.Errorf("%s: got %d", name, rec.Code)
		}
	}
}

func TestA3_WhatTheBaseCanIsPassedOn(t *testing.T) {
	f := serve(t, nil)
	base := &pushing{ResponseWriter: httptest.NewRecorder()}
	src := io.LimitReader(endless{}, 1000)
	httpsession.New(f.mgr)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := w.(http.Pusher).Push("/a.css", nil); err != nil || base.pushed != "/a.css" {
			t.Errorf("Push: %v", err)
		}
		io.WriteString(w, "x")
		if n, err := w.(io.ReaderFrom).ReadFrom(src); n != 1000 || err != nil {
			t.Errorf("ReadFrom: %d, %v", n, err)
		}
		// The reader itself, so that sendfile is possible.
		if base.src != src || base.strung != 1 {
			t.Errorf("the base read from %T and wrote %d strings", base.src, base.strung)
		}
	})).ServeHTTP(wrapper{base}.ResponseWriter, httptest.NewRequest("GET", "/", nil))
}

// hijackable is a base writer whose connection can be taken over, and which
// counts what is asked of it after that.
type hijackable struct {
	http.ResponseWriter
	taken bool
	asked int
}

func (w *hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.taken = true
	return nil, nil, nil
}

func (w *hijackable) WriteHeader(int) { w.asked++ }

// TestA3_AfterHijackTheBaseAnswers: it knows best what is wrong then.
func TestA3_AfterHijackTheBaseAnswers(t *testing.T) {
	var last session.Outcome
	f := serve(t, nil, func(cfg *session.Config) {
		cfg.Discard = func(out session.Outcome) bool { last = out; return out.Failed() }
	})
	base := &hijackable{ResponseWriter: httptest.NewRecorder()}
	httpsession.New(f.mgr)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		set(t, r, "x")
		if _, _, err := http.NewResponseController(w).Hijack(); err != nil || !base.taken {
			t.Errorf("Hijack: %v", err)
		}
		w.WriteHeader(500)
		if base.asked != 1 {
			t.Errorf("the base was asked %d times", base.asked)
		}
	})).ServeHTTP(base, httptest.NewRequest("GET", "/", nil))
	if want := (session.Outcome{Status: 101}); last != want {
		t.Errorf("got %+v, want %+v", last, want)
	}
}

// TestA3_FilesGoFromTheBase: net/http's writer gets the file, at its start or
// after what was held.
func TestA3_FilesGoFromTheBase(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.bin")
	if err := os.WriteFile(name, make([]byte, 200_000), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, holds := range []bool{false, true} {
		f := serve(t, nil)
		h := httpsession.New(f.mgr)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if holds {
				set(t, r, "stored")
			}
			http.ServeFile(w, r, name)
		}))
		var base *pushing
		f = serveOn(t, f.store, f.mgr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			base = &pushing{ResponseWriter: w}
			h.ServeHTTP(base, r)
		}))
		got := f.get()
		if len(got.body) != 200_000 || got.ContentLength != 200_000 {
			t.Errorf("got %d bytes", len(got.body))
		}
		lr, ok := base.src.(*io.LimitedReader)
		if !ok {
			t.Fatalf("the base read from %T", base.src)
		}
		if _, ok := lr.R.(*os.File); !ok {
			t.Errorf("the base read from %T", lr.R)
		}
	}
}

// TestM21_NeverAcquiringCostsNoStore and nothing of its reply is copied.
func TestM21_NeverAcquiringCostsNoStore(t *testing.T) {
	f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "x")
		http.NewResponseController(w).Flush()
		io.WriteString(w, "y")
	}, func(cfg *session.Config) { cfg.SkipKeepAliveWhenUnused = true })
	f.seed("x")
	before := f.store.asked.Load()
	f.want(f.get(), 200, "xy")
	if asked := f.store.asked.Load() - before; asked != 0 {
		t.Errorf("the store was asked %d times", asked)
	}
}
