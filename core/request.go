package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// Exchange is what this package needs of one HTTP exchange. Adapters implement
// it on their framework's request and reply. It is called from one goroutine
// at a time, and not after Finish has returned.
type Exchange interface {
	// RequestHeader returns the values of a request header, in order. The
	// strings must stay as they are for good (A8).
	RequestHeader(name string) []string
	// ReplyHeader returns the values that a reply header has so far.
	ReplyHeader(name string) []string
	// SetReplyHeader replaces all values of a reply header; without values
	// it removes the header.
	SetReplyHeader(name string, values ...string)
	// Secure reports whether the request came over TLS.
	Secure() bool
}

// Outcome is how a handler ended, as its adapter saw it.
type Outcome struct {
	// Status is the reply's HTTP status: what was or is about to be sent, or
	// what Err is going to be turned into. 0: not known.
	Status int
	// Err is the error that the handler returned, where handlers do that.
	Err error
	// Panicked says that the handler did not return.
	Panicked bool
}

// Failed reports whether the handler failed, which drops its unsaved changes
// (M13): it panicked, the status is 5xx, or it returned an error that maps to
// no status from 400 to 499.
func (o Outcome) Failed() bool {
	return o.Panicked || o.Status >= 500 || o.Err != nil && o.Status < 400
}

// isError reports whether the reply tells the client of an error.
func (o Outcome) isError() bool { return o.Status >= 400 }

// Request is the part of one HTTP request in a Manager's work. It is for
// adapters: handlers have no use for it. The order of calls is Begin; then
// NeedsCommit and BeforeReply when the reply's headers are about to go out
// while the handler still runs; and Finish, always and once, when the handler
// has returned or panicked. It is safe for concurrent use.
type Request struct {
	m   *Manager
	ctx context.Context // the request's own, with the Request in it
	ex  Exchange

	passive atomic.Bool // it is no use of the session: see Passive

	mu          sync.Mutex
	idRead      bool          // id has been read from the request
	id          string        // under which the client's session is to be found; "": it has none
	session     *Session      // the last one acquired; nil if none
	acquiring   bool          // an acquire is under way
	acquired    chan struct{} // closed when it is over; made by who waits for that
	headersSent bool
	failed      bool   // the reply is an error in place of the handler's: the end stores nothing more
	ended       bool   // Finish has begun
	finished    bool   // Finish has returned: the exchange must not be used any more
	cookie      func() // tells the client what was stored last; nil if there is nothing to tell
}

// requestContext puts a Request into a context: one allocation for both.
type requestContext struct {
	context.Context
	rq Request
}

type (
	managerKey   struct{ m *Manager } // the Request of this Manager
	innermostKey struct{}             // the Request of the innermost Manager
)

func (c *requestContext) Value(key any) any {
	switch k := key.(type) {
	case managerKey:
		if k.m == c.rq.m {
			return &c.rq
		}
	case innermostKey:
		return &c.rq
	}
	return c.Context.Value(key)
}

// Begin makes the Manager's sessions available below the returned context. It
// costs no store call. The Request is nil if ctx has one of this Manager
// already: then there is nothing to finish.
func (m *Manager) Begin(ctx context.Context, ex Exchange) (*Request, context.Context) {
	if rq, _ := ctx.Value(managerKey{m}).(*Request); rq != nil {
		return nil, ctx
	}
	c := &requestContext{Context: ctx}
	c.rq.m, c.rq.ctx, c.rq.ex = m, c, ex
	return &c.rq, c
}

// presented returns the ID that the client's session has, "" if it has none.
// rq.mu is locked.
func (rq *Request) presented() string {
	if !rq.idRead {
		rq.idRead = true
		if p := rq.path(); p != nil {
			rq.id = p.presentedID()
		} else {
			rq.id = rq.m.cfg.ID.read(rq.ex)
		}
	}
	return rq.id
}

// inHand returns the session that is acquired and not released. rq may be nil.
func (rq *Request) inHand() *Session {
	if rq == nil {
		return nil
	}
	rq.mu.Lock()
	defer rq.mu.Unlock()
	if rq.session == nil || rq.session.isReleased() {
		return nil
	}
	return rq.session
}

