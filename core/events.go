package session

import (
	"context"
	"sync"
	"time"
)

// reaper removes what has expired in the Manager's namespace, every
// ReapInterval or so: with jitter, so that processes started together do not
// reap together. What is to be reported it leaves to ends.
type reaper struct {
	m      *Manager
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	timer   *time.Timer   // nil if there is nothing to do
	running chan struct{} // closed when the round under way is over; nil if there is none
}

func startReaper(m *Manager) *reaper {
	r := &reaper{m: m}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	if m.cfg.ReapInterval != off {
		r.mu.Lock() // the timer may fire before it is assigned
		r.timer = time.AfterFunc(jitter(m.cfg.ReapInterval), r.run)
		r.mu.Unlock()
	}
	return r
}

// run makes one round, in the timer's goroutine. The next one is due only when
// it is over. Much may have expired while the store was down, so a round may
// take longer than StoreTimeout, but not for ever, lest a call that hangs be
// the last one. The store works in small batches: the next round goes on where
// this one was cut short.
func (r *reaper) run() {
	r.mu.Lock()
	if r.ctx.Err() != nil {
		r.mu.Unlock()
		return
	}
	r.running = make(chan struct{})
	r.mu.Unlock()

	ctx, cancel := context.WithTimeout(r.ctx, max(r.m.cfg.ReapInterval, r.m.cfg.StoreTimeout))
	r.reap(ctx, r.m.cfg.Namespace)
	if r.m.cfg.MaxSessionsPerOwner > 0 {
		r.reap(ctx, ownerLocks)
	}
	cancel()
	if r.ctx.Err() == nil {
		r.m.ends.wake(false)
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.running)
	r.running = nil
	if r.ctx.Err() == nil {
		r.timer.Reset(jitter(r.m.cfg.ReapInterval))
	}
}

func (r *reaper) reap(ctx context.Context, namespace string) {
	r.m.failedInBackground(r.ctx, r.m.guard(func() error {
		_, err := r.m.store.Reap(ctx, namespace, -1, Token{}, 0)
		return err
	}))
}

// stop ends the rounds, and waits for the one under way.
func (r *reaper) stop(ctx context.Context) error {
	r.cancel()
	r.mu.Lock()
	running := r.running
	if r.timer != nil {
		r.timer.Stop()
	}
	r.mu.Unlock()
	if running == nil {
		return nil
	}
	select {
	case <-running:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
