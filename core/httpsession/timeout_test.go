package httpsession_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
)

// short is when http.TimeoutHandler's time is up: handlers wait for its
// context, so that it never passes in vain.
const short = 50 * time.Millisecond

func TestA3_TimeoutHandlerOutside(t *testing.T) {
	s := newStore()
	mgr := newManager(t, s)
	wrote := make(chan error, 1)
	ended := make(chan struct{}, 1)
	inner := httpsession.New(mgr)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		set(t, r, "stored")
		if r.URL.Path == "/late" {
			<-r.Context().Done()
		}
		_, err := io.WriteString(w, "x")
		wrote <- err
	}))
	f := serveOn(t, s, mgr, http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { ended <- struct{}{} }()
		inner.ServeHTTP(w, r)
	}), short, "too late"))

	wantHeld := func() {
		t.Helper()
		if err := await(t, wrote); err != nil {
			t.Errorf("what the handler writes is held, but Write returns %v", err)
		}
	}
	// A client without a session: its cookie cannot arrive, so none is stored.
	f.want(f.do("GET", "/late"), 503, "too late")
	wantHeld()
	await(t, ended)
	if f.id != "" || s.writes.Load() != 0 {
		t.Error("a session was stored whose cookie cannot arrive (M20)")
	}
	// One with a session: as if it had left (M20).
	f.seed("before")
	f.want(f.do("GET", "/late"), 503, "too late")
	wantHeld()
	await(t, ended)
	f.wantStored("stored")
	f.wantFree()
	// In time.
	f.seed("before")
	f.want(f.do("GET", "/"), 200, "x")
	f.wantStored("stored")
}

func TestA3_TimeoutHandlerInside(t *testing.T) {
	s := newStore()
	mgr := newManager(t, s)
	goOn, late := make(chan struct{}), make(chan error, 1)
	f := serveOn(t, s, mgr, httpsession.New(mgr)(http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sess := set(t, r, "stored")
		io.WriteString(w, "x")
		if r.URL.Path != "/late" {
			return
		}
		<-goOn
		if _, err := io.WriteString(w, "more"); !errors.Is(err, http.ErrHandlerTimeout) {
			t.Errorf("late write: %v", err)
		}
		late <- note.Set(sess, "late")
	}), short, "too late")))

	f.seed("before")
	f.want(f.do("GET", "/late"), 503, "too late")
	f.wantStored("before") // as after every 5xx (M13)
	f.wantFree()
	close(goOn)
	if err := await(t, late); !errors.Is(err, session.ErrReleased) {
		t.Errorf("late Set: %v", err)
	}
	f.want(f.do("GET", "/"), 200, "x")
	f.wantStored("stored")
}

// TestA3_GoroutineLeftBehind is what middlewares do that time a handler out
// without a writer of their own: the handler's goroutine goes on and writes,
// while the request ends and after it.
func TestA3_GoroutineLeftBehind(t *testing.T) {
	begin := map[string]func(http.ResponseWriter){
		"fresh":   func(http.ResponseWriter) {},
		"holding": func(w http.ResponseWriter) { io.WriteString(w, "held") },
		"passing": func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
	}
	ops := map[string]func(http.ResponseWriter) error{
		"Write":       func(w http.ResponseWriter) error { _, err := w.Write([]byte("late")); return err },
		"WriteString": func(w http.ResponseWriter) error { _, err := io.WriteString(w, "late"); return err },
		"Flush":       func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() },
		"WriteHeader": func(w http.ResponseWriter) error { w.WriteHeader(200); return nil },
		"ReadFrom": func(w http.ResponseWriter) error {
			_, err := io.Copy(w, struct{ io.Reader }{strings.NewReader("late")})
			return err
		},
		"Hijack": func(w http.ResponseWriter) error {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				err = conn.Close()
			}
			return err
		},
	}
	for name, first := range begin {
		for opName, op := range ops {
			t.Run(name+", "+opName, func(t *testing.T) {
				t.Parallel()
				goOn, done := make(chan struct{}), make(chan struct{})
				f := serve(t, func(w http.ResponseWriter, r *http.Request) {
					set(t, r, "stored")
					first(w)
					go func() {
						defer close(done)
						// What the base reads by itself races in net/http; so would
						// a connection that was taken.
						if opName != "Hijack" && (name != "passing" || opName != "ReadFrom") {
							for range 100 {
								_ = op(w)
							}
						}
						<-goOn
						if err := op(w); err == nil && opName != "WriteHeader" {
							t.Error("the goroutine was not told that it is too late")
						}
					}()
				})
				f.get()
				close(goOn)
				await(t, done)
				f.wantStored("stored")
				f.wantFree()
			})
		}
	}
}

// A goroutine of the handler that saves sets the cookie while another begins
// the reply: http.TimeoutHandler below New does so when its time is up.
func TestA3_SaveBesideTheBeginOfTheReply(t *testing.T) {
	mgr := newManager(t, newStore())
	h := httpsession.New(mgr)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := httpsession.Acquire(r)
		if err != nil {
			t.Error(err)
			return
		}
		if err := note.Set(s, "x"); err != nil {
			t.Error(err)
		}
		for i := range 200 { // so that they take their time
			w.Header().Set(fmt.Sprint("X-", i), "x")
		}
		var wg sync.WaitGroup
		wg.Go(func() { _ = s.Save(r.Context()) })
		wg.Go(func() { w.WriteHeader(http.StatusOK) })
		wg.Wait()
	}))
	for range 2000 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if len(w.Result().Cookies()) != 1 {
			t.Fatal("the reply sets no cookie")
		}
	}
}
