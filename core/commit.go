package session

import (
	"context"
	"errors"
	"fmt"
)

// Save stores the changes made so far, and keeps the session. Nothing is
// stored twice: without changes it does nothing. What Save has stored stays,
// whatever becomes of the request (M13). It is bounded by Config.SaveTimeout
// and not aborted by the end of ctx (M20); but a new or renewed session is not
// stored once its client is gone. Errors: ErrLockLost, ErrConflict,
// ErrRenewed, ErrTooLarge, ErrTooManySessions, ErrUnavailable,
// ErrOutcomeUnknown, ErrReleased, ErrNoSession. After an error the changes are
// still there to be saved, unless it is not known whether they were: then the
// same error comes again.
func (s *Session) Save(ctx context.Context) error {
	if err := s.lock(); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.abandoned {
		return nil // removed at release
	}
	return s.commit(ctx, true)
}

// Release saves the session and gives it back before the handler ends, so that
// others can go on while it streams or computes. Changes that cannot be saved
// are lost: errors as Save. Unless the session is acquired again, a reply that
// has not begun by then, and has no status from 400 on, becomes an error reply,
// so that a Release whose error is dropped, a deferred one perhaps, hides nothing
// from the client (M12).
func (s *Session) Release(ctx context.Context) error {
	if err := s.lock(); err != nil {
		return err
	}
	defer s.mu.Unlock()
	return s.commitAndLetGo(ctx)
}

// lostBehind returns why a Release has lost changes, if the reply would not let
// the client know that something went wrong.
func (s *Session) lostBehind(out Outcome) error {
	if s == nil || out.isError() {
		return nil
	}
	if err := s.lost.Load(); err != nil {
		return *err
	}
	return nil
}

// hasChanges reports whether there is something that a release would store.
func (s *Session) hasChanges() bool {
	if err := s.lock(); err != nil {
		return false
	}
	defer s.mu.Unlock()
	return s.dirty || s.renew || s.abandoned && !s.removed
}

// needsCommit reports whether the reply has to wait for a save or a cookie.
func (s *Session) needsCommit() bool {
	if err := s.lock(); err != nil {
		return false
	}
	defer s.mu.Unlock()
	return s.dirty || s.renew || s.abandoned && !s.removed || s.cookieDue
}

// finish is Release at the end of the request.
func (s *Session) finish(ctx context.Context) error {
	if err := s.lock(); err != nil {
		return nil // released before
	}
	defer s.mu.Unlock()
	return s.commitAndLetGo(ctx)
}

// finishDiscarding ends the request's hold without storing its changes, but
// for Abandon, which takes effect in any case (M13).
func (s *Session) finishDiscarding(ctx context.Context) error {
	if err := s.lock(); err != nil {
		return nil
	}
	defer s.mu.Unlock()
	s.dirty, s.renew, s.replay = false, false, nil
	s.skipSlide()
	return s.commitAndLetGo(ctx)
}

// commitAndLetGo saves and releases, in one round trip if there is something
// to save. Even if a codec or an Update panics on the way, the lock does not
// stay.
func (s *Session) commitAndLetGo(ctx context.Context) error {
	if s.over {
		s.released.Store(true)
		return nil
	}
	state := lockUnknown
	defer func() { s.letGo(ctx, state) }()
	saves := s.dirty || s.renew || s.abandoned
	if s.adopted && !saves {
		state = s.dropAdopted(ctx)
		return nil
	}
	err := s.commit(ctx, false)
	switch {
	case !saves:
		state = lockHeld
	case err == nil:
		state = lockReleased
	case errors.Is(err, ErrTooLarge), errors.Is(err, ErrTooManySessions):
		state = lockHeld
	}
	if err != nil {
		lost := err
		s.lost.Store(&lost)
	}
	return err
}

// dropAdopted removes the empty record that adopting an ID has stored: nothing
// was put into it, so it leaves no trace (M10). If it is another's by now, it
// stays; if it cannot be removed, it expires.
func (s *Session) dropAdopted(ctx context.Context) (state lockState) {
	m := s.rq.m
	if !s.lease.beginSave() {
		return lockUnknown
	}
	state = lockUnknown
	defer func() { s.lease.endSave(state) }()
	err := m.storeCall(context.WithoutCancel(ctx), "remove", func(ctx context.Context) error {
		return m.store.Remove(ctx, s.key, s.lease.token, EndDelete)
	})
	if err != nil {
		m.failedInBackground(context.WithoutCancel(ctx), err)
		return lockUnknown
	}
	return lockReleased
}

// letGo ends the use of the session.
func (s *Session) letGo(ctx context.Context, state lockState) {
	s.released.Store(true)
	s.skipSlide()
	defer func() { // even if the store panics
		if s.cancel != nil {
			s.cancel(ErrReleased)
		}
		m := s.rq.m
		if s.untold != (StoreKey{}) { // nobody can use it, and it counts as one of the owner's
			m.revokeInBackground(s.untold)
		}
		m.inUse.leave()
		m.observeSince(ctx, s.started, Event{Kind: EventReleased, Mode: s.mode})
	}()
	if s.lease != nil {
		s.lease.release(ctx, state)
	}
}

