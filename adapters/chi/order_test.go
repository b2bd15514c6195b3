package chisession_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5/middleware"

	chisession "github.com/sessionstate/sessionstate/adapters/chi"
)

// These tests show what the order of New and chi's own middlewares means:
// README.md tells it.

// either runs a test with a middleware on either side of New.
func either(t *testing.T, mw func(http.Handler) http.Handler, test func(t *testing.T, outside, inside middlewares)) {
	t.Run("outside", func(t *testing.T) { test(t, middlewares{mw}, nil) })
	t.Run("inside", func(t *testing.T) { test(t, nil, middlewares{mw}) })
}

// quietly keeps Recoverer from printing stacks.
type quietly struct{ *entries }

func (e quietly) Panic(any, []byte) {}

// entries is a log for middleware.RequestLogger.
type entries struct {
	mu   sync.Mutex
	list []string
	done chan struct{} // one value for each entry
}

func newEntries() *entries { return &entries{done: make(chan struct{}, 100)} }

func (e *entries) NewLogEntry(*http.Request) middleware.LogEntry { return quietly{e} }

func (e *entries) Write(status, bytes int, _ http.Header, _ time.Duration, _ any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, fmt.Sprint(status, ", ", bytes, " bytes"))
	e.done <- struct{}{}
}

