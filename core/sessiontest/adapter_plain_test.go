package sessiontest_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// plain is an adapter written down as plainly as it can be, for a framework of
// the test's own, whose handlers return errors. The kit is proved against it,
// and against adapters that are plain but for one fault, which these hooks
// put in. Each may be nil.
type plain struct {
	alwaysActive bool // passive routes too

	buffers  bool                                                  // every reply, to its end
	exchange func(*plainWriter, session.Exchange) session.Exchange // what the core is given
	begin    func(*plainWriter)                                    // before the handler
	write    func(*plainWriter)                                    // before each Write
	early    func(*plainWriter) (done bool)                        // in place of beginning a reply early
	finish   func(*plainWriter, session.Outcome) (err error)       // in place of Request.Finish
	send     func(*plainWriter) (done bool)                        // before a reply that was held goes out
	fail     func(*plainWriter)                                    // before the error handler answers
	panicked func(*plainWriter, any) (done bool)                   // in place of what is done for a panic
	enter    func(*http.Request) (skip bool)                       // before everything
	talk     func(sessiontest.Conversation) sessiontest.Conversation
	rewrite  func(*session.Manager) func(http.Handler) http.Handler // in place of Rewrite
	asks     bool                                                   // the error handler about redirects too
}

var plainWant = sessiontest.AdapterWant{
	Flush: true, Hijack: true, Informational: true, Disconnect: true, Errors: true,
}

// handler is a handler of the framework.
type handler func(w http.ResponseWriter, r *http.Request) error

// statusError is the framework's error with a status.
type statusError int

func (e statusError) Error() string { return http.StatusText(int(e)) }

// plainWriter holds a reply until its handler has returned, or flushes, or has
// written more than it holds.
type plainWriter struct {
	a      *plain
	base   http.ResponseWriter
	r      *http.Request
	rq     *session.Request
	outer  http.Header // what was there before
	header http.Header // what the handler sees
	reply  http.Header // what goes out: a copy, as it was when the reply began
	status int         // 0 until the reply begins
	body   bytes.Buffer
	sent   bool
	err    error // why storing failed
}

// new is the adapter's middleware.
func (a *plain) new(mgr *session.Manager, answer func(http.ResponseWriter, *http.Request, error) error) func(handler) handler {
	return func(next handler) handler {
		return func(base http.ResponseWriter, r *http.Request) (err error) {
			if a.enter != nil && a.enter(r) {
				return next(base, r)
			}
			w := &plainWriter{a: a, base: base, outer: base.Header().Clone(), header: base.Header().Clone()}
			var ex session.Exchange = (*plainExchange)(w)
			if a.exchange != nil {
				ex = a.exchange(w, ex)
			}
			w.r = r
			rq, ctx := mgr.Begin(r.Context(), ex)
			if rq == nil {
				return next(base, r)
			}
			w.rq, w.r = rq, r.WithContext(context.WithValue(ctx, answerKey{}, answer))
			if a.begin != nil {
				a.begin(w)
			}
			defer func() {
				if v := recover(); v != nil {
					w.panicked(v)
					panic(v)
				}
			}()
			return w.end(next(w, w.r), answer)
		}
	}
}

type answerKey struct{}

// end ends a request whose handler has returned.
func (w *plainWriter) end(err error, answer func(http.ResponseWriter, *http.Request, error) error) error {
	out := session.Outcome{Status: w.status, Err: err}
	if status := statusError(0); errors.As(err, &status) && w.status == 0 {
		out.Status = int(status)
	}
	errSave := w.finish(out)
	switch {
	case w.sent:
		return nil
	case w.err != nil: // at an early reply
		return answer(w.base, w.r, w.err)
	case errSave != nil:
		w.drop()
		return answer(w.base, w.r, errSave)
	case err != nil && w.status == 0:
		replace(w.base.Header(), w.header)
		return err
	}
	w.send()
	return nil
}

func (w *plainWriter) finish(out session.Outcome) error {
	if w.a.finish != nil {
		return w.a.finish(w, out)
	}
	return w.rq.Finish(w.r.Context(), out)
}

func (w *plainWriter) panicked(v any) {
	if w.a.panicked != nil && w.a.panicked(w, v) {
		return
	}
	if !w.sent {
		w.drop()
	}
	_ = w.rq.Finish(w.r.Context(), session.Outcome{Panicked: true}) // the panic is what counts
}

