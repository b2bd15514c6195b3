package session

import (
	"context"
	"errors"
	"fmt"
)

// startingKey finds, in the context that OnStart gets, the session that is
// being started: the request has not acquired it yet.
type startingKey struct{ rq *Request }

// starting returns the session that OnStart is running for, if ctx is its
// context; nil otherwise. rq may be nil.
func (rq *Request) starting(ctx context.Context) *Session {
	if rq == nil || rq.m.cfg.OnStart == nil {
		return nil
	}
	s, _ := ctx.Value(startingKey{rq}).(*Session)
	if s == nil || s.isReleased() {
		return nil
	}
	return s
}

var errStartReleased = errors.New("session: OnStart: it has released the session: leave that to the handler")

// start runs OnStart for a new session, which is to be stored from then on,
// untouched or not (M17). Where OnStart fails, or panics, the session is let
// go of, and nothing of it is stored but what OnStart has saved itself.
//
// A session that comes too late for a cookie can never be stored: nothing
// starts with it.
func (s *Session) start(ctx context.Context) error {
	rq := s.rq
	if !s.stored && !rq.canTell() { // an adopted one needs no cookie
		return nil
	}
	begun, done := rq.m.eventTime(), false
	s.mu.Lock()
	s.starting, s.dirty = true, true
	s.mu.Unlock()
	defer func() {
		if !done {
			_ = s.finishDiscarding(ctx) // what it could not undo expires
		}
	}()
	err := rq.m.cfg.OnStart(context.WithValue(ctx, startingKey{rq}, s), s)
	rq.m.observeSince(ctx, begun, Event{Kind: EventStarted, Mode: s.mode, Err: err})
	if err != nil {
		return fmt.Errorf("session: OnStart: %w", err)
	}
	if s.lock() != nil {
		return errStartReleased
	}
	s.starting, s.unused = false, s.dirty && !s.stored
	s.mu.Unlock()
	done = true
	return nil
}

// takeOver moves a new session on which nobody but OnStart has worked to
// another mode, at no cost: no store knows it, so nobody can have locked it.
// It returns nil if the session is not such a one.
func (s *Session) takeOver(ctx context.Context, mode Mode) *Session {
	if s.lock() != nil {
		return nil
	}
	defer s.mu.Unlock()
	if !s.unused || s.abandoned || s.unsettled != nil {
		return nil
	}
	s.released.Store(true)
	if s.cancel != nil {
		s.cancel(ErrReleased)
	}
	s.rq.m.observeSince(ctx, s.started, Event{Kind: EventReleased, Mode: s.mode})
	return &Session{
		rq: s.rq, mode: mode, isNew: true, started: s.rq.m.eventTime(),
		id: s.id, key: s.key, rec: s.rec, content: s.content, dirty: true, unused: true,
	}
}
