package ginsession

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"reflect"
	"sync/atomic"

	"github.com/gin-gonic/gin"
	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
)

// writer is the gin.ResponseWriter that handlers below New see. Above it is
// gin's notion of a reply: a status that is only recorded until something is
// written. Below it is httpsession's Writer, which holds what is written until
// the session is stored; and below that, as base, the gin.ResponseWriter that
// New has found.
type writer struct {
	below httpsession.Writer
	outer gin.ResponseWriter
	c     *gin.Context

	// As gin's own, for the reply that the handler has written so far,
	// wherever it is. Once left is true, what outer says counts.
	status int
	size   int // -1: nothing written yet

	left   atomic.Bool // the chain below New has returned
	closed atomic.Bool // and nobody but a goroutine that was left behind can have w
}

var _ gin.ResponseWriter = (*writer)(nil)

// notWritten is the size of a reply that was not begun.
const notWritten = -1

// Header returns the headers of the reply. When they are another request's, it
// returns some that nobody sends.
func (w *writer) Header() http.Header {
	if w.closed.Load() {
		return make(http.Header)
	}
	return w.below.Header()
}

// Unwrap returns the writer below, for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return &w.below }

// WriteHeader records the status.
func (w *writer) WriteHeader(code int) {
	switch {
	case w.passes():
		w.outer.WriteHeader(code)
	case w.left.Load(): // it is another request's reply by now
	case code <= 0 || code == w.status:
	case !w.Written():
		w.status = code
	case gin.IsDebugging() && gin.DebugPrintFunc != nil:
		gin.DebugPrintFunc("[WARNING] Headers were already written. Wanted to override status code %d with %d", w.status, code)
	}
}

// WriteHeaderNow begins the reply with the status that was recorded.
func (w *writer) WriteHeaderNow() {
	switch {
	case w.passes():
		w.outer.WriteHeaderNow()
	case w.left.Load():
	case !w.Written():
		w.begin()
		if w.below.Sent() {
			w.outer.WriteHeaderNow()
		}
	}
}

func (w *writer) begin() {
	if w.size == notWritten {
		w.size = 0
		w.below.WriteHeader(w.status)
	}
}

// Write writes a part of the body.
func (w *writer) Write(p []byte) (int, error) {
	if w.left.Load() {
		return w.below.Write(p)
	}
	w.begin()
	n, err := w.below.Write(p)
	w.size += n
	return n, err
}

// WriteString is Write for a string.
func (w *writer) WriteString(s string) (int, error) {
	if w.left.Load() {
		return w.below.WriteString(s)
	}
	w.begin()
	n, err := w.below.WriteString(s)
	w.size += n
	return n, err
}

// Status returns the reply's status.
func (w *writer) Status() int {
	if w.passes() {
		return w.outer.Status()
	}
	return w.status
}

// Size returns how much of the body was written; -1: the reply was not begun.
func (w *writer) Size() int {
	if w.passes() {
		return w.outer.Size()
	}
	return w.size
}

// Written reports whether the reply was begun.
func (w *writer) Written() bool { return w.Size() != notWritten }

// Flush is FlushError without a result.
func (w *writer) Flush() { _ = w.FlushError() }

// FlushError stores the session if there is something to store, keeps its
// lock, and sends what there is of the reply.
func (w *writer) FlushError() error {
	if !w.left.Load() {
		w.begin()
	}
	return w.below.FlushError()
}

var errHijackWritten = errors.New("ginsession: hijack: a part of the body was written before")

// Hijack stores and releases the session and takes the connection over.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.Size() > 0 {
		return nil, nil, errHijackWritten
	}
	conn, rw, err := w.below.Hijack()
	if err == nil && w.size == notWritten {
		w.size = 0
	}
	return conn, rw, err
}

// CloseNotify is that of the gin.ResponseWriter below, for gin.Context.Stream.
func (w *writer) CloseNotify() <-chan bool {
	if w.closed.Load() {
		return nil
	}
	return w.outer.CloseNotify()
}

// Pusher returns that of the gin.ResponseWriter below, nil if it has none.
func (w *writer) Pusher() http.Pusher {
	if w.closed.Load() {
		return nil
	}
	return w.outer.Pusher()
}

// passes reports whether what outer says of the reply counts.
func (w *writer) passes() bool { return w.left.Load() && !w.closed.Load() }

