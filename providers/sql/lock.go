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
		// Who waits for a former holder, whose lease has lapsed, waits no
		// longer.
		woken: &woken,
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
			if found, err := st.try(c, taking); found || err != nil {
				return err
			}
		}
	})
	if err != nil {
		return session.Record{}, err
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
	releasing := &errand{
		key: key, sql: st.sql.release, args: []any{key[:], uuid(token)}, dest: []any{&woken}, woken: &woken,
	}
	return st.locks.do(ctx, "release", releasing, func(*conn) error {
		st.wake(key) // perhaps it is a repeat, and the first answer, which was lost, said that somebody waits
		return nil
	})
}

// wakeAgain wakes those who wait for key if an earlier attempt may have given
// it up: only its answer, which was lost, said whether somebody waits. rec is
// what it wrote.
func (st *Store) wakeAgain(c *conn, key session.StoreKey, rec *session.Record) {
	if c.repeated || rec.Repeat {
		st.wake(key)
	}
}

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
		for {
			var live, settled bool
			_, err := c.row(st.sql.touch, []any{key[:]}, &live, &settled)
			switch {
			case err != nil:
				return err
			case !live:
				return session.ErrNotFound
			case settled:
				return nil
			}
			// It was due, and changed while the statement waited for the row.
			if err := c.ended(); err != nil {
				return err
			}
		}
	})
}
