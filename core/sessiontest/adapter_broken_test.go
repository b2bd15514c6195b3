package sessiontest_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
	"unsafe"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// brokenAdapterEnv tells a child process which broken adapter to run the kit
// on.
const brokenAdapterEnv = "SESSIONTEST_BROKEN_ADAPTER"

// TestRunAdapter_CatchesBrokenAdapters runs the kit on adapters that are
// broken on purpose, each in a process of its own, where the kit may fail, and
// wants it to fail in a subtest of the very rule that the adapter breaks.
func TestRunAdapter_CatchesBrokenAdapters(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range brokenAdapters {
		t.Run(b.rule+"/"+b.name, func(t *testing.T) {
			t.Parallel()
			child := exec.CommandContext(t.Context(), program,
				"-test.run=^TestBrokenAdapter$/^"+b.rule+"$", "-test.v", "-test.timeout=120s")
			child.Env = append(os.Environ(), brokenAdapterEnv+"="+b.rule+"/"+b.name)
			output, err := child.CombinedOutput()
			if err == nil {
				t.Fatalf("the kit passes on an adapter that %s", b.name)
			}
			if !strings.Contains(string(output), "--- FAIL: TestBrokenAdapter/"+b.rule+"/") {
				t.Errorf("no subtest of %s failed on an adapter that %s:\n%s", b.rule, b.name, output)
			}
		})
	}
}

// TestBrokenAdapter is what those processes run.
func TestBrokenAdapter(t *testing.T) {
	name := os.Getenv(brokenAdapterEnv)
	if name == "" {
		return // not such a process
	}
	sessiontest.SetWaitLimit(2 * time.Second)
	for _, b := range brokenAdapters {
		if b.rule+"/"+b.name == name {
			if b.writer == nil {
				sessiontest.RunAdapter(t, b.adapter.server, plainWant)
				return
			}
			sessiontest.RunAdapter(t, func(t testing.TB, mgr *session.Manager, sc sessiontest.Scenario) string {
				return newHTTPServerWith(t, mgr, sc, b.writer)
			}, netHTTP)
			return
		}
	}
	t.Fatalf("no broken adapter is called %q", name)
}

// brokenAdapter is an adapter that is plain but for one fault, or that of
// net/http with a writer that is.
type brokenAdapter struct {
	rule    string
	name    string // completes "an adapter that …"
	adapter plain
	writer  func(http.ResponseWriter) http.ResponseWriter
}

