package session

import (
	"cmp"
	"context"
	"sync"
	"time"
)

// ends tells OnEnd of the sessions that have ended: those that this process
// has ended itself under their locks, and those that the store has for whoever
// claims them, a batch at a time. Its goroutines are bounded, and end when
// there is nothing to do.
type ends struct {
	m *Manager

	mu      sync.Mutex
	queue   []*claim
	wanted  bool // the store is to be asked for ends
	own     bool // among them one that this process has caused
	asking  bool // it is being asked
	workers int
	moved   time.Time // when a worker took up or was done with an end last
	closed  bool
	idle    chan struct{} // closed when the last worker ends; nil if nobody waits
}

const (
	// endWorkers is how many OnEnds run at once. One that hangs stops nobody
	// else until there are so many of them.
	endWorkers = 8
	// endBatch is how many ends are claimed together: few, so that those of a
	// process that dies are few, and that processes share the work.
	endBatch = 32
	// endQueue bounds the line of sessions that this process has ended. What
	// finds no room there is claimed from the store later.
	endQueue = 1024
)

// on reports whether this process delivers ends.
func (e *ends) on() bool { return e.m.cfg.OnEnd != nil && e.m.cfg.ReapInterval != off }

// ended has an end delivered that this process has just brought about: with a
// token it may be claimed under that already, else somebody has to claim it.
func (e *ends) ended(token Token, end Expired) {
	switch {
	case !e.on():
	case token == Token{}:
		e.wake(true)
	default:
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.closed || len(e.queue) >= endQueue {
			return // the claim lapses, and then whoever finds it delivers it
		}
		e.queue = append(e.queue, newClaim(e.m, token, end, time.Time{}))
		e.hire()
	}
}

// wake has the store asked for ends; own says that there is one.
func (e *ends) wake(own bool) {
	if !e.on() {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	e.wanted, e.own = true, e.own || own
	e.hire()
}

// hire starts workers for what there is to do. e.mu is locked.
func (e *ends) hire() {
	work := len(e.queue)
	if e.wanted && !e.asking {
		work++
	}
	for ; work > 0 && e.workers < endWorkers; work-- {
		e.workers++
		go e.work() // ends as soon as there is nothing to do
	}
}

func (e *ends) work() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		switch {
		case len(e.queue) > 0:
			c := e.queue[0]
			e.queue[0] = nil
			if e.queue = e.queue[1:]; len(e.queue) == 0 {
				e.queue = nil
			}
			e.moved = time.Now()
			e.mu.Unlock()
			e.m.failedInBackground(e.m.background.ctx, e.m.guard(func() error { c.deliver(); return nil }))
			e.mu.Lock()
			e.moved = time.Now()
		case e.wanted && !e.asking:
			e.wanted, e.own, e.asking = false, false, true
			e.mu.Unlock()
			claims := e.claim()
			e.mu.Lock()
			e.asking = false
			e.queue = append(e.queue, claims...)
			e.wanted = e.wanted || len(claims) == endBatch && !e.closed
			e.hire()
		default:
			if e.workers--; e.workers == 0 && e.idle != nil {
				close(e.idle)
				e.idle = nil
			}
			return
		}
	}
}

// stuck reports whether so many OnEnds hang, though their contexts have ended,
// that none is left for the ends in line: others must get those.
func (e *ends) stuck() bool {
	cfg := &e.m.cfg
	patience := cmp.Or(cfg.ExecutionTimeout, lastEndPause) + cfg.StoreTimeout + cfg.SaveTimeout
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.workers == endWorkers && time.Since(e.moved) > patience
}

// claim claims a batch of ends from the store. If the answer is lost, they are
// claimed again when their claims have lapsed.
func (e *ends) claim() []*claim {
	m, token, asked := e.m, NewToken(), time.Now()
	var found []Expired
	err := m.guard(func() error {
		return m.storeCall(m.background.ctx, "reap", func(ctx context.Context) (err error) {
			found, err = m.store.Reap(ctx, m.cfg.Namespace, endBatch, token, m.cfg.LockLease)
			return err
		})
	})
	m.failedInBackground(m.background.ctx, err)
	claims := make([]*claim, len(found))
	for i := range found {
		claims[i] = newClaim(m, token, found[i], asked)
	}
	return claims
}

// close has what was claimed delivered, and one batch more if this process has
// ended what nobody has claimed yet; the rest is for other processes.
func (e *ends) close(ctx context.Context) error {
	e.mu.Lock()
	e.closed, e.wanted = true, e.own
	if e.workers == 0 {
		e.mu.Unlock()
		return nil
	}
	if e.idle == nil {
		e.idle = make(chan struct{})
	}
	idle := e.idle
	e.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
