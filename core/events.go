package session

import (
	"context"
	"sync"
	"time"
)

// reaper removes what has expired in the Manager's namespace, every
// ReapInterval or so: with jitter, so that processes started together do not
// reap together.
type reaper struct {
	m       *Manager
	mu      sync.Mutex
	timer   *time.Timer // nil if there is nothing to do
	stopped bool
}

func startReaper(m *Manager) *reaper {
	r := &reaper{m: m}
	if m.cfg.ReapInterval != off {
		r.mu.Lock() // the timer may fire before it is assigned
		r.timer = time.AfterFunc(jitter(m.cfg.ReapInterval), r.run)
		r.mu.Unlock()
	}
	return r
}

// run makes one round, as a background job so that Close waits for it.
func (r *reaper) run() {
	m := r.m
	m.background.do(func(ctx context.Context) {
		// Much may have expired since a time that the store was down: no
		// StoreTimeout, the store works in small batches.
		_, err := m.store.Reap(ctx, m.cfg.Namespace, -1, Token{}, 0)
		m.failedInBackground(ctx, err)
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.stopped {
		r.timer.Reset(jitter(m.cfg.ReapInterval))
	}
}

func (r *reaper) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	if r.timer != nil {
		r.timer.Stop()
	}
}
