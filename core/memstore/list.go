package memstore

import (
	"context"
	"iter"

	session "github.com/sessionstate/sessionstate/core"
)

// All implements session.Iterator. Between two batches it holds no lock, so
// the loop's body may take its time, and may use the store.
func (st *Store) All(ctx context.Context, namespace string) iter.Seq2[session.Info, error] {
	return func(yield func(session.Info, error) bool) {
		// What comes under a key from now on, be it new or moved there by a
		// Save, is of this generation or a later one, and is skipped: so a
		// record that moves while this runs is not seen twice.
		gen := st.gen.Add(1)
		infos := make([]session.Info, 0, batch)
		for i := range st.shards {
			if !st.allOf(ctx, &st.shards[i], namespace, gen, infos, yield) {
				return
			}
		}
	}
}

// allOf yields the records of one shard; infos is where it collects a batch.
// It returns false if the iteration has ended.
func (st *Store) allOf(ctx context.Context, s *shard, namespace string, gen uint32, infos []session.Info, yield func(session.Info, error) bool) bool {
	// flush is called under the shard's lock and gives it up meanwhile.
	flush := func() bool {
		s.mu.Unlock()
		defer s.mu.Lock()
		for _, info := range infos {
			if !yield(info, nil) {
				return false
			}
		}
		infos = infos[:0]
		if err := ctx.Err(); err != nil {
			yield(session.Info{}, failed("all", err))
			return false
		}
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !flush() {
		return false
	}
	now, n := st.now(), 0
	for r := range s.records() {
		if n++; n%batch == 0 {
			if !flush() {
				return false
			}
			now = st.now()
		}
		if r.live(now) && int32(r.gen-gen) < 0 && r.policy.Value().namespace == namespace {
			infos = append(infos, st.info(r, now))
		}
	}
	return flush()
}

// records ranges over the records of the shard. The caller may give up the
// lock between two of them: a range over a map goes on correctly, each entry at
// most once, though the map has changed.
func (s *shard) records() iter.Seq[*record] {
	return func(yield func(*record) bool) {
		for _, r := range s.recs {
			if !yield(r) {
				return
			}
		}
		for _, r := range s.more {
			if !yield(r) {
				return
			}
		}
	}
}

// info returns what listings tell of r.
func (st *Store) info(r *record, now instant) session.Info {
	return session.Info{
		Key:       r.key,
		Owner:     r.ownerName(),
		Created:   st.wall(r.created),
		ExpiresIn: r.expiresIn(now),
		Locked:    r.locked(now),
		Size:      len(r.data),
	}
}