// acquire is Manager.Acquire. rq may be nil.
func (rq *Request) acquire(ctx context.Context, modes []Mode) (*Session, error) {
	if rq == nil {
		return nil, ErrNoSession
	}
	mode, err := rq.m.modeOf(modes)
	if err != nil {
		return nil, err
	}
	if s := rq.starting(ctx); s != nil { // waiting for the end of OnStart in it would never end
		if !s.mode.covers(mode) {
			return nil, fmt.Errorf("session: acquire: OnStart runs for a session that is acquired %v: it cannot be acquired %v there", s.mode, mode)
		}
		return s, nil
	}
	before, err := rq.beginAcquire(ctx, mode)
	if err != nil {
		return nil, err
	}
	if before != nil && before.mode.covers(mode) { // another goroutine may release it at any time
		return before, nil
	}
	return rq.replace(ctx, before, mode)
}

// endAcquire notes the session that was acquired, nil if none was, and lets
// the next goroutine of this request acquire. It reports whether the request
// has ended meanwhile, so that nobody will release the session.
func (rq *Request) endAcquire(s *Session) (ended bool) {
	rq.mu.Lock()
	defer rq.mu.Unlock()
	rq.acquiring = false
	if rq.acquired != nil {
		close(rq.acquired)
		rq.acquired = nil
	}
	if s != nil && !rq.ended {
		rq.session = s
	}
	return rq.ended
}

// beginAcquire returns the session in hand, if there is one. Unless that
// covers mode, the caller is the only one who acquires for this request, until
// it is done.
func (rq *Request) beginAcquire(ctx context.Context, mode Mode) (*Session, error) {
	rq.mu.Lock()
	defer rq.mu.Unlock()
	for {
		if rq.ended {
			return nil, ErrNoSession
		}
		if !rq.acquiring {
			break
		}
		if rq.acquired == nil {
			rq.acquired = make(chan struct{})
		}
		acquired := rq.acquired
		rq.mu.Unlock()
		select {
		case <-acquired:
		case <-ctx.Done():
		}
		rq.mu.Lock()
		if ctx.Err() != nil {
			return nil, acquireEnded(ctx)
		}
	}
	s := rq.session
	if s != nil && s.isReleased() {
		s = nil
	}
	if s == nil || !s.mode.covers(mode) {
		rq.acquiring = true
	}
	return s, nil
}

// replace acquires anew, in place of a session held in a weaker mode. The
// Observer is told before anybody else can have the session, so that its
// release comes later.
func (rq *Request) replace(ctx context.Context, before *Session, mode Mode) (s *Session, err error) {
	defer func() {
		if ended := rq.endAcquire(s); ended && s != nil { // a goroutine of the handler was still waiting
			s, err = nil, errors.Join(ErrNoSession, s.finishDiscarding(ctx))
		}
	}()
	begun := rq.m.eventTime()
	s, waited, err := rq.take(ctx, before, mode)
	e := Event{Kind: EventAcquired, Mode: mode, Waited: waited}
	if err != nil {
		e.Kind, e.Err = EventAcquireFailed, err
	}
	rq.m.observeSince(ctx, begun, e)
	if s != nil && s.isNew && !s.unused {
		return rq.enliven(ctx, s, mode)
	}
	return s, err
}

// enliven begins a session that is new: it runs OnStart, and sees to it that
// the client carries the ID in its path, where that is how it carries it.
// Without an error the session is returned.
func (rq *Request) enliven(ctx context.Context, s *Session, mode Mode) (*Session, error) {
	toItsURL := false
	if rq.m.inPath && rq.canTell() {
		var err error
		if toItsURL, err = rq.path().leads(!mode.readOnly() || rq.m.cfg.OnStart != nil); err != nil {
			_ = s.finishDiscarding(ctx) // nothing was stored yet
			return nil, err
		}
	}
	if rq.m.cfg.OnStart != nil {
		if err := s.start(ctx); err != nil {
			return nil, err
		}
	}
	if toItsURL && !s.isAbandoned() {
		return nil, s.settle(ctx)
	}
	return s, nil
}

// take is replace but for what else is told and done. A session that is unused
// was begun in another mode.
func (rq *Request) take(ctx context.Context, before *Session, mode Mode) (s *Session, waited bool, err error) {
	if before != nil {
		if s = before.takeOver(ctx, mode); s != nil {
			return s, false, nil
		}
		if before.hasChanges() {
			return nil, false, fmt.Errorf("session: acquire: the session is held %v with unsaved changes: Save or Release it before acquiring it %v", before.mode, mode)
		}
		if err := before.Release(ctx); err != nil && !errors.Is(err, ErrReleased) {
			return nil, false, err
		}
	}
	return rq.open(ctx, mode)
}

