package session

import (
	"context"
	"errors"
	"time"
)

// create stores a new session. If the request goes on with it, it is locked.
func (s *Session) create(ctx, save context.Context, keep bool) error {
	m := s.rq.m
	if err := s.clientGone(ctx); err != nil {
		return err
	}
	rec, err := s.record(s.key, &s.content)
	if err != nil {
		return err
	}
	ready := func() error {
		if err := s.clientGone(ctx); err != nil {
			return notWrittenError{err}
		}
		return nil
	}
	room, err := m.room(ctx, save, s.key, "", s.content.owner, ready)
	if err != nil {
		return err
	}
	var saved error // what became of the save
	defer func() { room.leave(ctx, saved) }()
	if room != nil {
		if err := ready(); err != nil {
			return err
		}
	}
	var token Token
	asked := time.Now()
	if keep && s.mode == Exclusive {
		token = NewToken()
	}
	saved = ErrOutcomeUnknown // should the store panic
	err = m.persist(save, "create", func(ctx context.Context, repeat bool) error {
		rec.Repeat = repeat
		return m.store.Create(ctx, s.key, rec, token, m.cfg.LockLease)
	})
	saved = err
	if errors.Is(err, ErrExists) && m.cfg.AdoptExpiredID {
		// Two requests have adopted one ID, side by side.
		if s.mode == Concurrent {
			s.stored = true
			room.leave(ctx, err) // the merge asks for it anew
			return s.merge(ctx, save)
		}
		return ErrConflict
	}
	if err == nil {
		err = room.confirm(ctx, save, s.key)
	}
	if err != nil {
		if saved == nil && !errors.Is(err, ErrTooManySessions) ||
			inDoubt(saved) && room != nil && !m.cfg.AdoptExpiredID { // else the client may know the ID
			s.untold = s.key
		}
		return err
	}
	s.wrote(rec, &s.content, true)
	if token != (Token{}) {
		s.lease = newLease(ctx, m, s.key, token, nil, asked, nil)
		s.lease.enter()
		if s.cancel != nil {
			cancel := s.cancel
			s.lease.notify(func() { cancel(ErrLockLost) })
		}
	}
	return nil
}

// saveLocked stores c under the lock l, and moves the session to a new ID if
// it is to be renewed. owner is whose session it was.
func (s *Session) saveLocked(ctx, save context.Context, l *lease, c *content, owner string, keep bool) error {
	m, how, id, key := s.rq.m, Commit{}, s.id, s.key
	if keep {
		how.Keep = m.cfg.LockLease
	}
	if s.renew {
		if err := s.clientGone(ctx); err != nil {
			return err
		}
		id = s.rq.path().nextID()
		key = storeKey(m.cfg.Namespace, id)
		how.MoveTo, how.Grace = key, m.cfg.RenewGrace
	}
	rec, err := s.record(key, c)
	if err != nil {
		return err
	}
	ready := func() error {
		if l.isLost() {
			return ErrLockLost
		}
		if s.renew {
			if err := s.clientGone(ctx); err != nil {
				return notWrittenError{err}
			}
		}
		return nil
	}
	room, err := m.room(ctx, save, s.key, owner, c.owner, ready)
	if err != nil {
		return err
	}
	var saved error // what became of the save
	defer func() { room.leave(ctx, saved) }()
	if room != nil {
		if err := ready(); err != nil {
			return err
		}
	}
	// Not a new session's, whose Created is this process's guess, nor a
	// login's, which may have to be taken back.
	offers := !keep && !s.renew && !s.isNew && room == nil
	saved = ErrOutcomeUnknown // should the store panic
	err = s.put(save, l, rec, how, offers)
	saved = err
	if err == nil && s.renew {
		s.id = id
	}
	if err == nil {
		err = room.confirm(ctx, save, s.key)
	}
	if err != nil {
		if s.renew && (saved == nil && !errors.Is(err, ErrTooManySessions) || // else it is taken back already
			inDoubt(saved) && room != nil) {
			s.untold = key
		}
		return err
	}
	s.untold = StoreKey{}
	s.wrote(rec, c, s.renew)
	return nil
}

// put is the save itself. If it offers to, it passes the lock to the next in
// line. Even if the store panics, the lease is not taken for being saved.
func (s *Session) put(save context.Context, l *lease, rec Record, how Commit, offers bool) (err error) {
	m, keep := s.rq.m, how.Keep > 0
	if !l.beginSave() {
		return ErrLockLost
	}
	state := lockUnknown
	defer func() { l.endSave(state) }()
	if offers {
		if next := l.offer(rec, s.rec.Created); next != nil {
			how.Next, how.Keep = next.token, m.cfg.LockLease
		}
	}
	err = m.persist(save, "save", func(ctx context.Context, repeat bool) error {
		rec.Repeat = repeat
		return m.store.Save(ctx, s.key, rec, l.token, how)
	})
	if err == nil && how.MoveTo != (StoreKey{}) {
		s.key = how.MoveTo
		if keep {
			l.move(s.key)
		}
	}
	switch {
	case errors.Is(err, ErrLockLost):
		state = lockLost
	case err == nil && keep:
		state = lockHeld
	case err == nil:
		state = lockReleased
		l.pass()
	}
	return err
}
