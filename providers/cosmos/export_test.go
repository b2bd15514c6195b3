package cosmosstore

import "time"

// Skip lets d pass, for this Store.
func (s *Store) Skip(d time.Duration) {
	s.clock.mu.Lock()
	defer s.clock.mu.Unlock()
	s.clock.skipped += d
}
