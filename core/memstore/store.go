package memstore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// Store is a session.Store that keeps the records in this process. It is safe
// for concurrent use. It starts no goroutine and needs no closing.
type Store struct {
	shards [shards]shard
	owners owners
	base   time.Time     // instant 0
	gen    atomic.Uint32 // counts the calls of All; see there
	cursor atomic.Uint32 // counts the calls of Reap; see there
}

var (
	_ session.Store      = (*Store)(nil)
	_ session.Watcher    = (*Store)(nil)
	_ session.OwnerIndex = (*Store)(nil)
	_ session.Iterator   = (*Store)(nil)
	_ session.Pinger     = (*Store)(nil)
)

// New returns an empty Store. Every call makes one of its own: services, or
// Managers, that are to see the same sessions are given the same Store.
func New() *Store {
	st := &Store{base: time.Now()}
	for i := range st.shards {
		st.shards[i].recs = make(map[uint64]*record)
	}
	return st
}

var errZeroToken = errors.New("the zero token names nobody")

// Acquire implements session.Store.
func (st *Store) Acquire(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) (session.Record, error) {
	if err := ctx.Err(); err != nil {
		return session.Record{}, failed("acquire", err)
	}
	if token == (session.Token{}) {
		return session.Record{}, failed("acquire", errZeroToken)
	}
	s := st.lock(key)
	defer s.mu.Unlock()
	now := st.now()
	r := s.get(key)
	if err := r.missing(now); err != nil {
		return session.Record{}, failed("acquire", err)
	}
	before := r.due()
	switch {
	case r.holds(token): // a repeat (S4): the lock's age goes on
		r.lock.until = now.add(lease)
	case r.locked(now):
		r.awaited = true
		return session.Record{}, &session.LockedError{LockInfo: r.lockInfo(now)}
	default:
		if r.lock != nil {
			s.wake(r) // who waits for the former holder waits no longer
		}
		s.take(r, token, now, now.add(lease))
	}
	r.slide(now)
	s.refile(r, before)
	return st.export(r, now), nil
}

// Load implements session.Store.
func (st *Store) Load(ctx context.Context, key session.StoreKey, wait bool) (session.Record, error) {
	if err := ctx.Err(); err != nil {
		return session.Record{}, failed("load", err)
	}
	s := st.lock(key)
	defer s.mu.Unlock()
	now := st.now()
	r := s.get(key)
	if err := r.missing(now); err != nil {
		return session.Record{}, failed("load", err)
	}
	rec := st.export(r, now)
	if r.locked(now) {
		r.awaited = r.awaited || wait
		info := r.lockInfo(now)
		rec.Lock = &info
	}
	return rec, nil
}

// Release implements session.Store.
func (st *Store) Release(ctx context.Context, key session.StoreKey, token session.Token) error {
	if err := ctx.Err(); err != nil {
		return failed("release", err)
	}
	s := st.lock(key)
	defer s.mu.Unlock()
	if r := s.get(key); r.live(st.now()) && r.holds(token) {
		before := r.due()
		s.free(r)
		s.refile(r, before) // it may have outlived its expiry under the lease
		s.wake(r)
	}
	return nil
}

// Extend implements session.Store.
func (st *Store) Extend(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) error {
	if err := ctx.Err(); err != nil {
		return failed("extend", err)
	}
	s := st.lock(key)
	defer s.mu.Unlock()
	now := st.now()
	r := s.get(key)
	if !r.live(now) || !r.holds(token) {
		if r = s.claimed(key, token); r == nil {
			return failed("extend", session.ErrLockLost)
		}
	}
	before := r.due()
	r.lock.until = now.add(lease)
	s.refile(r, before)
	return nil
}

// Touch implements session.Store.
func (st *Store) Touch(ctx context.Context, key session.StoreKey) error {
	if err := ctx.Err(); err != nil {
		return failed("touch", err)
	}
	s := st.lock(key)
	defer s.mu.Unlock()
	now := st.now()
	r := s.get(key)
	if !r.live(now) {
		return failed("touch", session.ErrNotFound)
	}
	r.slide(now) // never makes it due earlier: nothing to refile
	return nil
}

// Ping implements session.Pinger. A store in memory always works.
func (st *Store) Ping(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return failed("ping", err)
	}
	return nil
}

// missing returns the error of those who ask for a session where none is.
func (r *record) missing(now instant) error {
	switch {
	case r.live(now):
		return nil
	case r.renewed(now):
		return session.ErrRenewed
	}
	return session.ErrNotFound
}

// export returns r as callers see it.
func (st *Store) export(r *record, now instant) session.Record {
	rec := st.stored(r)
	rec.ExpiresIn = r.expiresIn(now)
	return rec
}

// stored returns r without what depends on the moment. Data is not copied:
// neither side changes bytes that it has handed to the other.
func (st *Store) stored(r *record) session.Record {
	p := r.policy.Value()
	return session.Record{
		Data:        r.data,
		Namespace:   p.namespace,
		Owner:       r.ownerName(),
		Events:      r.events,
		IdleTimeout: p.idle,
		Refresh:     p.refresh,
		Lifetime:    p.lifetime,
		Write:       r.ring[0],
		Created:     st.wall(r.created),
	}
}

func (st *Store) shard(key session.StoreKey) *shard { return &st.shards[key[0]] }

// lock locks key's shard.
func (st *Store) lock(key session.StoreKey) *shard {
	s := st.shard(key)
	s.mu.Lock()
	return s
}

// lockBoth locks the shards of key and, where the record moves, of to, which
// may be one. The order is that of the shards, so that two moves in opposite
// directions do not wait for each other.
func (st *Store) lockBoth(key, to session.StoreKey, moves bool) (s, d *shard) {
	if !moves || key[0] == to[0] {
		s = st.lock(key)
		return s, s
	}
	if key[0] > to[0] {
		d = st.lock(to)
		return st.lock(key), d
	}
	s = st.lock(key)
	return s, st.lock(to)
}

// now is read under the lock of the shard that it is used on, so that what
// came later there also has the later time.
func (st *Store) now() instant { return instant(time.Since(st.base)) }

// wall returns t as a time of day, without a monotonic reading, as other
// stores would.
func (st *Store) wall(t instant) time.Time { return st.base.Add(time.Duration(t)).Round(0) }

// failed says in which operation err occurred. A *LockedError needs no such
// words: it is no failure, and the caller's loop gets it again and again.
func failed(op string, err error) error { return fmt.Errorf("memstore: %s: %w", op, err) }
