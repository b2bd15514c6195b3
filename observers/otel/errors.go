package otelsession

import (
	"context"
	"errors"
	"slices"

	"go.opentelemetry.io/otel/attribute"

	session "github.com/sessionstate/sessionstate/core"
)

// class is what error.type says of an error: its kind. The text of an error has
// too many values, and a driver's may say more than a metric should.
type class uint8

// noError is the class of nil.
const noError class = 0

// classes are tried in order. An error that is several says first what the
// client is told: as with session.HTTPStatus, it is unknown whether a save took
// effect, whatever else is known.
var classes = [...]struct {
	err  error
	name string
}{
	{nil, ""},
	{session.ErrOutcomeUnknown, "outcome_unknown"},
	{session.ErrNoSession, "no_session"},
	{session.ErrQueueFull, "queue_full"},
	{session.ErrAcquireTimeout, "acquire_timeout"},
	{session.ErrLockLost, "lock_lost"},
	{session.ErrConflict, "conflict"},
	{session.ErrRenewed, "renewed"},
	{session.ErrHeadersSent, "headers_sent"},
	{session.ErrTooManySessions, "too_many_sessions"},
	{session.ErrTooLarge, "too_large"},
	{session.ErrCorrupt, "corrupt"},
	{session.ErrReadOnly, "read_only"},
	{session.ErrReleased, "released"},
	{session.ErrRedirect, "redirect"},
	{session.ErrNotFound, "not_found"},
	{session.ErrExists, "exists"},
	{session.ErrLocked, "locked"},
	{session.ErrUnavailable, "unavailable"}, // before what a driver makes of it: its cause is often a deadline
	{context.Canceled, "canceled"},
	{context.DeadlineExceeded, "deadline_exceeded"},
	{nil, other},
}

const numClasses = class(len(classes))

func classOf(err error) class {
	if err == nil {
		return noError
	}
	for c := class(1); c < numClasses-1; c++ {
		if errors.Is(err, classes[c].err) {
			return c
		}
	}
	return numClasses - 1
}

// answers are what a store says while all is well with it.
var answers = [...]error{session.ErrNotFound, session.ErrExists, session.ErrLocked, session.ErrConflict, session.ErrLockLost, session.ErrRenewed}

// isAnswer reports whether err is one of them.
func isAnswer(err error) bool {
	return slices.ContainsFunc(answers[:], func(answer error) bool { return errors.Is(err, answer) })
}

func (c class) attribute() attribute.KeyValue { return errorKey.String(classes[c].name) }
