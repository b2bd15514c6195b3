package httpsession

import (
	"bufio"
	"net"
	"net/http"

	session "github.com/sessionstate/sessionstate/core"
)

// Flush is FlushError without a result.
func (w *Writer) Flush() { _ = w.FlushError() }

// FlushError stores the session if there is something to store, keeps its
// lock, and sends what there is of the reply. From then on nothing is held.
func (w *Writer) FlushError() error {
	if err := w.refuses(); err != nil {
		return err
	}
	if !flushes(w.base) {
		return http.ErrNotSupported
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.pass(); err != nil {
		return err
	}
	return http.NewResponseController(w.base).Flush()
}

// Pass does what FlushError does, but for the flush: what there is of the reply
// goes on to the writer below. It is for adapters of frameworks that send headers
// while the handler still runs.
func (w *Writer) Pass() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pass()
}

// pass makes the reply pass, begun or not. mu is held.
func (w *Writer) pass() error {
	switch w.now() {
	case fresh:
		if err := w.start(http.StatusOK, false); err != nil {
			return err
		}
	case holding:
		if err := w.endHolding(); err != nil {
			return err
		}
	}
	return w.refuses()
}

// Hijack stores and releases the session and takes the connection over. The
// cookie is in Header then, from where the caller must send it: give
// w.Header() to the function that answers the upgrade.
func (w *Writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if err := w.refuses(); err != nil {
		return nil, nil, err
	}
	// Some writers have the method and panic in it where HTTP/2 cannot do it.
	if w.req.ProtoMajor > 1 || !hijacks(w.base) {
		return nil, nil, http.ErrNotSupported
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.release(); err != nil {
		return nil, nil, err
	}
	conn, rw, err := http.NewResponseController(w.base).Hijack()
	if err == nil {
		if w.status == 0 {
			w.status = http.StatusSwitchingProtocols
		}
		w.sent.Store(true)
		w.become(through)
	}
	return conn, rw, err
}

// release stores and releases the session ahead of a Hijack. mu is held.
func (w *Writer) release() error {
	out := session.Outcome{Status: w.status}
	switch w.now() {
	case fresh:
		out.Status = http.StatusSwitchingProtocols
	case holding, passing:
	default:
		return w.refuses()
	}
	err := w.rq.BeforeHijack(w.req.Context(), out)
	switch s := w.now(); {
	case err != nil && s < passing:
		return w.refuse(err)
	case err == nil && s == holding:
		return w.send()
	}
	return err
}

// Push asks the writer below to push a resource (HTTP/2).
func (w *Writer) Push(target string, opts *http.PushOptions) error {
	for below := w.base; below != nil; below = unwrap(below) {
		if p, ok := below.(http.Pusher); ok {
			return p.Push(target, opts)
		}
	}
	return http.ErrNotSupported
}

// flushes and hijacks report whether http.ResponseController can do so on w. A
// Writer and a PathWriter always have the methods, so that what counts is the
// one below them.

func flushes(w http.ResponseWriter) bool {
	for ; w != nil; w = unwrap(w) {
		if ours(w) {
			continue
		}
		if _, ok := w.(interface{ FlushError() error }); ok {
			return true
		}
		if _, ok := w.(http.Flusher); ok {
			return true
		}
	}
	return false
}

func hijacks(w http.ResponseWriter) bool {
	for ; w != nil; w = unwrap(w) {
		if ours(w) {
			continue
		}
		if _, ok := w.(http.Hijacker); ok {
			return true
		}
	}
	return false
}

func ours(w http.ResponseWriter) bool {
	switch w.(type) {
	case *Writer, *PathWriter:
		return true
	}
	return false
}

func unwrap(w http.ResponseWriter) http.ResponseWriter {
	if u, ok := w.(interface{ Unwrap() http.ResponseWriter }); ok {
		return u.Unwrap()
	}
	return nil
}
