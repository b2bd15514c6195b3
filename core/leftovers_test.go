package session

import "fmt"

// Leftovers says what of past requests is left in m; "" if nothing.
func (m *Manager) Leftovers() string {
	n := 0
	for i := range m.gates.shards {
		sh := &m.gates.shards[i]
		sh.mu.Lock()
		n += len(sh.m)
		sh.mu.Unlock()
	}
	m.inUse.mu.Lock()
	used := m.inUse.n
	m.inUse.mu.Unlock()
	m.background.mu.Lock()
	jobs, workers := len(m.background.urgent)+len(m.background.jobs), m.background.workers
	m.background.mu.Unlock()
	m.ends.mu.Lock()
	ends, enders := len(m.ends.queue), m.ends.workers
	m.ends.mu.Unlock()
	if n+used+jobs+workers+ends+enders == 0 {
		return ""
	}
	return fmt.Sprintf("%d gates, %d sessions in use, %d background jobs, %d workers, %d ends, %d that tell them",
		n, used, jobs, workers, ends, enders)
}

// Waiting returns how many requests of the session count as waiting.
func (m *Manager) Waiting(key StoreKey) int {
	g := m.gates.lock(key)
	defer g.unlock()
	return g.waiting
}

// OwnerLock returns the key of the owner's lock (limit.go).
func (m *Manager) OwnerLock(owner string) StoreKey { return m.ownerLock(owner) }
