package session

import (
	"context"
	"sync"
)

// background runs small jobs off the request's path: touches and releases
// whose answers nobody waits for. Both its queue and its goroutines are
// bounded; when the queue is full a job is dropped, which costs no more than a
// late touch or a lock that ends with its lease.
type background struct {
	ctx    context.Context // ends when the Manager is closed and out of patience
	cancel context.CancelFunc

	mu      sync.Mutex
	jobs    []func(context.Context)
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

// do queues a job and reports whether there was room for it.
func (b *background) do(job func(context.Context)) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.jobs) >= backgroundQueue {
		return false
	}
	b.jobs = append(b.jobs, job)
	if b.workers < backgroundWorkers {
		b.workers++
		go b.work() // ends as soon as the queue is empty
	}
	return true
}

func (b *background) work() {
	for {
		b.mu.Lock()
		if len(b.jobs) == 0 {
			b.workers--
			if b.workers == 0 && b.idle != nil {
				close(b.idle)
				b.idle = nil
			}
			b.mu.Unlock()
			return
		}
		job := b.jobs[0]
		b.jobs[0] = nil
		if b.jobs = b.jobs[1:]; len(b.jobs) == 0 {
			b.jobs = nil
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