// drop forgets the reply, but not the cookie of what was stored before.
func (w *plainWriter) drop() {
	replace(w.base.Header(), w.outer)
	w.header, w.reply = w.base.Header(), nil
	w.status = 0
	w.body.Reset()
	w.rq.RestoreCookie()
	if w.a.fail != nil {
		w.a.fail(w)
	}
}

// send sends what was held.
func (w *plainWriter) send() {
	if w.a.send != nil && w.a.send(w) {
		return
	}
	w.sent = true
	if w.status == 0 {
		replace(w.base.Header(), w.header)
		return
	}
	replace(w.base.Header(), w.reply)
	w.base.WriteHeader(w.status)
	if w.body.Len() > 0 {
		_, _ = w.base.Write(w.body.Bytes()) // the client may be gone
	}
}

// early begins a reply while its handler runs.
func (w *plainWriter) early() error {
	if w.sent || w.err != nil {
		return w.err
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.a.early != nil && w.a.early(w) {
		return nil
	}
	if w.err = w.rq.BeforeReply(w.r.Context(), session.Outcome{Status: w.status}); w.err != nil {
		w.drop()
		return w.err
	}
	w.send()
	return nil
}

func (w *plainWriter) Header() http.Header { return w.header }

func (w *plainWriter) WriteHeader(status int) {
	switch {
	case w.err != nil || w.status != 0:
	case status < 200 && status != http.StatusSwitchingProtocols:
		maps.Copy(w.base.Header(), w.header)
		w.base.WriteHeader(status)
	default:
		w.status, w.reply = status, w.header.Clone()
	}
}

func (w *plainWriter) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.a.write != nil {
		w.a.write(w)
	}
	if !w.a.buffers && !w.sent && w.body.Len()+len(p) > 32<<10 && w.r.Method != http.MethodHead {
		if err := w.early(); err != nil {
			return 0, err
		}
	}
	if w.sent {
		return w.base.Write(p)
	}
	return w.body.Write(p)
}

func (w *plainWriter) FlushError() error {
	if err := w.early(); err != nil {
		return err
	}
	return http.NewResponseController(w.base).Flush()
}

func (w *plainWriter) hijack() (net.Conn, error) {
	if w.err = w.rq.BeforeHijack(w.r.Context(), session.Outcome{Status: http.StatusSwitchingProtocols}); w.err != nil {
		w.drop()
		return nil, w.err
	}
	w.sent = true
	conn, _, err := http.NewResponseController(w.base).Hijack()
	return conn, err
}

// plainExchange is a plainWriter as the core sees it.
type plainExchange plainWriter

func (e *plainExchange) target() http.Header {
	if e.reply != nil {
		return e.reply
	}
	return e.header
}

func (e *plainExchange) RequestHeader(name string) []string { return e.r.Header.Values(name) }
func (e *plainExchange) ReplyHeader(name string) []string   { return e.target().Values(name) }
func (e *plainExchange) Secure() bool                       { return false }

func (e *plainExchange) SetReplyHeader(name string, values ...string) {
	e.target()[http.CanonicalHeaderKey(name)] = values
}

func replace(h, with http.Header) {
	clear(h)
	maps.Copy(h, with)
}

// answerFailed is the default error handler.
func answerFailed(w http.ResponseWriter, _ *http.Request, err error) error {
	status := session.HTTPStatus(err)
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", session.RetryAfter)
	}
	http.Error(w, http.StatusText(status), status)
	return nil
}

// plainConversation is a request in the framework.
type plainConversation struct{ sessiontest.NetHTTP }

func (c plainConversation) Acquire(mode ...session.Mode) (*session.Session, error) {
	return session.Acquire(c.R.Context(), mode...)
}

func (c plainConversation) From() *session.Session { return session.From(c.R.Context()) }

func (c plainConversation) Fail(err error) error {
	answer := c.R.Context().Value(answerKey{}).(func(http.ResponseWriter, *http.Request, error) error)
	return answer(c.W, c.R, err)
}

func (c plainConversation) StatusError(status int) error { return statusError(status) }

func (c plainConversation) Writer() http.ResponseWriter { return nil }

func (c plainConversation) Hijack() (net.Conn, error) { return c.W.(*plainWriter).hijack() }