// commit stores what there is to store, and keeps the lock or releases it with
// that. s.mu is locked.
func (s *Session) commit(ctx context.Context, keep bool) error {
	if !s.dirty && !s.renew && !s.abandoned {
		s.slideCookie(ctx)
		return nil
	}
	if s.unsettled != nil && s.lease == nil && !s.abandoned {
		return s.unsettled // it may have taken effect: making the changes again could count them twice
	}
	m := s.rq.m
	begun, silent := m.eventTime(), s.abandoned && !s.removable()
	save := m.saveContext(ctx)
	defer save.stop()
	var err error
	switch {
	case s.abandoned:
		err = s.remove(save)
	case !s.stored:
		err = s.create(ctx, save, keep)
	case s.lease != nil:
		err = s.saveLocked(ctx, save, s.lease, &s.content, s.rec.Owner, keep)
	default:
		err = s.merge(ctx, save)
	}
	e := Event{Kind: EventSaved, Mode: s.mode, Removed: s.abandoned}
	if s.abandoned {
		e.Reason = EndAbandoned
	} else {
		e.Size = s.content.size
	}
	var undone notWrittenError
	switch {
	case err == nil:
		s.dirty, s.renew, s.adopted, s.replay, s.unsettled = false, false, false, nil, nil
		s.unused = false
	case errors.As(err, &undone):
		err = undone.error
	case inDoubt(err):
		s.unsettled = err
	case errors.Is(err, ErrLockLost) && s.unsettled != nil:
		err = fmt.Errorf("%w, and the save before is in doubt: %w", err, ErrOutcomeUnknown)
	}
	if err != nil {
		e.Kind, e.Err = EventSaveFailed, err
	}
	if !silent { // nothing of it was ever stored
		m.observeSince(ctx, begun, e)
	}
	return err
}

// inDoubt reports whether err leaves it open if a save took effect.
func inDoubt(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrOutcomeUnknown)
}

// slideCookie tells the client its ID again, if that is due. Without the lock
// another request may have renewed or ended the session since it was read: the
// old ID must not take the place of what that one has told the client (M16).
func (s *Session) slideCookie(ctx context.Context) {
	if !s.cookieDue {
		return
	}
	if !s.rq.canTell() {
		s.skipSlide()
		return
	}
	if m := s.rq.m; s.stored && (s.lease == nil || s.lease.isLost()) {
		err := m.storeCall(context.WithoutCancel(ctx), "touch", func(ctx context.Context) error {
			return m.store.Touch(ctx, s.key)
		})
		if err != nil {
			s.cookieDue = false
			return
		}
	}
	s.tell()
}

// tell tells the client its ID and for how long it may keep it.
func (s *Session) tell() {
	s.told = s.cookieLife()
	if !s.rq.tell(s.id, s.maxAge()) {
		s.skipSlide()
		return
	}
	s.cookieDue = false
	if s.told > 0 {
		s.rq.m.keepAlive.due(s.id, slideCookie, s.rq.m.refresh(&s.content)) // not again so soon
	}
}

// skipSlide leaves it to another request to tell the client its ID again, if
// that is due.
func (s *Session) skipSlide() {
	if s.cookieDue {
		s.cookieDue = false
		s.rq.m.keepAlive.forget(s.id, slideCookie)
	}
}

// record returns the content as a store takes it under key, as a new write.
func (s *Session) record(key StoreKey, c *content) (Record, error) {
	m := s.rq.m
	cfg := &m.cfg
	data, err := m.pack(key, c)
	if err != nil {
		return Record{}, err
	}
	rec := Record{
		Data: data, Namespace: cfg.Namespace, Owner: c.owner,
		IdleTimeout: m.timeout(c), Refresh: m.refresh(c), Lifetime: cfg.AbsoluteTimeout,
		Write: NewWriteID(), Events: cfg.OnEnd != nil,
	}
	if c.unborn && cfg.OnStart == nil {
		rec.waste()
	}
	return rec, nil
}

// wrote notes what the store has now, and tells the client if its ID, or for
// how long it may keep it, has changed by that.
func (s *Session) wrote(rec Record, c *content, newID bool) {
	rec.Created, rec.Data = s.rec.Created, s.rq.m.forOnEnd(rec.Data)
	s.rec, s.stored, s.content = rec, true, *c
	if newID || s.cookieDue || s.told != s.cookieLife() || s.slidesBySaving() {
		s.tell()
	}
}

// slidesBySaving reports whether the client must be told its ID again because a
// passive request has turned out to be a use.
func (s *Session) slidesBySaving() bool {
	m := s.rq.m
	return s.told > 0 && s.rq.passive.Load() && m.keepAlive.due(s.id, slideCookie, m.refresh(&s.content))
}

// clientGone returns why the client cannot get another cookie, if that is so:
// then what needs one is not stored (M16, M20).
func (s *Session) clientGone(ctx context.Context) error {
	for _, c := range [...]context.Context{s.rq.ctx, ctx} {
		if end := endOf(c); end != nil {
			return fmt.Errorf("session: save: not stored, since the client is gone and cannot get its cookie: %w", end)
		}
	}
	if !s.rq.canTell() {
		return ErrHeadersSent
	}
	return nil
}
