package httpsession

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"

	session "github.com/sessionstate/sessionstate/core"
)

// Writer is the http.ResponseWriter that handlers below New see, and what the
// adapters of other frameworks wrap. It stores the session before the headers
// go out (M12): see the package's documentation.
//
// It has the optional methods of every http.ResponseWriter; those that the
// writer below lacks do nothing or return http.ErrNotSupported. It is safe
// for concurrent use, but for ReadFrom beside itself.
type Writer struct {
	base  http.ResponseWriter
	came  *http.Request // as New got it
	req   http.Request  // the one that handlers see; here to save an allocation
	rq    *session.Request
	fail  func(http.ResponseWriter, *http.Request, error)
	scope scope
	// outer is what was set when the request came in of the headers that
	// describe a reply: a reply that is dropped does not take them along.
	outer    http.Header
	endState state // the state after Run

	finished bool        // rq.Finish has returned; belongs to Run
	sent     atomic.Bool // see Sent
	told     atomic.Bool // the core has set a header: the cookie

	state atomic.Uint32 // a state; changes under mu
	// mu makes one step of the reply exclude another. It is not held while
	// the handler's reader is read from.
	mu     sync.Mutex
	status int   // 0 until the reply begins; does not change after that
	err    error // why storing failed; set before the state becomes failed
	held   held
	// headers makes the core's setting of a header, from whichever goroutine,
	// exclude the moment at which another map of headers counts.
	headers sync.Mutex
}

// state is how far the reply is. It only ever grows.
type state uint32

const (
	fresh   state = iota // no sign of the reply yet
	holding              // the reply is in w.held
	passing              // the headers have gone out
	failed               // storing failed, the error handler has answered
	through              // nothing here concerns the Writer any more
	closed               // the same, but the writer below must not be used
)

var errClosed = errors.New("httpsession: the reply was written to after its handler had returned")

// Begin makes mgr's sessions available to one request: the handler must get
// the Writer and the request that it returns, within Writer.Run. If mgr serves
// the request already, the Writer is nil and the handler gets what there was.
//
// It is for adapters. fail has to answer err on the writer it is given, which
// is the one below the Writer if the session could not be stored, and the
// handler's own if Fail was called; nil: with a short text. During fail the
// Writer discards all that is written to it. In the first case fail may also
// leave the answer to the adapter, which sees after Run, by its error and
// Sent, that there is none.
func Begin(mgr *session.Manager, w http.ResponseWriter, r *http.Request, fail func(http.ResponseWriter, *http.Request, error)) (*Writer, *http.Request) {
	hw := new(Writer)
	if below := hw.Begin(mgr, w, r, fail); below != nil {
		return hw, below
	}
	return nil, r
}

// Begin is the function Begin for a zero Writer that the adapter has made, as
// a part of something else, say. It returns nil if mgr serves the request
// already: then the Writer is of no use.
func (w *Writer) Begin(mgr *session.Manager, base http.ResponseWriter, r *http.Request, fail func(http.ResponseWriter, *http.Request, error)) *http.Request {
	w.base, w.came, w.fail, w.endState = base, r, fail, through
	w.req.Header, w.req.TLS = r.Header, r.TLS // for the exchange
	w.scope = scope{r.Context(), w}
	rq, ctx := mgr.Begin(&w.scope, (*exchange)(w))
	if rq == nil {
		return nil
	}
	w.rq = rq
	for name, values := range base.Header() {
		if describes(name) {
			if w.outer == nil {
				w.outer = make(http.Header)
			}
			w.outer[name] = values
		}
	}
	w.req = *r.WithContext(ctx)
	return &w.req
}

// Header returns the header map of the writer below.
func (w *Writer) Header() http.Header { return w.base.Header() }

// Unwrap returns the writer below, for http.ResponseController.
func (w *Writer) Unwrap() http.ResponseWriter { return w.base }

// WriteHeader begins the reply with this status; informational ones but 101
// pass. If there is something to store the reply is held, unless the status is
// 101: then the session is stored and released at once.
func (w *Writer) WriteHeader(code int) {
	if w.refuses() != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch s := w.now(); {
	case s == through:
		w.base.WriteHeader(code)
		return
	case s > passing:
		return
	case w.status != 0:
		w.logSuperfluous()
		return
	case informational(code):
		w.base.WriteHeader(code)
		return
	}
	checkStatus(code)
	if w.start(code, true) == nil && w.now() == passing {
		w.base.WriteHeader(code)
	}
}

