package session

import (
	"context"
	"errors"
)

// remove ends the session and takes its cookie away, whoever holds it: a
// logout wins over every request in flight (M15).
func (s *Session) remove(save context.Context) error {
	if s.removable() {
		if err := s.removeStored(save); err != nil {
			return err
		}
		s.rq.tell("", 0)
	}
	s.removed = true
	return nil
}

// removable reports whether a store may have the session. s.mu is locked.
func (s *Session) removable() bool { return !s.removed && (s.stored || s.unsettled != nil) }

func (s *Session) removeStored(save context.Context) error {
	m, reason, token := s.rq.m, s.endReason(), Token{}
	held, state := s.lease != nil && s.lease.beginSave(), lockUnknown
	if held {
		defer func() { s.lease.endSave(state) }() // even if the store panics
	}
	if held && reason != EndDelete && s.unsettled == nil && m.ends.on() {
		// What was stored last is in hand: the lock becomes the claim of the
		// end, and this process reports it.
		token = s.lease.token
	}
	remove := func(ctx context.Context, _ bool) error { return m.store.Remove(ctx, s.key, token, reason) }
	err := m.persist(save, "remove", remove)
	if errors.Is(err, ErrLockLost) { // the lock is another's by now
		token = Token{}
		err = m.persist(save, "remove", remove)
	}
	if err == nil && reason != EndDelete {
		m.ends.ended(token, Expired{Key: s.key, Record: s.rec, Reason: reason, Attempts: 1})
	}
	if err == nil {
		state = lockReleased
		if s.lease != nil {
			s.lease.stop()
		}
	}
	return err
}

// endReason is how the session is to be removed. One that was never saved, and
// is stored only to hold a lock, leaves no trace. s.mu is locked.
func (s *Session) endReason() EndReason {
	if s.adopted || s.rq.m.cfg.OnEnd == nil && !s.rec.Events {
		return EndDelete
	}
	return EndAbandoned
}
