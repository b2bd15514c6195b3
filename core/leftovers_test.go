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
	if n+used+jobs+workers == 0 {
		return ""
	}
	return fmt.Sprintf("%d gates, %d sessions in use, %d background jobs, %d workers", n, used, jobs, workers)
}

// Waiting returns how many requests of the session count as waiting.
func (m *Manager) Waiting(key StoreKey) int {
	g := m.gates.lock(key)
	defer g.unlock()
	return g.waiting
}