// serve runs the rest of the chain and finishes the session.
func (w *writer) serve() {
	defer w.leave() // also if a handler panics
	errs := len(w.c.Errors)
	err := w.below.Run(func() session.Outcome {
		w.c.Next()
		return w.outcome(w.c.Errors[min(errs, len(w.c.Errors)):])
	})
	w.leave()
	switch {
	case err != nil && !w.below.Sent():
		w.c.Writer = w.outer // the only one that knows of the error handler's reply
	case w.size == notWritten:
		// What follows gin sends at the end, by the engine and behind w: a
		// reply without body.
		w.outer.WriteHeader(w.status)
	case w.size == 0 && !w.outer.Written():
		w.outer.WriteHeaderNow()
	}
}

// again is called by a New within another one. If Engine.HandleContext has sent
// the request there, it has taken the writer of that one out of the context; and
// when this chain has returned, the engine sends the headers. So the writer is
// put back, and the session is stored before.
func again(c *gin.Context) {
	w := writerIn(httpsession.WriterOf(c.Request), c)
	if w == nil || c.Writer == gin.ResponseWriter(w) || reflect.TypeOf(c.Writer) != enginesWriter {
		return
	}
	c.Writer = w
	c.Next()
	for ; w != nil; w = writerIn(w.below.Outer(), c) {
		w.begin()
		_ = w.below.Pass() // what could not be stored has been answered
	}
}

// writerIn returns the writer that below is in, if c may have it; else nil.
func writerIn(below *httpsession.Writer, c *gin.Context) *writer {
	if below == nil {
		return nil
	}
	b, ok := below.Unwrap().(*base)
	if w := (*writer)(b); ok && w.c == c && !w.left.Load() {
		return w
	}
	return nil
}

// enginesWriter is the type of the writers that engines make.
var enginesWriter = reflect.TypeOf(new(gin.Context).Copy().Writer)

// outcome tells httpsession of what it cannot see: a status that was recorded
// and not written, and errors that a middleware further out may turn into a
// reply. errs are those that the chain below has left.
func (w *writer) outcome(errs []*gin.Error) session.Outcome {
	out := session.Outcome{Status: w.status}
	if !w.Written() && len(errs) > 0 {
		out.Err = errs[len(errs)-1]
	}
	return out
}

// leave takes w out of the context. Middlewares that put a writer of their own
// around it and have left it there go on using w. Else only a goroutine that was
// left behind can have it, and Gin is going to use outer for another request.
func (w *writer) leave() {
	if w.left.Load() || w.c.Writer != gin.ResponseWriter(w) {
		w.left.Store(true)
		return
	}
	w.closed.Store(true) // first, so that w.passes never reports what is over
	w.left.Store(true)
	w.c.Writer = w.outer
	w.below.Close()
}

// base is a writer as httpsession's Writer sees it from above: the way out to
// the outer gin.ResponseWriter.
type base writer

func (b *base) Header() http.Header               { return b.outer.Header() }
func (b *base) Write(p []byte) (int, error)       { return b.outer.Write(p) }
func (b *base) WriteString(s string) (int, error) { return b.outer.WriteString(s) }
func (b *base) FlushError() error                 { return http.NewResponseController(b.outer).Flush() }
func (b *base) Unwrap() http.ResponseWriter       { return b.outer }

// WriteHeader only records, as gin does: an outer middleware may still change
// headers when the body comes.
func (b *base) WriteHeader(code int) {
	if code >= 100 && code <= 199 && code != http.StatusSwitchingProtocols {
		// Gin would take it for the reply's.
		if u, ok := b.outer.(unwrapper); ok {
			u.Unwrap().WriteHeader(code)
		}
		return
	}
	b.outer.WriteHeader(code)
	if _, trailers := b.outer.Header()["Trailer"]; trailers {
		b.outer.WriteHeaderNow() // what is set from now on is no header
	}
}

// Hijack takes the connection over, once the status that was written before is
// sent.
func (b *base) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if !hijacks(b.outer) {
		return nil, nil, http.ErrNotSupported
	}
	if b.size != notWritten {
		b.outer.WriteHeaderNow()
	}
	return b.outer.Hijack()
}

type unwrapper interface{ Unwrap() http.ResponseWriter }

// hijacks reports whether there is a Hijacker at the bottom: gin's writers have
// the method whatever they stand on, and panic in it.
func hijacks(w http.ResponseWriter) bool {
	for {
		u, ok := w.(unwrapper)
		if !ok {
			_, ok = w.(http.Hijacker)
			return ok
		}
		w = u.Unwrap()
	}
}
