package session

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"
)

// Observer is told what happens to the sessions of a Manager, for metrics and
// traces. It must be safe for concurrent use, return quickly and not use the
// request's Session, which may be in the middle of what it is told of. If it
// panics, that is logged and has no other effect.
//
// Without an Observer none of it costs anything: no event is made, and no clock
// is read for one.
type Observer interface {
	// Observe is told of e. ctx is that of the request, or of the work in the
	// background; it may have ended, since a client that goes away aborts
	// neither a save nor a release.
	Observe(ctx context.Context, e Event)
}

// Event is one thing that happened. It names no session: no ID, no StoreKey.
type Event struct {
	Kind EventKind

	// Mode is how the request holds the session or is going to. It says
	// nothing of EventBackground, EventOwnerLimit and EventStoreCall.
	Mode Mode

	// Op is what the store was asked for (EventStoreCall).
	Op StoreOp

	// Waited says that the request had to wait for another (EventAcquired).
	Waited bool

	// Removed says that the session was to be removed, not stored (EventSaved,
	// EventSaveFailed).
	Removed bool

	// Reason is why the session ended (EventEnded, EventEndFailed,
	// EventEndLost, EventOwnerLimit, and EventSaved where Removed is set).
	Reason EndReason

	// Attempt is how often OnEnd was to be told of that end, this time
	// included (EventEnded, EventEndFailed, EventEndLost).
	Attempt int

	// Duration is how long the request took to get its session
	// (EventAcquired, EventAcquireFailed), waited for others (EventWaited,
	// EventTakeover), held the session (EventReleased, EventLockLost) or took
	// to store it (EventSaved, EventSaveFailed), or how long OnStart
	// (EventStarted), OnEnd (EventEnded, EventEndFailed, EventEndLost) or the
	// store (EventStoreCall) took.
	Duration time.Duration

	// Size is the length of the names and values of the session that was
	// stored, in bytes: 0 if it was emptied or removed (EventSaved). Of
	// EventStoreCall it is the length of the Data that the store has taken or
	// given, which may be compressed and encrypted: 0 if the call failed.
	Size int

	// Err is what went wrong, where something did.
	Err error
}

// EventKind says what an Event tells of.
type EventKind uint8

// The kinds of events.
//
// Of each Acquire that does not just return the session in hand, there is one
// EventAcquired or one EventAcquireFailed; and for each EventAcquired, later,
// one EventReleased, also where OnStart fails or the request has ended
// meanwhile. Between EventWaiting and EventWaited, of which there is at most
// one pair to an Acquire, the request waits: so their difference is the number
// of requests that wait now. They come even if the store panics.
const (
	EventAcquired      EventKind = iota + 1 // a request got its session; OnStart has not run yet
	EventAcquireFailed                      // a request did not get its session: Err says why
	EventReleased                           // a request gave its session back
	EventSaved                              // changes were stored, or the session was removed
	EventSaveFailed                         // changes were not stored: Err says why
	EventLockLost                           // a request lost its lock while it ran (M9)
	EventConflict                           // concurrent changes met and are merged (M4)
	EventUnknownID                          // a client presented an ID that the store does not know (M11)
	EventCorrupt                            // a stored session could not be read (M18)
	EventBackground                         // background work failed or was dropped: Err says why
	EventStarted                            // OnStart has run for a new session; if it failed, Err says why
	EventEnded                              // OnEnd was told of a session's end (M17)
	EventEndFailed                          // OnEnd failed and will be told again: Err says why
	EventEndLost                            // OnEnd has failed too often and will not be told again: Err says why
	EventOwnerLimit                         // MaxSessionsPerOwner: the oldest gave way, or a login was refused: then Err says so
	EventWaiting                            // a request begins to wait for others (M5)
	EventWaited                             // a request waits no longer: it goes on, or Err says why it gives up
	EventTakeover                           // a request took over a lock that was waited for until its lease had run out (M8)
	EventStoreCall                          // the store was called, and has answered Err

	endOfEventKinds // must come last
)

