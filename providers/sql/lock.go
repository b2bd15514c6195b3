package sqlstore

import (
	"context"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// Acquire implements session.Store. A free record costs one statement. One
// that is held costs a second, which registers the caller to be woken and says
// who holds it.
func (st *Store) Acquire(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) (session.Record, error) {
	if token == (session.Token{}) {
		return session.Record{}, failed("acquire", errZeroToken)
	}
	var s state
	var r content
	var woken bool
	taking := &errand{
		key:  key,
		sql:  st.sql.acquire,
		args: []any{key[:], uuid(token), microseconds(lease)},
		dest: append([]any{&woken, &s.now, &s.lockUntil, &s.expires}, r.dest()...),
	}
	err := st.locks.do(ctx, "acquire", taking, func(c *conn) error {
		for {
			held, err := st.register(c, key)
			if err != nil {
				return err
			}
			if held != nil && held.Holder != token.Holder() {
				return &session.LockedError{LockInfo: *held}
			}
			// It became free between the two.
			if found, err := c.row(taking.sql, taking.args, taking.dest...); found || err != nil {
				return err
			}
		}
	})
	if err != nil {
		return session.Record{}, err
	}
	if woken { // who waits for the former holder waits no longer
		st.wake(key)
	}
	rec := r.record()
	rec.ExpiresIn = s.expiresIn()
	return rec, nil
}

// register registers the caller to be woken when the lock of key is given up,
// and returns the lock. It returns nil if none is held.
func (st *Store) register(c *conn, key session.StoreKey) (*session.LockInfo, error) {
	for {
		if err := c.ended(); err != nil {
			return nil, err
		}
		var s state
		registered := true
		var found bool
		var err error
		if st.cfg.Listen == ListenOn {
			found, err = c.row(st.sql.register, []any{key[:]}, s.dest(&registered)...)
		} else {
			found, err = c.row(st.sql.glance, []any{key[:]}, s.dest()...)
		}
		switch {
		case err != nil:
			return nil, err
		case !found:
			return nil, session.ErrNotFound
		case s.missing() != nil:
			return nil, s.missing()
		case !s.locked():
			return nil, nil
		case registered:
			info := s.lockInfo()
			return &info, nil
		}
		// It was given up while the statement waited for the row.
	}
}

// Load implements session.Store.
func (st *Store) Load(ctx context.Context, key session.StoreKey, wait bool) (session.Record, error) {
	var s state
	var r content
	reading := &errand{key: key, sql: st.sql.load, args: []any{key[:]}, dest: s.dest(r.dest()...)}
	missing := func(*conn) error { return session.ErrNotFound }
	if err := st.reads.do(ctx, "load", reading, missing); err != nil {
		return session.Record{}, err
	}
	if wait && s.missing() == nil && s.locked() {
		if err := st.loadWaiting(ctx, reading, &s); err != nil {
			return session.Record{}, err
		}
	}
	if err := s.missing(); err != nil {
		return session.Record{}, failed("load", err)
	}
	rec := r.record()
	rec.ExpiresIn = s.expiresIn()
	if s.locked() {
		info := s.lockInfo()
		rec.Lock = &info
	}
	return rec, nil
}

// loadWaiting registers the caller to be woken when the lock is given up that
// s, which reading has read, says is held. If it is held no more, or by
// another, it reads anew.
func (st *Store) loadWaiting(ctx context.Context, reading *errand, s *state) error {
	return st.call(ctx, "load", func(c *conn) error {
		for s.missing() == nil && s.locked() {
			holder := s.lockInfo().Holder
			held, err := st.register(c, reading.key)
			if err != nil {
				return err
			}
			if held != nil && held.Holder == holder {
				return nil
			}
			found, err := c.row(reading.sql, reading.args, reading.dest...)
			if err != nil {
				return err
			}
			if !found {
				return session.ErrNotFound
			}
		}
		return nil
	})
}

// Release implements session.Store.
func (st *Store) Release(ctx context.Context, key session.StoreKey, token session.Token) error {
	var woken bool
	releasing := &errand{key: key, sql: st.sql.release, args: []any{key[:], uuid(token)}, dest: []any{&woken}}
	err := st.locks.do(ctx, "release", releasing, nothing)
	if err == nil && woken {
		st.wake(key)
	}
	return err
}

// nothing is what remains to be done where a statement had nothing to do.
func nothing(*conn) error { return nil }

// Extend implements session.Store.
func (st *Store) Extend(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) error {
	var async bool
	extending := &errand{
		key: key, sql: st.sql.extend, args: []any{key[:], uuid(token), microseconds(lease)}, dest: []any{&async},
	}
	return st.locks.do(ctx, "extend", extending, func(c *conn) error {
		found, err := c.row(st.sql.extendAside, extending.args, &async)
		if err == nil && !found {
			return session.ErrLockLost
		}
		return err
	})
}

// Touch implements session.Store.
func (st *Store) Touch(ctx context.Context, key session.StoreKey) error {
	return st.call(ctx, "touch", func(c *conn) error {
		var live bool
		if _, err := c.row(st.sql.touch, []any{key[:]}, &live); err != nil {
			return err
		}
		if !live {
			return session.ErrNotFound
		}
		return nil
	})
}
