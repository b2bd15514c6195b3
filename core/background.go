package session

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
)

// background runs small jobs off the request's path: touches and releases
// whose answers nobody waits for. Both its queue and its goroutines are
// bounded; when a queue is full a job is dropped, which costs no more than a
// late touch or a lock that ends with its lease.
type background struct {
	ctx    context.Context // ends when the Manager is closed and out of patience
	cancel context.CancelFunc

	mu      sync.Mutex
	urgent  []func(context.Context) // releases: others wait for them
	jobs    []func(context.Context) // touches, which clients can cause at will
	workers int
	idle    chan struct{} // closed when the last worker ends; nil if nobody waits
}

const (
	backgroundQueue   = 1024
	backgroundWorkers = 4
)

func newBackground() *background {
	b := &background{}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

// do queues a job, ahead of all that are not urgent if it is, and reports
// whether there was room for it.
func (b *background) do(job func(context.Context), urgent bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	queue := &b.jobs
	if urgent {
		queue = &b.urgent
	}
	if len(*queue) >= backgroundQueue {
		return false
	}
	*queue = append(*queue, job)
	if b.workers < backgroundWorkers {
		b.workers++
		go b.work() // ends as soon as the queues are empty
	}
	return true
}

func (b *background) work() {
	for {
		b.mu.Lock()
		queue := &b.urgent
		if len(*queue) == 0 {
			queue = &b.jobs
		}
		if len(*queue) == 0 {
			b.workers--
			if b.workers == 0 && b.idle != nil {
				close(b.idle)
				b.idle = nil
			}
			b.mu.Unlock()
			return
		}
		job := (*queue)[0]
		(*queue)[0] = nil
		if *queue = (*queue)[1:]; len(*queue) == 0 {
			*queue = nil
		}
		b.mu.Unlock()
		job(b.ctx)
	}
}

// drain waits until no job is left.
func (b *background) drain(ctx context.Context) error {
	b.mu.Lock()
	if b.workers == 0 {
		b.mu.Unlock()
		return nil
	}
	if b.idle == nil {
		b.idle = make(chan struct{})
	}
	idle := b.idle
	b.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

var errStorePanicked = errors.New("session: the store panicked, see the log")

// guard makes a store call in a goroutine of the Manager's own. There a panic
// of the store would end the process: it becomes an error, as it does where a
// server recovers that of a request.
func (m *Manager) guard(call func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = errStorePanicked
			m.cfg.Logger.Error("session: the store panicked in the background", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	return call()
}