func (e *entries) last(t *testing.T) string {
	t.Helper()
	select {
	case <-e.done:
	case <-time.After(patience):
		t.Error("nothing was logged")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.list[len(e.list)-1]
}

// TestOrder: whatever is on whichever side, replies arrive, changes are stored,
// and those of a handler that fails are dropped.
func TestOrder(t *testing.T) {
	for name, mw := range map[string]func(http.Handler) http.Handler{
		"Recoverer": middleware.Recoverer,
		"Logger":    middleware.RequestLogger(newEntries()),
		"Compress":  middleware.Compress(5),
		"Timeout":   middleware.Timeout(time.Minute),
	} {
		t.Run(name, func(t *testing.T) {
			either(t, mw, func(t *testing.T, outside, inside middlewares) {
				outside = append(middlewares{middleware.RequestLogger(newEntries()), middleware.Recoverer}, outside...)
				s := newSite(t, outside, inside, func(w http.ResponseWriter, r *http.Request) {
					put(t, r, r.URL.RawQuery)
					switch r.URL.RawQuery {
					case "panic":
						panic("a mistake")
					case "failure":
						w.WriteHeader(http.StatusInternalServerError)
					}
					w.Header().Set("Content-Type", "text/plain")
					io.WriteString(w, "done")
				})
				s.want(s.get("/?first"), 200, "done")
				s.wantNote("first")
				s.want(s.get("/?second"), 200, "done")
				s.wantNote("second")
				s.want(s.get("/?panic"), 500, "")
				s.want(s.get("/?failure"), 500, "done")
				s.wantNote("second")
			})
		})
	}
}

func TestRecovererOutside(t *testing.T) {
	for name, reply := range map[string]func(http.ResponseWriter){
		"nothing written": func(http.ResponseWriter) {},
		"held":            func(w http.ResponseWriter) { io.WriteString(w, "half a reply") },
	} {
		t.Run(name, func(t *testing.T) {
			var fail bool
			s := newSite(t, middlewares{middleware.RequestLogger(newEntries()), middleware.Recoverer}, nil,
				func(w http.ResponseWriter, r *http.Request) {
					put(t, r, fmt.Sprint(fail))
					if fail {
						reply(w)
						panic("a mistake")
					}
				})
			s.get("/")
			fail = true
			s.want(s.get("/"), 500, "")
			s.wantNote("false")
			fail = false
			s.want(s.get("/"), 200, "") // the session is free
		})
	}
}

// TestRecovererInside is why it belongs outside: New sees no panic, only what
// was written before it.
func TestRecovererInside(t *testing.T) {
	var reply func(http.ResponseWriter)
	s := newSite(t, middlewares{middleware.RequestLogger(newEntries())}, middlewares{middleware.Recoverer},
		func(w http.ResponseWriter, r *http.Request) {
			put(t, r, "after")
			reply(w)
			panic("a mistake")
		})
	reply = func(http.ResponseWriter) {}
	s.want(s.get("/"), 500, "")
	s.wantNote("") // dropped, as with every 5xx
	reply = func(w http.ResponseWriter) { io.WriteString(w, "half a reply") }
	s.want(s.get("/"), 200, "half a reply")
	s.wantNote("after")
}

func TestLogger(t *testing.T) {
	log := newEntries()
	either(t, middleware.RequestLogger(log), func(t *testing.T, outside, inside middlewares) {
		s := newSite(t, outside, inside, func(w http.ResponseWriter, r *http.Request) {
			put(t, r, r.URL.RawQuery)
			w.WriteHeader(http.StatusCreated)
			io.WriteString(w, "created")
		})
		s.want(s.get("/?1"), 201, "created")
		if got := log.last(t); got != "201, 7 bytes" {
			t.Errorf("logged %q", got)
		}
		s.down()
		s.want(s.get("/?2"), 503, "Service Unavailable\n")
		want := "503, 20 bytes" // what the client got
		if inside != nil {
			want = "201, 7 bytes" // what the handler wrote
		}
		if got := log.last(t); got != want {
			t.Errorf("logged %q, want %q", got, want)
		}
	})
}

func TestCompress(t *testing.T) {
	long := strings.Repeat("compress me ", 1000)
	either(t, middleware.Compress(5), func(t *testing.T, outside, inside middlewares) {
		var flush bool
		s := newSite(t, outside, inside, func(w http.ResponseWriter, r *http.Request) {
			put(t, r, r.URL.RawQuery)
			w.Header().Set("Content-Type", "text/plain")
			io.WriteString(w, long)
			if flush {
				if err := http.NewResponseController(w).Flush(); err != nil {
					t.Error(err)
				}
			}
			io.WriteString(w, "the end")
		})
		// Without this, http.Transport inflates on its own and says nothing.
		s.client.Transport.(*http.Transport).DisableCompression = true
		ask := func(query string) reply {
			r, err := http.NewRequest("GET", s.url+"/?"+query, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Accept-Encoding", "gzip")
			res, err := s.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			var body io.Reader = res.Body
			if res.Header.Get("Content-Encoding") == "gzip" {
				if body, err = gzip.NewReader(body); err != nil {
					t.Fatal(err)
				}
			}
			text, err := io.ReadAll(body)
			if err != nil {
				t.Fatal(err)
			}
			return reply{res, string(text)}
		}
		for _, flush = range []bool{false, true} {
			query := fmt.Sprint(flush)
			got := ask(query)
			s.want(got, 200, long+"the end")
			if got.Header.Get("Content-Encoding") != "gzip" {
				t.Error("not compressed")
			}
			s.wantNote(query)
		}
		flush = false
		s.down()
		s.want(ask("lost"), 503, "Service Unavailable\n")
	})
}

// TestTimeout: chi's ends the context and answers 504 once the handler has
// returned.
func TestTimeout(t *testing.T) {
	const short = 20 * time.Millisecond
	either(t, middleware.Timeout(short), func(t *testing.T, outside, inside middlewares) {
		var late bool
		s := newSite(t, outside, inside, func(w http.ResponseWriter, r *http.Request) {
			put(t, r, fmt.Sprint(late))
			if late {
				<-r.Context().Done()
			}
		})
		s.want(s.get("/"), 200, "")
		late = true
		s.want(s.get("/"), 504, "")
		if inside != nil {
			s.wantNote("false") // the 504 drops the changes, as every 5xx does
		} else {
			s.wantNote("true") // New saw a handler that returned
		}
	})
}

// TestTimeoutEndsTheWait of a request for a session that another one holds.
func TestTimeoutEndsTheWait(t *testing.T) {
	either(t, middleware.Timeout(20*time.Millisecond), func(t *testing.T, outside, inside middlewares) {
		holding, goOn, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
		s := newSite(t, outside, inside, func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.RawQuery {
			case "first":
				put(t, r, "x")
			case "holds":
				put(t, r, "y")
				close(holding)
				<-goOn
			case "waits":
				_, err := chisession.Acquire(r)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				chisession.Fail(w, r, err)
			}
		})
		s.get("/?first")
		go func() {
			defer close(done)
			s.get("/?holds")
		}()
		<-holding
		s.want(s.get("/?waits"), 503, "Service Unavailable\n")
		close(goOn)
		<-done
	})
}

// TestHeadersForEveryReply: what an outer middleware sets, such as CORS
// headers, is on the error replies too.
func TestHeadersForEveryReply(t *testing.T) {
	const name = "Access-Control-Allow-Origin"
	either(t, middleware.SetHeader(name, "*"), func(t *testing.T, outside, inside middlewares) {
		s := newSite(t, outside, inside, func(w http.ResponseWriter, r *http.Request) {
			put(t, r, r.URL.RawQuery)
			io.WriteString(w, "ok")
		})
		if got := s.get("/?1"); got.Header.Get(name) != "*" {
			t.Errorf("headers %v", got.Header)
		}
		s.down()
		got := s.get("/?2")
		s.want(got, 503, "Service Unavailable\n")
		if got.Header.Get(name) != "*" {
			t.Errorf("headers of the error reply: %v", got.Header)
		}
	})
}