var brokenAdapters = []brokenAdapter{
	{rule: "M10", name: "acquires for every request", adapter: plain{begin: func(w *plainWriter) {
		if s, err := session.Acquire(w.r.Context()); err == nil {
			_ = s.SetTimeout(s.Timeout() + 1)
		}
	}}},
	{rule: "M11", name: "looks at the first cookie of a name only", adapter: plain{exchange: exchanging(func(e *brokenExchange) {
		e.requestHeader = func(name string) []string {
			if c, err := e.w.r.Cookie("session"); name == "Cookie" && err == nil {
				return []string{"session=" + c.Value}
			}
			return e.w.r.Header.Values(name)
		}
	})}},
	{rule: "M11", name: "trusts whatever has the right name", adapter: plain{exchange: exchanging(func(e *brokenExchange) {
		e.requestHeader = func(name string) []string {
			c, err := e.w.r.Cookie("session")
			if name != "Cookie" || err != nil {
				return e.w.r.Header.Values(name)
			}
			id := strings.Map(func(r rune) rune {
				if r > 127 || strings.ContainsRune(".+/=% ", r) {
					return 'A'
				}
				return r
			}, c.Value+strings.Repeat("A", 24))
			return []string{"session=" + id[:24]}
		}
	})}},
	{rule: "M12", name: "sends the cookie before the session is stored", adapter: plain{early: func(w *plainWriter) bool {
		if s := session.From(w.r.Context()); s != nil && s.IsNew() {
			w.reply.Set("Set-Cookie", "session="+s.ID()+"; Path=/; HttpOnly; Secure; SameSite=Lax")
		}
		w.send()
		_ = http.NewResponseController(w.base).Flush()
		_ = w.rq.BeforeReply(w.r.Context(), session.Outcome{Status: w.status})
		return true
	}}},
	{rule: "M12", name: "flushes without storing", adapter: plain{early: func(w *plainWriter) bool {
		w.send()
		return true
	}}},
	{rule: "M12", name: "replies before the save", adapter: plain{finish: func(w *plainWriter, out session.Outcome) error {
		if w.status == 0 {
			w.WriteHeader(http.StatusOK)
		}
		if !w.sent {
			w.send()
		}
		_ = http.NewResponseController(w.base).Flush()
		return w.rq.Finish(w.r.Context(), out)
	}}},
	{rule: "M12", name: "ignores that saving failed", adapter: plain{finish: func(w *plainWriter, out session.Outcome) error {
		_ = w.rq.Finish(w.r.Context(), out)
		return nil
	}}},
	{rule: "M13", name: "never finishes a request that panicked", adapter: plain{panicked: func(w *plainWriter, _ any) bool {
		w.drop()
		return true
	}}},
	{rule: "M13", name: "does not tell of a panic", adapter: plain{panicked: func(w *plainWriter, _ any) bool {
		w.drop()
		_ = w.rq.Finish(w.r.Context(), session.Outcome{})
		return true
	}}},
	{rule: "M13", name: "does not tell the status", adapter: plain{finish: func(w *plainWriter, out session.Outcome) error {
		out.Status = 0
		return w.rq.Finish(w.r.Context(), out)
	}}},
	{rule: "M13", name: "does not tell of errors", adapter: plain{finish: func(w *plainWriter, out session.Outcome) error {
		if out.Err != nil {
			out = session.Outcome{}
		}
		return w.rq.Finish(w.r.Context(), out)
	}}},
	{rule: "M13", name: "takes 4xx for failures", adapter: plain{finish: func(w *plainWriter, out session.Outcome) error {
		if out.Status >= 400 {
			out.Status = 500
		}
		return w.rq.Finish(w.r.Context(), out)
	}}},
	{rule: "M13", name: "loses the cookie of what was saved before a failure", adapter: plain{panicked: func(w *plainWriter, _ any) bool {
		w.drop()
		w.base.Header().Del("Set-Cookie")
		_ = w.rq.Finish(w.r.Context(), session.Outcome{Panicked: true})
		return true
	}}},
	{rule: "M14", name: "forgets the requests that acquire nothing", adapter: plain{finish: func(w *plainWriter, out session.Outcome) error {
		if session.From(w.r.Context()) == nil {
			return nil
		}
		return w.rq.Finish(w.r.Context(), out)
	}}},
	{rule: "M14", name: "takes passive routes for others", adapter: plain{alwaysActive: true}},
	{rule: "M15", name: "abandons nothing when the handler fails", adapter: plain{panicked: func(w *plainWriter, _ any) bool {
		w.drop()
		if s := session.From(w.r.Context()); s != nil {
			_ = s.Release(context.Background())
		}
		w.base.Header().Del("Set-Cookie")
		return true
	}}},
	{rule: "M16", name: "removes the cookie when there is no session", adapter: plain{talk: func(c sessiontest.Conversation) sessiontest.Conversation {
		return removing{c}
	}}},
	{rule: "M17", name: "keeps no new session of a request that cannot change it", adapter: plain{finish: func(w *plainWriter, out session.Outcome) error {
		if s := session.From(w.r.Context()); s.IsNew() && (s.Mode() == session.ReadOnly || s.Mode() == session.Snapshot) {
			out.Status = 500
		}
		return w.rq.Finish(w.r.Context(), out)
	}}},
	{rule: "M20", name: "drops the changes of a client that left", adapter: plain{finish: func(w *plainWriter, out session.Outcome) error {
		out.Panicked = w.r.Context().Err() != nil
		return w.rq.Finish(w.r.Context(), out)
	}}},
	{rule: "M20", name: "makes sessions for clients that left", adapter: plain{enter: func(r *http.Request) bool {
		*r = *r.WithContext(deaf{r.Context()})
		return false
	}}},
	{rule: "M22", name: "never releases", adapter: plain{finish: func(*plainWriter, session.Outcome) error { return nil }}},
	{rule: "M22", name: "leaves a goroutine behind when a client leaves", adapter: plain{finish: func(w *plainWriter, out session.Outcome) error {
		if w.r.Context().Err() != nil {
			go func() { select {} }() // ends with the process
		}
		return w.rq.Finish(w.r.Context(), out)
	}}},
	{rule: "A1", name: "stores at every Write", adapter: plain{write: func(w *plainWriter) {
		_ = w.rq.BeforeReply(w.r.Context(), session.Outcome{Status: w.status})
	}}},
	{rule: "A1", name: "sets the cookie twice", adapter: plain{exchange: exchanging(func(e *brokenExchange) {
		e.setReplyHeader = func(name string, values ...string) {
			for _, v := range append(values, values...) {
				(*plainExchange)(e.w).target().Add(name, v)
			}
		}
	})}},
	{rule: "A1", name: "stores nothing when nothing is written", adapter: plain{finish: func(w *plainWriter, out session.Outcome) error {
		out.Panicked = w.status == 0
		return w.rq.Finish(w.r.Context(), out)
	}}},
	{rule: "A2", name: "sends the headers of the reply that it dropped", adapter: plain{fail: func(w *plainWriter) {
		w.header.Set("Etag", `"held"`)
	}}},
	{rule: "A2", name: "answers every error by 500", adapter: plain{talk: func(c sessiontest.Conversation) sessiontest.Conversation {
		return failing{c}
	}}},
	{rule: "A3", name: "hides the connection", writer: func(w http.ResponseWriter) http.ResponseWriter {
		return struct{ http.ResponseWriter }{w}
	}},
	{rule: "A3", name: "says that every Write worked", writer: func(w http.ResponseWriter) http.ResponseWriter {
		return deafWriter{w}
	}},
	{rule: "A3", name: "forgets trailers", writer: func(w http.ResponseWriter) http.ResponseWriter {
		return withoutTrailers{w}
	}},
	{rule: "A4", name: "wraps what a handler panics with", adapter: plain{panicked: func(w *plainWriter, v any) bool {
		w.drop()
		_ = w.rq.Finish(w.r.Context(), session.Outcome{Panicked: true})
		panic(fmt.Sprintf("handler panicked: %v", v))
	}}},
	{rule: "A4", name: "sends what was held before a panic", adapter: plain{panicked: func(w *plainWriter, _ any) bool {
		_ = w.rq.Finish(w.r.Context(), session.Outcome{Panicked: true})
		if !w.sent {
			w.send()
		}
		return true
	}}},
	{rule: "A5", name: "has no session in From", adapter: plain{talk: func(c sessiontest.Conversation) sessiontest.Conversation {
		return withoutFrom{c}
	}}},
	{rule: "A5", name: "has no session in the context", adapter: plain{talk: func(c sessiontest.Conversation) sessiontest.Conversation {
		return withoutContext{c}
	}}},
	{rule: "A6", name: "does not hear that a client left", adapter: plain{enter: func(r *http.Request) bool {
		*r = *r.WithContext(deaf{r.Context()})
		return false
	}}},
	{rule: "A7", name: "serves the outer of two Managers only", adapter: plain{enter: func(r *http.Request) bool {
		entered := r.Context().Value(answerKey{}) != nil
		return entered
	}}},
	{rule: "A8", name: "reuses the memory of requests", adapter: plain{exchange: exchanging(func(e *brokenExchange) {
		e.requestHeader = func(name string) []string {
			line := e.w.r.Header.Get(name)
			copy(reused[:], line)
			return []string{unsafe.String(&reused[0], min(len(line), len(reused)))}
		}
	})}},
	{rule: "A9", name: "overwrites what the handler says of caching", adapter: plain{exchange: exchanging(func(e *brokenExchange) {
		e.replyHeader = func(string) []string { return nil }
	})}},
	{rule: "A11", name: "has no Rewrite", adapter: plain{rewrite: func(*session.Manager) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler { return next }
	}}},
	{rule: "A11", name: "routes by the path with the ID", adapter: plain{rewrite: between(func(next http.Handler, w http.ResponseWriter, r, came *http.Request) {
		r.URL = came.URL
		next.ServeHTTP(w, r)
	})}},
	{rule: "A11", name: "leaves the ID in the Referer", adapter: plain{rewrite: between(func(next http.Handler, w http.ResponseWriter, r, came *http.Request) {
		r.Header = came.Header
		next.ServeHTTP(w, r)
	})}},
	{rule: "A11", name: "completes no headers", adapter: plain{rewrite: between(func(next http.Handler, w http.ResponseWriter, r, _ *http.Request) {
		next.ServeHTTP(w.(*httpsession.PathWriter).Unwrap(), r)
	})}},
	{rule: "A11", name: "completes the headers too early", adapter: plain{rewrite: between(func(next http.Handler, w http.ResponseWriter, r, _ *http.Request) {
		w.(*httpsession.PathWriter).End()
		next.ServeHTTP(w, r)
	})}},
	{rule: "A11", name: "forgets replies to which nothing is written", adapter: plain{rewrite: func(mgr *session.Manager) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if pw, below := httpsession.BeginPath(mgr, w, r); pw != nil {
					w, r = pw, below
				}
				next.ServeHTTP(w, r)
			})
		}
	}}},
	{rule: "A11", name: "loses the query", adapter: plain{rewrite: before(func(r *http.Request) {
		u := *r.URL
		u.RawQuery = ""
		r.URL = &u
	})}},
	{rule: "A11", name: "does not look for cookies", adapter: plain{rewrite: before(func(r *http.Request) {
		r.Header = r.Header.Clone()
		r.Header.Del("Cookie")
	})}},
	{rule: "A11", name: "takes every method for GET", adapter: plain{rewrite: before(func(r *http.Request) { r.Method = http.MethodGet })}},
	{rule: "A11", name: "asks the error handler about redirects", adapter: plain{asks: true}},
}

