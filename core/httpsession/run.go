package httpsession

import (
	"net/http"

	session "github.com/sessionstate/sessionstate/core"
)

// Run calls the handler and then ends the request's use of its session,
// however the handler ended: it stores and releases, and sends what was held.
// It must be called once. A panic of the handler goes on up unchanged, with
// the session released, its unsaved changes dropped, and the writer below
// without a trace of the reply if that was held (A4).
//
// Run is for adapters. The handler says how it ended as far as the Writer
// cannot see it: the zero Outcome is right for one that can only write. Its
// Status counts only if nothing was written to the Writer. After Run the
// Writer passes everything on to the writer below.
//
// The error says that the session could not be stored: then fail, which Begin
// was given, has been called, unless the headers had gone out before.
func (w *Writer) Run(handler func() session.Outcome) error {
	// Two defers, of which the one that runs last does one thing only:
	// whatever goes wrong in the work of the other and in the functions of
	// the user that it calls, the lock must not stay.
	defer w.ensureFinished()
	defer func() { handBack(w.came, &w.req) }()
	returned := false
	defer func() {
		if !returned {
			w.abandon()
		}
	}()
	err := w.finish(handler())
	returned = true
	return err
}

// handBack gives the request that came in what was made of the one that went on,
// which is a copy. net/http looks there for the files of a multipart form, to
// remove them; and middlewares outside for the form, and for the route. What is
// the same stays untouched: others may be reading it.
func handBack(came, gone *http.Request) {
	if gone.Form != nil || gone.MultipartForm != nil {
		came.Form, came.PostForm, came.MultipartForm = gone.Form, gone.PostForm, gone.MultipartForm
	}
	if came.Pattern != gone.Pattern {
		came.Pattern = gone.Pattern
	}
}

// finish ends the request of a handler that returned.
func (w *Writer) finish(out session.Outcome) error {
	if done, err := w.finishUnsent(out); done {
		return err
	}
	// The headers are out. The session comes first, and without mu: a
	// goroutine that the handler left behind may hold that one, in a write to
	// a slow client.
	err := w.finishSession(w.outcome(out))
	w.end()
	if w.err != nil {
		return w.err
	}
	return err
}

// finishUnsent does so while the reply is still ours to send or to drop.
func (w *Writer) finishUnsent(out session.Outcome) (done bool, err error) {
	if w.now() >= passing {
		return false, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.now()
	if s >= passing {
		return false, nil
	}
	if s == fresh {
		w.restoreCookie()
	}
	err = w.finishSession(w.outcome(out))
	switch {
	case err != nil:
		_ = w.refuse(err)
	case s == holding:
		_ = w.send() // nobody is left to be told that the client is gone
	}
	w.become(w.endState)
	return true, err
}

// abandon ends the request of a handler that panicked or called
// runtime.Goexit, or of one whose finish did.
func (w *Writer) abandon() {
	out := session.Outcome{Panicked: true}
	if w.dropUnsent() {
		w.restoreCookie() // of what was stored before, M13
	} else {
		out.Status = w.status
	}
	_ = w.finishSession(out) // observed by the core, and the panic is what counts
	w.end()
}

func (w *Writer) dropUnsent() bool {
	if w.now() >= passing {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch w.now() {
	case fresh:
		w.become(w.endState)
	case holding:
		w.drop(w.endState)
	default:
		return false
	}
	return true
}

// Sent reports whether the handler's reply has gone on to the writer below: as
// long as it is held, or if it was dropped, it has not. It is for adapters of
// frameworks that keep track of their replies.
func (w *Writer) Sent() bool { return w.sent.Load() }

// Close makes the Writer fail from now on instead of passing on to the writer
// below, Header excepted. It is for adapters, after Run: once nobody but a
// goroutine that was left behind can have the Writer, what that one writes
// must not get into the reply to another request, for which the framework may
// use the writer below again.
func (w *Writer) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.become(closed)
}

func (w *Writer) finishSession(out session.Outcome) error {
	err := w.rq.Finish(w.req.Context(), out)
	w.finished = true
	return err
}

func (w *Writer) ensureFinished() {
	if !w.finished {
		_ = w.finishSession(session.Outcome{Panicked: true})
	}
}

// end waits for writes that are under way and makes the Writer let go of the
// writer below.
func (w *Writer) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now() != through {
		w.become(w.endState)
	}
}

// outcome completes what the handler says of its end by what was written.
func (w *Writer) outcome(out session.Outcome) session.Outcome {
	switch {
	case w.err != nil:
		out.Status = session.HTTPStatus(w.err)
		if out.Err == nil {
			out.Err = w.err
		}
	case w.status != 0:
		out.Status = w.status
	case out.Status == 0 && out.Err == nil:
		out.Status = http.StatusOK
	}
	return out
}