// NeedsCommit reports whether something must be stored, or a cookie set,
// before the reply's headers may go out: then an adapter that can holds the
// reply back until Finish, or calls BeforeReply at the last moment.
func (rq *Request) NeedsCommit() bool {
	s := rq.inHand()
	return s != nil && s.needsCommit()
}

// BeforeReply is called just before the reply's headers go out while the
// handler still runs. It stores what has changed so far, keeps the lock, and
// sets the cookie (M12); from then on, what would need another cookie is
// refused with ErrHeadersSent. If it returns an error, the headers must not go
// out as they are: the client gets an error reply instead.
func (rq *Request) BeforeReply(ctx context.Context, out Outcome) error {
	return rq.beforeHeaders(out, func(s *Session) error { return s.commit(ctx, true) })
}

// BeforeHijack is BeforeReply for a connection that leaves HTTP: it stores and
// sets the cookie, and releases the session too, so that a WebSocket does not
// block its user.
func (rq *Request) BeforeHijack(ctx context.Context, out Outcome) error {
	return rq.beforeHeaders(out, func(s *Session) error { return s.commitAndLetGo(ctx) })
}

// beforeHeaders holds the session's lock until the headers count as sent: a
// goroutine of the handler must not renew and save the session in between,
// since its client would not be told.
func (rq *Request) beforeHeaders(out Outcome, commit func(*Session) error) error {
	s, err := rq.inHandOrSent(out)
	if s == nil {
		return err
	}
	discard := rq.m.cfg.Discard(out)
	if s.lock() != nil { // released meanwhile: nothing is left to be stored
		err = s.lostBehind(out)
		rq.headersDecided(err)
		return err
	}
	defer s.mu.Unlock()
	if s.abandoned || !discard {
		err = commit(s)
	}
	rq.headersDecided(err)
	return err
}

// inHandOrSent returns the session that is acquired and not released. If there
// is none, the headers count as sent from then on, unless there is an error.
func (rq *Request) inHandOrSent(out Outcome) (*Session, error) {
	rq.mu.Lock()
	defer rq.mu.Unlock()
	if rq.session != nil && !rq.session.isReleased() {
		return rq.session, nil
	}
	if err := rq.session.lostBehind(out); err != nil {
		rq.failed = true
		return nil, err
	}
	rq.headersSent = true
	return nil, nil
}

// headersDecided notes that the headers go out as they are, or not at all if
// there is an error.
func (rq *Request) headersDecided(err error) {
	rq.mu.Lock()
	defer rq.mu.Unlock()
	if err != nil {
		rq.failed = true
	} else {
		rq.headersSent = true
	}
}

// Finish ends the request's use of its session: it stores the changes and
// releases in one step, or drops the changes if the handler failed (M13). The
// cookie is set on the exchange unless the headers went out before. If it
// returns an error while the reply has not gone out, the client must get an
// error reply instead of it. Repeated calls return nil.
func (rq *Request) Finish(ctx context.Context, out Outcome) error {
	s, failed := rq.end()
	if s == nil {
		return nil
	}
	defer rq.finish()
	// Once released this does nothing; it is for a Discard that panics (A4).
	defer func() { _ = s.finishDiscarding(ctx) }()
	if failed || rq.m.cfg.Discard(out) {
		return s.finishDiscarding(ctx)
	}
	return cmp.Or(s.finish(ctx), s.lostBehind(out))
}

// end begins the end of the request, and returns the session that it has used.
// It is nil if there is none, and the second time: then nothing is left to do.
func (rq *Request) end() (s *Session, failed bool) {
	rq.mu.Lock()
	defer rq.mu.Unlock()
	if rq.ended {
		return nil, false
	}
	rq.ended = true
	if rq.session != nil {
		return rq.session, rq.failed
	}
	rq.finished = true
	if !rq.acquiring && !rq.m.cfg.SkipKeepAliveWhenUnused && !rq.passive.Load() {
		if id := rq.presented(); id != "" && rq.m.keepAlive.due(id, blindTouch, rq.m.cfg.RefreshInterval) {
			rq.m.keepAlive.touch(id, blindTouch)
		}
	}
	return nil, false
}

func (rq *Request) finish() {
	rq.mu.Lock()
	defer rq.mu.Unlock()
	rq.finished = true
}
