package session

import (
	"context"
	"time"
)

// Observer is told what happens to the sessions of a Manager, for metrics and
// traces. It must be safe for concurrent use, return quickly and not use the
// request's Session, which may be in the middle of what it is told of.
type Observer interface {
	Observe(ctx context.Context, e Event)
}

// Event is one thing that happened. It names no session: no ID, no StoreKey.
type Event struct {
	Kind EventKind
	Mode Mode
	// Duration is how long the request waited (EventAcquired,
	// EventAcquireFailed), held the session (EventReleased, EventLockLost) or
	// took to store it (EventSaved, EventSaveFailed), or how long OnStart
	// (EventStarted) or OnEnd (EventEnded, EventEndFailed, EventEndLost) took.
	Duration time.Duration
	// Waited says that the request had to wait for another (EventAcquired).
	Waited bool
	// Size is the length of the names and values of the session that was
	// stored, in bytes; 0 if it was removed (EventSaved).
	Size int
	// Reason is why the session ended, and Attempt how often OnEnd was to be
	// told of it, this time included (EventEnded, EventEndFailed,
	// EventEndLost).
	Reason  EndReason
	Attempt int
	// Err is what went wrong, where something did.
	Err error
}

// EventKind says what an Event tells of.
type EventKind uint8

// The kinds of events.
const (
	EventAcquired      EventKind = iota + 1 // a request got its session
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
)

var eventNames = [...]string{"unknown", "acquired", "acquire failed", "released", "saved", "save failed",
	"lock lost", "conflict", "unknown id", "corrupt", "background work failed",
	"started", "ended", "end failed", "end lost", "owner limit"}

// String returns the kind in lower-case words.
func (k EventKind) String() string {
	if int(k) >= len(eventNames) {
		k = 0
	}
	return eventNames[k]
}
