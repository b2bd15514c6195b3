package boltstore

import (
	"bytes"
	"context"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// Release implements session.Store.
func (s *Store) Release(ctx context.Context, key session.StoreKey, token session.Token) error {
	return s.update(ctx, "release", func(t table) error {
		e, err := t.get(key[:])
		if err != nil || !e.live(t.now) || !e.holds(token) {
			return err
		}
		e.free()
		return t.put(key[:], e)
	})
}

// Extend implements session.Store.
func (s *Store) Extend(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) error {
	return s.update(ctx, "extend", func(t table) error {
		place := key[:]
		e, err := t.get(place)
		if err == nil && (!e.live(t.now) || !e.holds(token)) {
			if place, e, err = t.claimed(key, token); e == nil && err == nil {
				err = session.ErrLockLost
			}
		}
		if err != nil {
			return err
		}
		e.Until = t.now.add(lease)
		return t.put(place, e)
	})
}

// Touch implements session.Store (S10).
func (s *Store) Touch(ctx context.Context, key session.StoreKey) error {
	return s.update(ctx, "touch", func(t table) error {
		e, err := t.get(key[:])
		if err != nil {
			return err
		}
		if !e.live(t.now) {
			return session.ErrNotFound
		}
		e.slide(t.now)
		return t.put(key[:], e)
	})
}

// Remove implements session.Store (S12).
//
// Under a claim that Reap gave, any reason deletes the record. Under the claim
// that a Remove left behind, only EndDelete does: the same Remove again is a
// repeat, after which the end is still to be reported.
func (s *Store) Remove(ctx context.Context, key session.StoreKey, token session.Token, reason session.EndReason) error {
	return s.update(ctx, "remove", func(t table) error {
		e, err := t.get(key[:])
		if err != nil {
			return err
		}
		if e.renewed(t.now) {
			return session.ErrRenewed
		}
		live := e.live(t.now)
		if live && (token == session.Token{} || e.holds(token)) {
			return t.end(key[:], e, token, reason)
		}
		place, claimed, err := t.claimed(key, token)
		switch {
		case err != nil:
			return err
		case claimed != nil && (claimed.Reaped || reason == session.EndDelete):
			return t.drop(place, claimed)
		case claimed == nil && live:
			return session.ErrLockLost
		}
		return nil
	})
}

// end ends a live record under token, or under nobody's.
func (t table) end(place []byte, e *entry, token session.Token, reason session.EndReason) error {
	if reason == session.EndDelete {
		return t.drop(place, e)
	}
	e.Reason = reason
	if token == (session.Token{}) {
		e.free()
	} else {
		e.Attempts = 1 // the lock becomes the claim
	}
	return t.put(place, e)
}

// batch is how many records one transaction of a bulk removal takes: the file
// is others' in between.
const batch = 256

// Reap implements session.Store (S12).
func (s *Store) Reap(ctx context.Context, namespace string, limit int, token session.Token, lease time.Duration) ([]session.Expired, error) {
	if limit == 0 {
		return nil, nil
	}
	for limit < 0 {
		removed := make(chan int, 1)
		err := s.update(ctx, "reap", func(t table) error {
			places, err := t.collect(namespace, false, batch)
			for _, place := range places {
				e, failed := t.get(place)
				if failed != nil {
					return failed
				}
				if err := t.drop(place, e); err != nil {
					return err
				}
			}
			removed <- len(places)
			return err
		})
		if err != nil || <-removed < batch {
			return nil, err
		}
	}
	claims := make(chan []session.Expired, 1)
	err := s.update(ctx, "reap", func(t table) error {
		if token == (session.Token{}) {
			return errArguments
		}
		places, err := t.collect(namespace, true, limit)
		if err != nil {
			return err
		}
		var claimed []session.Expired
		for _, place := range places {
			x := session.Expired{}
			copy(x.Key[:], place)
			// Of two ends of one key a call claims one: key and token are all
			// that names a claim, and who removes the one would remove the other.
			if at, other, err := t.claimed(x.Key, token); err != nil {
				return err
			} else if other != nil && !bytes.Equal(at, place) {
				continue
			}
			e, err := t.get(place)
			if err != nil {
				return err
			}
			e.take(token, t.now, max(lease, 0))
			e.Attempts++
			e.Reaped = true
			if e.Reason == 0 {
				e.Reason = session.EndExpired
			}
			x.Record, x.Reason, x.Attempts = e.stored(), e.Reason, e.Attempts
			if err := t.put(place, e); err != nil {
				return err
			}
			claimed = append(claimed, x)
		}
		claims <- claimed
		return nil
	})
	if err != nil {
		return nil, err
	}
	return <-claims, nil
}