// between is a Rewrite that leaves it to serve what the router gets. came is the
// request as it came.
func between(serve func(next http.Handler, w http.ResponseWriter, r, came *http.Request)) func(*session.Manager) func(http.Handler) http.Handler {
	return func(mgr *session.Manager) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, came *http.Request) {
				httpsession.Rewrite(mgr)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if _, rewrites := w.(*httpsession.PathWriter); !rewrites {
						next.ServeHTTP(w, r)
						return
					}
					serve(next, w, r, came)
				})).ServeHTTP(w, came)
			})
		}
	}
}

// before is a Rewrite that is told of another request than came. The router
// gets the method and the cookies that did.
func before(change func(*http.Request)) func(*session.Manager) func(http.Handler) http.Handler {
	return func(mgr *session.Manager) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, came *http.Request) {
				r := *came
				change(&r)
				httpsession.Rewrite(mgr)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					r.Method, r.Header["Cookie"] = came.Method, came.Header["Cookie"]
					next.ServeHTTP(w, r)
				})).ServeHTTP(w, &r)
			})
		}
	}
}

// reused is what one of them has instead of memory for each request.
var reused [4 << 10]byte

// brokenExchange is an Exchange with some of its methods replaced.
type brokenExchange struct {
	session.Exchange
	w              *plainWriter
	requestHeader  func(string) []string
	replyHeader    func(string) []string
	setReplyHeader func(string, ...string)
}

