package memstore

import (
	"context"
	"errors"
	"slices"
	"time"
	"unique"

	session "github.com/sessionstate/sessionstate/core"
)

var errNextWithoutKeep = errors.New("a lock that is handed on needs a lease: Commit.Next without Commit.Keep")

// Create implements session.Store.
//
// Where an expired or ended record with Events has not been reported yet, the
// new one takes its key but not its place: the old one waits, reachable for
// nobody but Reap and who claimed it.
func (st *Store) Create(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, lease time.Duration) error {
	if err := ctx.Err(); err != nil {
		return failed("create", err)
	}
	s := st.lock(key)
	defer s.mu.Unlock()
	now := st.now()
	old := s.get(key)
	switch {
	case old.knows(rec.Write):
		return nil
	case old.live(now), old.renewed(now):
		if rec.Repeat && !old.knowsAll() {
			return failed("create", session.ErrOutcomeUnknown)
		}
		return failed("create", session.ErrExists)
	}
	st.clear(s, old)

	r := &record{
		key:     key,
		data:    slices.Clip(rec.Data),
		policy:  unique.Make(policyOf(rec, rec.Namespace)),
		created: now,
		events:  rec.Events,
	}
	r.expires = r.fresh(now)
	r.note(rec.Write)
	if token != (session.Token{}) {
		s.take(r, token, now, now.add(lease))
	}
	st.owners.setOwner(r, rec.Owner)
	st.insert(s, r)
	return nil
}

// Save implements session.Store.
func (st *Store) Save(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, how session.Commit) error {
	if err := ctx.Err(); err != nil {
		return failed("save", err)
	}
	if how.Next != (session.Token{}) && how.Keep <= 0 {
		return failed("save", errNextWithoutKeep)
	}
	moves := how.MoveTo != session.StoreKey{}
	s, d := st.lockBoth(key, how.MoveTo, moves)
	defer s.mu.Unlock()
	if d != s {
		defer d.mu.Unlock()
	}
	now := st.now()
	r := s.get(key)

	// A repeat comes first, whatever has become of the record: a repeated
	// move finds it in the tombstone, or else in the record that moved.
	if r.knows(rec.Write) || moves && d.get(how.MoveTo).knows(rec.Write) {
		return nil
	}
	switch live := r.live(now); {
	case live && r.holds(token):
	case rec.Repeat && !(live && r.knowsAll()):
		return failed("save", session.ErrOutcomeUnknown)
	default:
		return failed("save", session.ErrLockLost)
	}
	if moves {
		there := d.get(how.MoveTo)
		if there.live(now) || there.renewed(now) {
			return failed("save", session.ErrExists)
		}
		st.clear(d, there)
	}

	before := r.due()
	st.write(s, r, rec, now)
	switch {
	case how.Next != session.Token{}:
		s.take(r, how.Next, now, now.add(how.Keep))
	case how.Keep > 0:
		r.lock.until = now.add(how.Keep)
	default:
		s.free(r)
	}
	if moves || how.Keep <= 0 || how.Next != (session.Token{}) {
		s.wake(r)
	}
	if moves {
		st.move(s, d, r, how.MoveTo, now.add(max(how.Grace, 0)), how.Grace > 0)
	} else {
		s.refile(r, before)
	}
	return nil
}

// Swap implements session.Store.
func (st *Store) Swap(ctx context.Context, key session.StoreKey, rec session.Record, old session.WriteID) error {
	if err := ctx.Err(); err != nil {
		return failed("swap", err)
	}
	s := st.lock(key)
	defer s.mu.Unlock()
	now := st.now()
	r := s.get(key)
	switch {
	case r.knows(rec.Write):
		return nil
	case !r.live(now):
		if rec.Repeat {
			return failed("swap", session.ErrOutcomeUnknown)
		}
		return failed("swap", session.ErrNotFound)
	case r.ring[0] != old:
		// Had the first attempt taken effect, it would be newer than old.
		if rec.Repeat && !r.knowsAll() && !r.knows(old) {
			return failed("swap", session.ErrOutcomeUnknown)
		}
		return failed("swap", session.ErrConflict)
	case r.locked(now):
		return &session.LockedError{LockInfo: r.lockInfo(now)}
	}
	before := r.due()
	st.write(s, r, rec, now)
	if r.lock != nil { // lapsed: its token never works again (S5)
		s.free(r)
		s.wake(r)
	}
	s.refile(r, before)
	return nil
}

// write replaces what a caller may replace of r. The caller refiles r.
func (st *Store) write(s *shard, r *record, rec session.Record, now instant) {
	r.data = slices.Clip(rec.Data)
	if r.events != rec.Events {
		s.unfile(r)
		r.events = rec.Events
	}
	st.owners.setOwner(r, rec.Owner)
	was := r.policy.Value()
	if p := policyOf(rec, was.namespace); p != was {
		r.policy = unique.Make(p)
		r.expires = r.fresh(now)
	} else {
		r.slide(now)
	}
	r.note(rec.Write)
}

// move makes r live under another key, in shard d, where that is free (S11).
// What is left of it in s becomes the tombstone, until grace, if there is to
// be one; it remembers the writes, for the sake of repeats.
func (st *Store) move(s, d *shard, r *record, to session.StoreKey, grace instant, tombstone bool) {
	s.unfile(r)
	next := *r
	next.key = to
	st.owners.replace(r, &next)
	st.insert(d, &next)

	r.data, r.owner, r.lock = nil, nil, nil
	r.events, r.moved = false, true
	r.expires = grace
	if tombstone {
		s.file(r)
	} else {
		s.del(r)
	}
}

// insert adds r, which is new under its key.
func (st *Store) insert(s *shard, r *record) {
	r.gen = st.gen.Load()
	r.pos = -1
	s.put(r)
	s.file(r)
}

// clear makes the key of a dead record, or of a tombstone that is finished,
// free for a new one. r may be nil.
func (st *Store) clear(s *shard, r *record) {
	switch {
	case r == nil:
	case r.moved || !r.events:
		st.drop(s, r)
	default:
		if r.reason == 0 {
			s.free(r) // taken for free (S5): its holder's token has lapsed
			st.end(s, r, session.EndExpired)
		}
		s.del(r)
		if s.aside == nil {
			s.aside = make(map[session.StoreKey][]*record)
		}
		s.aside[r.key] = append(s.aside[r.key], r)
	}
}

// drop deletes r, wherever it is.
func (st *Store) drop(s *shard, r *record) {
	s.unfile(r)
	s.free(r)
	st.owners.remove(r)
	if s.get(r.key) == r {
		s.del(r)
		return
	}
	rs := s.aside[r.key]
	if i := slices.Index(rs, r); len(rs) > 1 {
		s.aside[r.key] = slices.Delete(rs, i, i+1)
	} else {
		delete(s.aside, r.key)
	}
}

// policyOf returns the policy that rec asks for.
func policyOf(rec session.Record, namespace string) policy {
	return policy{namespace, rec.IdleTimeout, rec.Refresh, rec.Lifetime}
}
