package session

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"
)

// open acquires the client's session, or makes a new one.
func (rq *Request) open(ctx context.Context, mode Mode) (s *Session, waited bool, err error) {
	m := rq.m
	if err := m.inUse.enter(); err != nil {
		return nil, false, err
	}
	defer func() {
		if s == nil { // nor if the store panics does Close wait for it
			m.inUse.leave()
		}
	}()
	if s, waited, err = rq.find(ctx, mode); s != nil {
		s.started = m.eventTime()
	}
	return s, waited, err
}

// find looks for the client's session in the store.
func (rq *Request) find(ctx context.Context, mode Mode) (s *Session, waited bool, err error) {
	m := rq.m
	if m.inPath {
		p := rq.path()
		if p == nil {
			return nil, false, errNotRewritten
		}
		if rq.canTell() {
			if err := p.admit(mode); err != nil {
				return nil, false, err
			}
		}
	}
	rq.mu.Lock()
	if rq.ended { // a goroutine that was left behind: the exchange must not be used any more
		rq.mu.Unlock()
		return nil, false, ErrNoSession
	}
	id := rq.presented()
	rq.mu.Unlock()
	if id == "" {
		return rq.fresh(mode, newID()), false, nil
	}
	wait := withLazyTimeout(ctx, m.cfg.AcquireTimeout, ErrAcquireTimeout)
	defer wait.stop()
	found := &Session{rq: rq, mode: mode, id: id, key: storeKey(m.cfg.Namespace, id), stored: true}
	switch mode {
	case Exclusive:
		if rq.passive.Load() {
			m.warnPassive()
		}
		var o lockOptions
		if m.cfg.AdoptExpiredID {
			o.create = found.adopt
		}
		found.rec, found.lease, waited, err = m.lock(wait, found.key, o)
	case ReadOnly:
		found.rec, waited, err = m.read(wait, found.key)
	default:
		found.rec, err = m.load(wait, found.key, false)
	}
	if err == nil && !found.adopted {
		found.content, err = m.unpack(found.key, &found.rec)
	}
	switch {
	case err == nil:
		found.content.owner = found.rec.Owner
		found.unborn, found.content.unborn = found.content.unborn, false
		found.rec.Data = m.forOnEnd(found.rec.Data)
		found.isNew = found.adopted
		found.keepAlive()
		return found, waited, nil
	case errors.Is(err, ErrNotFound):
		m.observe(ctx, Event{Kind: EventUnknownID, Mode: mode})
		if m.cfg.AdoptExpiredID {
			return rq.fresh(mode, id), waited, nil
		}
	case errors.Is(err, ErrExists): // it cannot be adopted, see lock
		m.observe(ctx, Event{Kind: EventUnknownID, Mode: mode})
	case errors.Is(err, ErrCorrupt):
		if found.lease != nil {
			found.lease.release(ctx, lockHeld)
		}
		m.observe(ctx, Event{Kind: EventCorrupt, Mode: mode, Err: err})
		// A client that puts nothing into its new session keeps coming with
		// the old ID.
		m.unreadable.log(ctx, m.cfg.Logger, slog.LevelError,
			"session: a stored session cannot be read; it is left alone and its client gets a new one", "error", err)
	default:
		return nil, waited, err
	}
	// Nothing of this request looks for that ID again.
	rq.mu.Lock()
	rq.id = ""
	rq.mu.Unlock()
	return rq.fresh(mode, newID()), waited, nil
}

// fresh returns a new session, of which no store knows yet (M10).
func (rq *Request) fresh(mode Mode, id string) *Session {
	s := &Session{rq: rq, mode: mode, isNew: true, id: id, key: storeKey(rq.m.cfg.Namespace, id)}
	s.rec.Created = time.Now()
	return s
}

// adopt stores an empty record under the ID that the client presented, locked,
// so that its requests are serialized from the first one on.
func (s *Session) adopt(ctx context.Context, token Token) (Record, error) {
	m := s.rq.m
	rec, err := s.record(s.key, &content{})
	if err != nil {
		return rec, err
	}
	rec.Events = false // if nothing comes of it, nothing has ended
	err = m.storeCall(ctx, "adopt", func(ctx context.Context) error {
		return m.store.Create(ctx, s.key, rec, token, m.cfg.LockLease)
	})
	s.adopted = err == nil
	rec.Created = time.Now()
	return rec, err
}

// keepAlive sees to it that a session that was loaded lives on (M14), and
// that a client that keeps its cookie keeps it as long. A passive request, which
// is no use unless it locks or saves, does neither.
func (s *Session) keepAlive() {
	m, rec := s.rq.m, &s.rec
	refresh := m.refresh(&s.content)
	s.told = s.cookieLife()
	if s.lease == nil && s.rq.passive.Load() {
		return
	}
	if s.lease == nil && rec.IdleTimeout > 0 && rec.ExpiresIn > 0 && rec.ExpiresIn < rec.IdleTimeout &&
		rec.ExpiresIn < s.lifetimeLeft() && m.keepAlive.due(s.id, dueTouch, refresh) {
		m.keepAlive.touch(s.id, dueTouch)
	}
	s.cookieDue = s.told > 0 && m.keepAlive.due(s.id, slideCookie, refresh)
}

// lifetimeLeft is how long the session can live at most.
func (s *Session) lifetimeLeft() time.Duration {
	if s.rec.Lifetime == 0 {
		return maxDuration
	}
	return s.rec.Lifetime - time.Since(s.rec.Created)
}

// cookieLife is for how long the client may keep its cookie when it restarts,
// were it not for AbsoluteTimeout; 0: not at all.
func (s *Session) cookieLife() time.Duration {
	m := s.rq.m
	c, ok := s.rq.source().(Cookie)
	if !ok || !c.Persist && !s.content.remember {
		return 0
	}
	if idle := m.timeout(&s.content); idle > 0 {
		return idle + m.refresh(&s.content)
	}
	return maxDuration
}

// maxAge is for how long the client may keep its cookie; 0: until it ends.
func (s *Session) maxAge() time.Duration {
	life := s.cookieLife()
	if life == 0 {
		return 0
	}
	return max(min(life, s.lifetimeLeft()), time.Second)
}

// timeout is the idle timeout of a session with that content; 0: none.
func (m *Manager) timeout(c *content) time.Duration { return cmp.Or(c.idle, m.cfg.IdleTimeout) }

// refresh is how often the expiry of a session with that content is written at
// most.
func (m *Manager) refresh(c *content) time.Duration {
	if c.idle > 0 {
		return min(m.cfg.RefreshInterval, c.idle/refreshFraction)
	}
	return m.cfg.RefreshInterval
}