// Write writes or holds a part of the body. It returns what net/http's writer
// would, and the store's error if the session could not be stored.
func (w *Writer) Write(p []byte) (int, error) {
	if err := w.refuses(); err != nil {
		return 0, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	pass, err := w.admit(len(p))
	switch {
	case err != nil:
		return 0, err
	case pass:
		return w.base.Write(p)
	}
	keep(&w.held, p)
	return len(p), nil
}

// WriteString is Write for a string.
func (w *Writer) WriteString(s string) (int, error) {
	if err := w.refuses(); err != nil {
		return 0, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	pass, err := w.admit(len(s))
	switch {
	case err != nil:
		return 0, err
	case pass:
		return io.WriteString(w.base, s)
	}
	keep(&w.held, s)
	return len(s), nil
}

// ReadFrom writes what src has left. Once the reply passes, the writer below
// reads from src itself, so that sendfile is used where there is one.
func (w *Writer) ReadFrom(src io.Reader) (n int64, err error) {
	if w.now() < passing {
		// The first bytes go through Write: only they show whether there is a
		// body at all, and whether it fits.
		var end bool
		if n, end, err = w.readHeld(src); end {
			return n, err
		}
	}
	if err := w.refuses(); err != nil {
		return n, err
	}
	m, err := io.Copy(w.base, src) // by the base's ReadFrom, if it has one
	return n + m, err
}

// readHeld copies from src until the reply passes, or until src ends or
// something fails, which end reports.
func (w *Writer) readHeld(src io.Reader) (n int64, end bool, err error) {
	buf := takeBuffer()
	defer giveBuffer(buf)
	for w.now() < passing {
		size := firstRead
		if w.now() == holding {
			size = cap(*buf)
		}
		got, errRead := src.Read((*buf)[:size])
		if got > 0 {
			put, err := w.Write((*buf)[:got])
			n += int64(put)
			if err != nil {
				return n, true, err
			}
			if put < got {
				return n, true, io.ErrShortWrite
			}
		}
		if errRead == io.EOF {
			return n, true, nil
		}
		if errRead != nil {
			return n, true, errRead
		}
	}
	return n, false, nil
}

// firstRead is how much of a body ReadFrom looks at before it knows whether
// the reply is held: as much as net/http does before it uses sendfile.
const firstRead = 512

func (w *Writer) now() state { return state(w.state.Load()) }

func (w *Writer) become(next state) {
	if next == passing {
		w.sent.Store(true)
	}
	w.state.Store(uint32(next))
}

// refuses returns why nothing may be written any more, or nil. It needs no
// lock, so that an error handler that writes to the handler's writer gets an
// answer instead of waiting for itself.
func (w *Writer) refuses() error {
	switch w.now() {
	case failed:
		return w.err
	case closed:
		return errClosed
	}
	return nil
}

// admit decides what happens to n bytes of body: they pass, or they are held,
// or there is an error. mu is held.
func (w *Writer) admit(n int) (pass bool, err error) {
	if w.now() == fresh {
		if err := w.start(http.StatusOK, true); err != nil {
			return false, err
		}
	}
	if w.now() != holding {
		return true, w.refuses()
	}
	if fits, err := w.held.admit(n, w.status, w.req.Method); fits || err != nil {
		return false, err
	}
	return true, w.endHolding()
}

// start begins the reply: it is held if there is something to store and the
// caller can hold, else the session is stored and the reply passes. mu is
// held.
func (w *Writer) start(code int, canHold bool) error {
	w.status = code
	w.restoreCookie()
	if code == http.StatusSwitchingProtocols {
		if err := w.rq.BeforeHijack(w.req.Context(), session.Outcome{Status: code}); err != nil {
			return w.refuse(err)
		}
		w.become(passing)
		return nil
	}
	if canHold && w.rq.NeedsCommit() {
		w.headers.Lock()
		defer w.headers.Unlock()
		w.held = hold(w.base.Header())
		w.become(holding)
		return nil
	}
	if err := w.rq.BeforeReply(w.req.Context(), session.Outcome{Status: code}); err != nil {
		return w.refuse(err)
	}
	w.become(passing)
	return nil
}

// restoreCookie sets the cookie again if it was set: the headers may have been
// cleaned since then, by the handler (httputil.ReverseProxy does that after a
// 1xx), by drop, or by that of a Writer inside of this one.
func (w *Writer) restoreCookie() {
	if w.told.Load() {
		w.rq.RestoreCookie()
	}
}

// endHolding stores the session, keeps its lock, and sends what was held,
// while the handler still runs. mu is held.
func (w *Writer) endHolding() error {
	if err := w.rq.BeforeReply(w.req.Context(), session.Outcome{Status: w.status}); err != nil {
		return w.refuse(err)
	}
	return w.send()
}

// send sends what was held, cookie included. mu is held.
func (w *Writer) send() error {
	w.become(passing)
	return w.held.send(w.base, w.status)
}

// refuse answers that the session could not be stored: the reply that was
// held or about to begin is dropped. mu is held.
func (w *Writer) refuse(err error) error {
	w.err = err
	w.drop(failed)
	w.base.Header().Set("Cache-Control", "no-store")
	w.restoreCookie()
	if w.fail != nil {
		w.fail(w.base, &w.req, err)
	} else {
		Answer(w.base, err)
	}
	return err
}

// drop forgets the reply and whatever described it, and leaves the headers to
// another one. mu is held.
func (w *Writer) drop(next state) {
	w.headers.Lock()
	defer w.headers.Unlock()
	h := w.base.Header()
	if w.now() == holding {
		replaceHeader(h, w.held.header)
		w.held.free()
	}
	for name := range h {
		if describes(name) {
			delete(h, name)
		}
	}
	maps.Copy(h, w.outer)
	w.become(next)
}

// informational reports whether code precedes the reply proper (RFC 9110
// 15.2). After 101 there is none, so that it counts as the reply's.
func informational(code int) bool {
	return code >= 100 && code <= 199 && code != http.StatusSwitchingProtocols
}