func exchanging(replace func(*brokenExchange)) func(*plainWriter, session.Exchange) session.Exchange {
	return func(w *plainWriter, ex session.Exchange) session.Exchange {
		e := &brokenExchange{
			Exchange: ex, w: w,
			requestHeader: ex.RequestHeader, replyHeader: ex.ReplyHeader, setReplyHeader: ex.SetReplyHeader,
		}
		replace(e)
		return e
	}
}

func (e *brokenExchange) RequestHeader(name string) []string { return e.requestHeader(name) }
func (e *brokenExchange) ReplyHeader(name string) []string   { return e.replyHeader(name) }
func (e *brokenExchange) SetReplyHeader(name string, values ...string) {
	e.setReplyHeader(name, values...)
}

// deaf is a context that never ends.
type deaf struct{ context.Context }

func (deaf) Done() <-chan struct{} { return nil }
func (deaf) Err() error            { return nil }

type withoutFrom struct{ sessiontest.Conversation }

func (withoutFrom) From() *session.Session { return nil }

type withoutContext struct{ sessiontest.Conversation }

func (withoutContext) Context() context.Context { return context.Background() }

type removing struct{ sessiontest.Conversation }

func (c removing) Fail(err error) error {
	c.SetReplyHeader("Set-Cookie", "session=; Path=/; Max-Age=0")
	return c.Conversation.Fail(err)
}

type failing struct{ sessiontest.Conversation }

func (c failing) Fail(error) error { return c.Error(http.StatusInternalServerError, "failed") }

// deafWriter does not hear what Write says.
type deafWriter struct{ http.ResponseWriter }

func (w deafWriter) Write(p []byte) (int, error) {
	_, _ = w.ResponseWriter.Write(p)
	return len(p), nil
}

func (w deafWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

type withoutTrailers struct{ http.ResponseWriter }

func (w withoutTrailers) Write(p []byte) (int, error) {
	w.Header().Del("Trailer")
	return w.ResponseWriter.Write(p)
}

func (w withoutTrailers) Unwrap() http.ResponseWriter { return w.ResponseWriter }
