package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// The errors of this package and of every store. They are matched with
// errors.Is; what a caller gets usually wraps one of them with what was being
// done. No error contains an ID, a cookie, a key or a credential.
var (
	// ErrNotFound: a store knows no live record of that key (S1).
	ErrNotFound = errors.New("session: not found")

	// ErrExists: a record of that key is there already (S8).
	ErrExists = errors.New("session: exists already")

	// ErrLocked: another request holds the lock. See LockedError.
	ErrLocked = errors.New("session: locked by another request")

	// ErrLockLost: this request held the lock and has lost it to another or
	// to its ExecutionTimeout; its unsaved changes cannot be stored (M9).
	ErrLockLost = errors.New("session: the lock was lost, unsaved changes were dropped: let the client try again")

	// ErrConflict: another request has changed or ended the session and the
	// changes could not be merged (M4).
	ErrConflict = errors.New("session: changed or ended by another request meanwhile: let the client try again")

	// ErrOutcomeUnknown: a write was repeated because its answer had been
	// lost, and so much has happened to the record since that it cannot be
	// told whether the first attempt took effect (S6).
	ErrOutcomeUnknown = errors.New("session: it cannot be told whether the write took effect")

	// ErrQueueFull: Config.RequestQueueLimit requests of the session wait
	// already (M6).
	ErrQueueFull = errors.New("session: too many requests of this session wait: let the client try again later")

	// ErrAcquireTimeout: the session did not become free within
	// Config.AcquireTimeout (M7).
	ErrAcquireTimeout = errors.New("session: did not become free in time: let the client try again later")

	// ErrReadOnly: the session was acquired in a mode that allows no change
	// (M2).
	ErrReadOnly = errors.New("session: acquired read-only: acquire it Exclusive or Concurrent to change it")

	// ErrReleased: the session was used after its release or after the end
	// of its request (M22).
	ErrReleased = errors.New("session: used after its release")

	// ErrRenewed: the session has got a new ID since the client sent this
	// request; the client has it, or is about to get it, from the reply to
	// another request (M16).
	ErrRenewed = errors.New("session: renewed under another ID meanwhile: let the client try again")

	// ErrHeadersSent: the change needs a new cookie, and the reply's headers
	// have been sent (M12).
	ErrHeadersSent = errors.New("session: the reply's headers are sent, the cookie can no longer be: change a new session, or renew one, before writing")

	// ErrTooManySessions: the owner has Config.MaxSessionsPerOwner sessions
	// already, and Config.RefuseMoreSessions is set.
	ErrTooManySessions = errors.New("session: its owner has too many sessions already: end another one first")

	// ErrTooLarge: the session's content exceeds Config.MaxSize or what the
	// store can hold.
	ErrTooLarge = errors.New("session: too large")

	// ErrCorrupt: a stored session, or one value of it, cannot be read (M18).
	ErrCorrupt = errors.New("session: stored content cannot be read")

	// ErrUnavailable: the store did not answer, or the Manager is closed
	// (M19).
	ErrUnavailable = errors.New("session: store unavailable")

	// ErrNoSession: the context belongs to no request of the Manager, the
	// request has ended, or the *Session is nil.
	ErrNoSession = errors.New("session: no session here: is the middleware installed, and the request still under way?")
)

// LockedError is the error of a store operation that found the record locked
// under another token (S3). errors.Is(err, ErrLocked) holds.
type LockedError struct {
	LockInfo
}

// Error says for how long the record has been locked.
func (e *LockedError) Error() string {
	return fmt.Sprintf("%v (for %v, lease ends in %v)", ErrLocked,
		e.Age.Round(time.Millisecond), e.Left.Round(time.Millisecond))
}

// Unwrap returns ErrLocked.
func (e *LockedError) Unwrap() error { return ErrLocked }

// RetryAfter is what replies to refused requests say in their Retry-After
// header, in seconds: for the errors that HTTPStatus maps to 429 and 503.
const RetryAfter = "1"

// HTTPStatus returns the HTTP status that tells a client of err: 429 for
// ErrQueueFull, 503 for ErrAcquireTimeout, ErrUnavailable and a request whose
// own deadline has passed (these go with a Retry-After header), 302 or 307, by
// the request's method, for ErrRedirect, 409 for
// ErrRenewed, ErrLockLost, ErrConflict and ErrTooManySessions, 413 for ErrTooLarge, 499 for
// context.Canceled (the client is gone, nobody reads it), 200 for nil, and 500
// for everything else and for whatever is ErrOutcomeUnknown.
func HTTPStatus(err error) int {
	switch {
	case err == nil:
		return http.StatusOK
	case errors.Is(err, ErrRedirect):
		var to redirectError
		if errors.As(err, &to) {
			return to.status
		}
		return http.StatusFound
	case errors.Is(err, ErrOutcomeUnknown):
		return http.StatusInternalServerError // whatever else it is: "try again" might do a thing twice
	case errors.Is(err, ErrQueueFull):
		return http.StatusTooManyRequests
	case errors.Is(err, ErrAcquireTimeout), errors.Is(err, ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable
	case errors.Is(err, ErrRenewed), errors.Is(err, ErrLockLost), errors.Is(err, ErrConflict),
		errors.Is(err, ErrTooManySessions):
		return http.StatusConflict
	case errors.Is(err, ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, context.Canceled):
		return statusClientClosedRequest
	}
	return http.StatusInternalServerError
}

// statusClientClosedRequest has no name in net/http; it is what proxies log
// for a client that left before the reply.
const statusClientClosedRequest = 499