// server starts a server of the framework.
func (a *plain) server(t testing.TB, mgr *session.Manager, sc sessiontest.Scenario) string {
	t.Helper()
	talk := func(w http.ResponseWriter, r *http.Request) (c sessiontest.Conversation) {
		c = plainConversation{sessiontest.NetHTTP{W: w, R: r}}
		if a.talk != nil {
			c = a.talk(c)
		}
		return c
	}
	answer := answerFailed
	if sc.ErrorHandler != nil {
		answer = func(w http.ResponseWriter, r *http.Request, err error) error {
			if errors.Is(err, session.ErrRedirect) && !a.asks {
				return answerFailed(w, r, err)
			}
			return sc.ErrorHandler(talk(w, r), err)
		}
	}
	routes := map[string]handler{}
	for _, route := range sc.Routes {
		routes[route.Method+" "+route.Path] = func(w http.ResponseWriter, r *http.Request) error {
			if route.Passive && !a.alwaysActive {
				if err := session.Passive(r.Context()); err != nil {
					return answer(w, r, err)
				}
			}
			for _, mode := range route.Require {
				if _, err := session.Acquire(r.Context(), mode); err != nil {
					return answer(w, r, err)
				}
			}
			return route.Handler(talk(w, r))
		}
	}
	var h handler = func(w http.ResponseWriter, r *http.Request) error {
		if h := routes[r.Method+" "+r.URL.Path]; h != nil {
			return h(w, r)
		}
		return statusError(http.StatusNotFound)
	}
	if sc.Inner != nil {
		h = a.new(sc.Inner, answer)(h)
	}
	if sc.Twice {
		h = a.new(mgr, answer)(h)
	}
	h = a.new(mgr, answer)(h)
	rewrite := httpsession.Rewrite
	if a.rewrite != nil {
		rewrite = a.rewrite
	}
	srv := httptest.NewServer(rewrite(mgr)(recoverer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			status := statusError(http.StatusInternalServerError)
			errors.As(err, &status)
			http.Error(w, status.Error(), int(status))
		}
	}), sc.Recovered)))
	t.Cleanup(srv.Close)
	return srv.URL
}

// recoverer answers for handlers that panic.
func recoverer(next http.Handler, recovered func(any)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := &begun{ResponseWriter: w}
		defer func() {
			if v := recover(); v != nil {
				recovered(v)
				if !begun.begun {
					http.Error(w, "recovered", http.StatusInternalServerError)
				}
			}
		}()
		next.ServeHTTP(begun, r)
	})
}

// begun is a writer that knows whether the reply has begun.
type begun struct {
	http.ResponseWriter
	begun bool
}

func (w *begun) WriteHeader(status int) {
	w.begun = w.begun || status >= 200 || status == http.StatusSwitchingProtocols
	w.ResponseWriter.WriteHeader(status)
}

func (w *begun) Write(p []byte) (int, error) {
	w.begun = true
	return w.ResponseWriter.Write(p)
}

func (w *begun) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// TestRunAdapter_OnPlainAdapter proves that the kit asks no more of an adapter
// than the rules, with handlers that return errors.
func TestRunAdapter_OnPlainAdapter(t *testing.T) {
	sessiontest.RunAdapter(t, new(plain).server, plainWant)
}

// TestRunAdapter_OnBufferingAdapter proves what the kit asks of a framework
// that can do little, on stores that can do no more than they must.
func TestRunAdapter_OnBufferingAdapter(t *testing.T) {
	a := plain{buffers: true, talk: func(c sessiontest.Conversation) sessiontest.Conversation { return buffering{c} }}
	var made, called atomic.Int64
	t.Cleanup(func() { // after the subtests, which are parallel
		if made.Load() == 0 || called.Load() == 0 {
			t.Errorf("the kit has made %d stores and called them %d times", made.Load(), called.Load())
		}
	})
	sessiontest.RunAdapter(t, a.server, sessiontest.AdapterWant{
		Errors: true,
		Store: func(tb testing.TB) session.Store {
			made.Add(1)
			counter := sessiontest.NewCounter(struct{ session.Store }{memstore.New()})
			tb.Cleanup(func() { called.Add(int64(counter.Total())) })
			return counter.Store
		},
	})
}

// buffering is a request in such a framework.
type buffering struct{ sessiontest.Conversation }

func (buffering) Flush() error              { return errors.ErrUnsupported }
func (buffering) Informational(int) error   { return errors.ErrUnsupported }
func (buffering) Hijack() (net.Conn, error) { return nil, errors.ErrUnsupported }
