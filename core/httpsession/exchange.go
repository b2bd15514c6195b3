package httpsession

import (
	"context"
	"net/http"
)

// exchange is the Writer as the core sees it. It does not take the Writer's mu:
// the core calls it while the Writer waits for the core.
type exchange Writer

// header returns the headers that will go out: while the reply is held, what
// the handler does to its own no longer counts. headers is
// locked.
func (e *exchange) header() http.Header {
	if state(e.state.Load()) == holding {
		return e.held.header
	}
	return e.base.Header()
}

func (e *exchange) RequestHeader(name string) []string { return e.req.Header.Values(name) }

func (e *exchange) ReplyHeader(name string) []string {
	e.headers.Lock()
	defer e.headers.Unlock()
	return e.header().Values(name)
}

func (e *exchange) SetReplyHeader(name string, values ...string) {
	e.told.Store(true)
	e.headers.Lock()
	defer e.headers.Unlock()
	name = http.CanonicalHeaderKey(name)
	if len(values) == 0 {
		delete(e.header(), name)
		return
	}
	e.header()[name] = values
}

func (e *exchange) Secure() bool { return e.req.TLS != nil }

// scope is the node of the request's context that leads from a request to its
// innermost Writer. It is part of the Writer, to save an allocation.
type scope struct {
	context.Context
	w *Writer
}

type scopeKey struct{}

func (s *scope) Value(key any) any {
	if _, ok := key.(scopeKey); ok {
		return s.w
	}
	return s.Context.Value(key)
}

// WriterOf returns the Writer of the innermost Manager that serves the request,
// or nil. It is for adapters.
func WriterOf(r *http.Request) *Writer {
	w, _ := r.Context().Value(scopeKey{}).(*Writer)
	return w
}

// Outer returns the Writer of the next Manager further out that serves the
// request, or nil. It is for adapters.
func (w *Writer) Outer() *Writer {
	outer, _ := w.scope.Context.Value(scopeKey{}).(*Writer)
	return outer
}
