package memstore

import (
	"slices"

	session "github.com/sessionstate/sessionstate/core"
)

// Watch implements session.Watcher. It never fails, and wake is never closed.
func (st *Store) Watch(key session.StoreKey) (wake <-chan struct{}, stop func()) {
	// One value is enough: it says "try again", not what happened.
	c := make(chan struct{}, 1)
	s := st.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watchers == nil {
		s.watchers = make(map[session.StoreKey][]chan struct{})
	}
	s.watchers[key] = append(s.watchers[key], c)
	return c, func() { s.unwatch(key, c) }
}

func (s *shard) unwatch(key session.StoreKey, c chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ws := s.watchers[key]
	i := slices.Index(ws, c)
	if i < 0 {
		return // stopped before
	}
	if len(ws) == 1 {
		delete(s.watchers, key)
		return
	}
	s.watchers[key] = slices.Delete(ws, i, i+1)
}

// wake tells those who watch r to try again, if somebody was told that it is
// locked: else nobody waits, and who watches learns that.
func (s *shard) wake(r *record) {
	if !r.awaited {
		return
	}
	r.awaited = false
	for _, c := range s.watchers[r.key] {
		select {
		case c <- struct{}{}:
		default: // it has a value to read already
		}
	}
}
