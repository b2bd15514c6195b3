package memstore

import (
	"context"
	"math"
	"runtime"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// Remove implements session.Store.
//
// Under a claim that Reap gave, any reason deletes the record. Under the claim
// that a Remove left behind, only EndDelete does: the same Remove again is a
// repeat, after which the end is still to be reported.
func (st *Store) Remove(ctx context.Context, key session.StoreKey, token session.Token, reason session.EndReason) error {
	if err := ctx.Err(); err != nil {
		return failed("remove", err)
	}
	s := st.lock(key)
	defer s.mu.Unlock()
	r := s.get(key)
	now := st.now()
	if r.renewed(now) {
		return failed("remove", session.ErrRenewed)
	}
	live := r.live(now)
	if live && (token == session.Token{} || r.holds(token)) {
		st.remove(s, r, token, reason)
		return nil
	}
	if c := s.claimed(key, token); c != nil {
		if c.reaped || reason == session.EndDelete {
			st.drop(s, c)
		}
		return nil
	}
	if live {
		return failed("remove", session.ErrLockLost)
	}
	return nil
}

// remove ends the live record r under token, or the zero token.
func (st *Store) remove(s *shard, r *record, token session.Token, reason session.EndReason) {
	s.wake(r)
	if reason == session.EndDelete {
		st.drop(s, r)
		return
	}
	if token == (session.Token{}) {
		s.free(r)
	} else {
		r.attempts = 1 // the lock becomes the claim
	}
	st.end(s, r, reason)
}

// end ends r, with the claim, if any, that r.lock now is.
func (st *Store) end(s *shard, r *record, reason session.EndReason) {
	st.owners.remove(r)
	r.reason = reason
	s.file(r) // due may be earlier than before
}

// claimed returns the ended record that token has claimed, if any.
func (s *shard) claimed(key session.StoreKey, token session.Token) *record {
	if r := s.get(key); r != nil && r.reason != 0 && r.holds(token) {
		return r
	}
	for _, r := range s.aside[key] {
		if r.holds(token) {
			return r
		}
	}
	return nil
}

// Reap implements session.Store.
func (st *Store) Reap(ctx context.Context, namespace string, limit int, token session.Token, lease time.Duration) ([]session.Expired, error) {
	if err := ctx.Err(); err != nil {
		return nil, failed("reap", err)
	}
	if limit > 0 && token == (session.Token{}) {
		return nil, failed("reap", errZeroToken)
	}
	if limit == 0 {
		return nil, nil
	}
	var claims []session.Expired
	// What falls due later is the next Reap's; a record claimed by this one
	// with a lease of nothing at all is, too.
	cutoff := st.now()
	// Where limit ends the walk, the next one goes on elsewhere, so that no
	// shard is always the last.
	first := st.cursor.Add(1)
	for i := range st.shards {
		s := &st.shards[uint8(first+uint32(i))]
		for more := true; more; {
			more = s.collect(queueID{namespace, limit > 0}, cutoff, func(r *record) bool {
				if limit < 0 {
					st.drop(s, r)
					return true
				}
				now := max(st.now(), cutoff+1)
				if c := s.claimed(r.key, token); c != nil && c != r {
					st.later(s, r, now)
					return true
				}
				claims = append(claims, st.claim(s, r, token, now, lease))
				return len(claims) < limit
			})
			switch err := ctx.Err(); {
			case limit > 0 && len(claims) >= limit, err != nil && len(claims) > 0:
				return claims, nil
			case err != nil:
				return nil, failed("reap", err)
			}
			if more {
				// Who has waited for this shard gets it now. A mutex that is
				// taken again at once would let them wait for a millisecond.
				runtime.Gosched()
			}
		}
	}
	return claims, nil
}

// later leaves a record that is due to the next Reap, whose token has claimed
// another of its key: key and token are all that names a claim, so that who
// removes the one would remove the other.
func (st *Store) later(s *shard, r *record, now instant) {
	s.take(r, session.NewToken(), now, now)
	if r.reason == 0 {
		st.end(s, r, session.EndExpired)
	}
}

// claim claims a record that is due.
func (st *Store) claim(s *shard, r *record, token session.Token, now instant, lease time.Duration) session.Expired {
	s.take(r, token, now, now.add(max(lease, 0)))
	if r.attempts < math.MaxUint16 {
		r.attempts++
	}
	r.reaped = true
	if r.reason == 0 {
		st.end(s, r, session.EndExpired)
	}
	return session.Expired{
		Key:      r.key,
		Record:   st.stored(r),
		Reason:   r.reason,
		Attempts: int(r.attempts),
	}
}
