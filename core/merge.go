package session

import (
	"context"
	"errors"
	"fmt"
)

// swapAttempts is how often a Concurrent save is tried without the lock (M4).
const swapAttempts = 3

// merge stores a Concurrent request's changes: by compare-and-swap onto what
// the session was when it was read, else onto what it is now, else under the
// lock (M4).
func (s *Session) merge(ctx, save context.Context) error {
	m, c, old, owner := s.rq.m, s.content, s.rec.Write, s.rec.Owner
	var doubted func(context.Context) error
	for range swapAttempts {
		if s.renew || m.limits(owner, c.owner) {
			break
		}
		rec, err := s.record(s.key, &c)
		if err != nil {
			return err
		}
		err = m.persist(save, "save", func(ctx context.Context, repeat bool) error {
			rec.Repeat = repeat
			return m.store.Swap(ctx, s.key, rec, old)
		})
		if err == nil {
			s.wrote(rec, &c, false)
			return nil
		}
		if errors.Is(err, ErrLocked) {
			if rec.Repeat {
				doubted = func(ctx context.Context) error {
					err := m.store.Swap(ctx, s.key, rec, old)
					if err == nil {
						s.wrote(rec, &c, false)
					}
					return err
				}
			}
			break
		}
		if !errors.Is(err, ErrConflict) {
			return s.ended(err)
		}
		m.observe(ctx, Event{Kind: EventConflict, Mode: s.mode})
		fresh, err := m.load(save, s.key, false)
		if err != nil {
			return notWrittenError{s.ended(err)}
		}
		if c, err = s.replayOn(fresh); err != nil {
			return err
		}
		old, owner = fresh.Write, fresh.Owner
	}
	return s.mergeLocked(ctx, save, doubted)
}

// mergeLocked merges under the lock, which it waits for like any other.
// doubted, if not nil, repeats an attempt to save without the lock whose first
// answer was lost and whose repeat was refused because of another's lock: when
// that was gone, the first could still arrive. Under this request's own lock
// it no longer can.
func (s *Session) mergeLocked(ctx, save context.Context, doubted func(context.Context) error) error {
	m := s.rq.m
	fresh, l, _, err := m.lock(save, s.key, lockOptions{save: true})
	if err != nil {
		if err = s.ended(err); doubted == nil {
			err = notWrittenError{err}
		}
		return err
	}
	state := lockUnknown
	defer func() { l.release(ctx, state) }() // even if an Update panics
	if doubted != nil {
		err := m.persist(save, "save", func(ctx context.Context, _ bool) error { return doubted(ctx) })
		if err == nil {
			state = lockHeld
			return nil
		}
		if !errors.Is(err, ErrLocked) && !errors.Is(err, ErrConflict) {
			return s.ended(err)
		}
	}
	c, err := s.replayOn(fresh)
	if err != nil {
		state = lockHeld
		return err
	}
	s.rec.Created = fresh.Created // with AdoptExpiredID it may be a later session of that ID
	if err = s.saveLocked(ctx, save, l, &c, fresh.Owner, false); err == nil {
		state = lockReleased
	}
	return err
}

// replayOn makes the request's changes on newer content.
func (s *Session) replayOn(rec Record) (content, error) {
	c, err := s.rq.m.unpack(s.key, &rec)
	if err != nil {
		return c, err
	}
	c.owner, c.unborn = rec.Owner, false
	for _, op := range s.replay {
		if err := op(&c); err != nil {
			return c, err
		}
	}
	return c, nil
}

// ended turns the absence of a session that was there into ErrConflict:
// another request has ended it, and this one cannot bring it back (M15).
func (s *Session) ended(err error) error {
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("%w (it has ended)", ErrConflict)
	}
	return err
}

// notWrittenError is the error of a merge that has asked the store to write
// nothing, or nothing that it did not refuse: the changes can be made again.
type notWrittenError struct{ error }

func (e notWrittenError) Unwrap() error { return e.error }
