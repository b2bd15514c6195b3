package cosmosstore

import "time"

// Skip lets d pass, for this Store.
func (s *Store) Skip(d time.Duration) {
	s.clock.mu.Lock()
	defer s.clock.mu.Unlock()
	s.clock.skipped += d
}

// Limit makes n the most bytes of Data that this Store takes.
func (s *Store) Limit(n int) { s.most = n }
