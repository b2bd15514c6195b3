package sqlstore

import (
	"context"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// Acquire implements session.Store. A free record costs one statement. One
// that is held costs a second, which registers the caller to be woken and says
// who holds it.
func (st *Store) Acquire(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) (rec session.Record, err error) {
	if token == (session.Token{}) {
		return rec, failed("acquire", errZeroToken)
	}
	taking := []any{key[:], uuid(token), microseconds(lease)}
	err = st.call(ctx, "acquire", func(c *conn) error {
		for {
			var async string
			var s state
			var r content
			var woken bool
			found, err := c.row(st.sql.acquire, taking, append([]any{&async}, s.dest(r.dest(&woken)...)...)...)
			if err != nil {
				return err
			}
			if found {
				rec = r.record()
				rec.ExpiresIn = s.expiresIn()
				if woken { // who waits for the former holder waits no longer
					st.wake(key)
				}
				return nil
			}
			held, err := st.register(c, key)
			if err != nil {
				return err
			}
			if held != nil && held.Holder != token.Holder() {
				return &session.LockedError{LockInfo: *held}
			}
			// It became free between the two.
		}
	})
	return rec, err
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
func (st *Store) Load(ctx context.Context, key session.StoreKey, wait bool) (rec session.Record, err error) {
	err = st.call(ctx, "load", func(c *conn) error {
		for {
			var s state
			var r content
			found, err := c.row(st.sql.load, []any{key[:]}, s.dest(r.dest()...)...)
			switch {
			case err != nil:
				return err
			case !found:
				return session.ErrNotFound
			case s.missing() != nil:
				return s.missing()
			}
			rec = r.record()
			rec.ExpiresIn = s.expiresIn()
			if !s.locked() {
				return nil
			}
			info := s.lockInfo()
			rec.Lock = &info
			if !wait {
				return nil
			}
			held, err := st.register(c, key)
			if err != nil {
				return err
			}
			if held != nil && held.Holder == info.Holder {
				return nil
			}
			// Its holder has changed: what was read may be old.
		}
	})
	if err != nil {
		return session.Record{}, err
	}
	return rec, nil
}

// Release implements session.Store.
func (st *Store) Release(ctx context.Context, key session.StoreKey, token session.Token) error {
	return st.call(ctx, "release", func(c *conn) error {
		var async string
		var woken bool
		_, err := c.row(st.sql.release, []any{key[:], uuid(token)}, &async, &woken)
		if woken {
			st.wake(key)
		}
		return err
	})
}

// Extend implements session.Store.
func (st *Store) Extend(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) error {
	extending := []any{key[:], uuid(token), microseconds(lease)}
	return st.call(ctx, "extend", func(c *conn) error {
		for _, sql := range []string{st.sql.extend, st.sql.extendAside} {
			var async string
			if found, err := c.row(sql, extending, &async); found || err != nil {
				return err
			}
		}
		return session.ErrLockLost
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
