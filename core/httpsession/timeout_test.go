package httpsession_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
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
		wrote <- errors.Join(err, http.NewResponseController(w).SetReadDeadline(time.Time{}))
	}))
	f := serveOn(t, s, mgr, http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { ended <- struct{}{} }()
		inner.ServeHTTP(w, r)
	}), short, "too late"))

	// A client without a session: its cookie cannot arrive, so none is stored.
	f.want(f.do("GET", "/late"), 503, "too late")
	await(t, wrote)
	await(t, ended)
	if f.id != "" || s.writes.Load() != 0 {
		t.Error("a session was stored whose cookie cannot arrive (M20)")
	}
	// One with a session: as if it had left (M20).
	f.seed("before")
	f.want(f.do("GET", "/late"), 503, "too late")
	await(t, wrote)
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
// without a writer of their own: the handler's goroutine goes on and writes.
func TestA3_GoroutineLeftBehind(t *testing.T) {
	for name, first := range map[string]func(http.ResponseWriter){
		"fresh":   func(http.ResponseWriter) {},
		"holding": func(w http.ResponseWriter) { io.WriteString(w, "held") },
		"passing": func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
	} {
		for _, concurrently := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				goOn, done := make(chan struct{}), make(chan struct{})
				f := serve(t, func(w http.ResponseWriter, r *http.Request) {
					set(t, r, "stored")
					first(w)
					go func() {
						defer close(done)
						if !concurrently {
							<-goOn
						}
						rc := http.NewResponseController(w)
						for range 100 {
							w.WriteHeader(200)
							io.WriteString(w, "late")
							io.Copy(w, struct{ io.Reader }{strings.NewReader("late")})
							rc.Flush()
							w.Write([]byte("late"))
						}
						<-goOn
						_, errWrite := w.Write([]byte("late"))
						_, errCopy := io.Copy(w, endless{})
						_, _, errHijack := rc.Hijack()
						for _, err := range []error{errWrite, errCopy, errHijack, rc.Flush()} {
							if err == nil {
								t.Error("the goroutine was not told that it is too late")
							}
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