var eventNames = [endOfEventKinds]string{
	0:                  "unknown",
	EventAcquired:      "acquired",
	EventAcquireFailed: "acquire failed",
	EventReleased:      "released",
	EventSaved:         "saved",
	EventSaveFailed:    "save failed",
	EventLockLost:      "lock lost",
	EventConflict:      "conflict",
	EventUnknownID:     "unknown id",
	EventCorrupt:       "corrupt",
	EventBackground:    "background work failed",
	EventStarted:       "started",
	EventEnded:         "ended",
	EventEndFailed:     "end failed",
	EventEndLost:       "end lost",
	EventOwnerLimit:    "owner limit",
	EventWaiting:       "waiting",
	EventWaited:        "waited",
	EventTakeover:      "takeover",
	EventStoreCall:     "store call",
}

// String returns the kind in lower-case words, "unknown" if there is none.
func (k EventKind) String() string {
	if k >= endOfEventKinds {
		k = 0
	}
	return eventNames[k]
}

func (m *Manager) observe(ctx context.Context, e Event) {
	if m.cfg.Observer != nil {
		m.tell(ctx, e)
	}
}

// tell tells the Observer. No request is to fail, wait or keep its lock because
// of a mistake there, nor the process to end, which is what a panic would bring
// about in the background.
func (m *Manager) tell(ctx context.Context, e Event) {
	defer func() {
		if v := recover(); v != nil {
			m.panicked.log(ctx, m.cfg.Logger, slog.LevelError, "session: the Observer panicked",
				"event", e.Kind.String(), "panic", v, "stack", string(debug.Stack()))
		}
	}()
	m.cfg.Observer.Observe(ctx, e)
}

// eventTime returns when something begins of which the Observer will be told
// how long it took; without one nobody asks, and the clock is not read.
func (m *Manager) eventTime() (t time.Time) {
	if m.cfg.Observer != nil {
		t = time.Now()
	}
	return t
}

// observeSince tells the Observer of what began at an eventTime.
func (m *Manager) observeSince(ctx context.Context, begun time.Time, e Event) {
	if m.cfg.Observer != nil {
		e.Duration = time.Since(begun)
		m.tell(ctx, e)
	}
}

// waiting tells the Observer when a request begins to wait for its session, and
// when it no longer does. A nil or silent one tells nothing.
type waiting struct {
	m      *Manager
	ctx    context.Context
	mode   Mode
	silent bool // a save: it is no request that waits for its session
	begun  time.Time
}

// begin is called before each part of the wait: in this process, and for
// another.
func (w *waiting) begin() {
	if w == nil || w.silent || w.m.cfg.Observer == nil || !w.begun.IsZero() {
		return
	}
	w.begun = time.Now()
	w.m.observe(w.ctx, Event{Kind: EventWaiting, Mode: w.mode})
}

// end is called once it is all over.
func (w *waiting) end(err error) {
	if !w.begun.IsZero() {
		w.m.observeSince(w.ctx, w.begun, Event{Kind: EventWaited, Mode: w.mode, Err: err})
	}
}

// lapse finds out whether a lock that was waited for has been taken over: a
// store's Acquire does not tell. It was, if when the lock was asked for last,
// the lease that was seen before had run out; what is seen of a holder that
// still renews its lease is a later end. A holder that is late by two of three
// renewals and yet gives its lock back just then, between two looks, is taken
// for one that did not. A lock whose lease had run out before anybody asked for
// it is taken for a free one: it held up nobody.
type lapse struct {
	first time.Time // when the lock was found taken at first; zero: it was not
	at    time.Time // when the lease seen last runs out
}

// saw notes that another holds the lock.
func (l *lapse) saw(m *Manager, held *LockedError) {
	if m.cfg.Observer == nil {
		return
	}
	now := time.Now()
	if l.first.IsZero() {
		l.first = now
	}
	l.at = now.Add(held.Left)
}

// tell tells the Observer, if the lock that was got by asking for it then was
// taken over.
func (l *lapse) tell(ctx context.Context, m *Manager, asked time.Time) {
	if !l.first.IsZero() && !asked.Before(l.at) {
		m.observeSince(ctx, l.first, Event{Kind: EventTakeover, Mode: Exclusive})
	}
}
