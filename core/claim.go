package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// claim is the right to report one session's end, which one process has at a
// time (S12). Like the lease of a lock it renews itself, while the end waits in
// line and while OnEnd runs, and OnEnd's context ends with it. Unlike a lock it
// counts as lost when it may have lapsed: nothing that OnEnd does would be
// refused afterwards.
type claim struct {
	m     *Manager
	token Token
	end   Expired
	ctx   context.Context // OnEnd's
	lose  context.CancelCauseFunc

	mu      sync.Mutex
	until   time.Time   // when it lapses unless it is extended; zero: it is not known whether there is a claim
	limit   time.Time   // when it is extended no more; zero: at no time
	begun   bool        // OnEnd has been called, or is about to be
	timer   *time.Timer // of the next extension; nil if there has been no claim yet
	stopped bool
}

// newClaim returns the claim of e under token, for which the store was asked
// at that time. With a zero time it is not known whether the store gave it.
func newClaim(m *Manager, token Token, e Expired, asked time.Time) *claim {
	c := &claim{m: m, token: token, end: e}
	c.ctx, c.lose = context.WithCancelCause(m.background.ctx)
	if !asked.IsZero() {
		c.mu.Lock()
		c.extended(asked)
		c.mu.Unlock()
	}
	return c
}

// extended notes that the store was asked for the claim, or for more of it, at
// that time, and gave it. c.mu is locked.
func (c *claim) extended(asked time.Time) {
	lease := c.m.cfg.LockLease
	c.until = asked.Add(lease)
	next := lease/renewals - time.Since(asked)
	if c.timer == nil {
		c.timer = time.AfterFunc(next, c.extend)
	} else {
		c.timer.Reset(c.next(next))
	}
}

// next is when to act next: after d, or when the claim must end if that is
// sooner. c.mu is locked.
func (c *claim) next(d time.Duration) time.Duration {
	d = min(d, time.Until(c.until))
	if !c.limit.IsZero() {
		d = min(d, time.Until(c.limit))
	}
	return d
}

// errEndTimeout ends the context of an OnEnd that runs for too long.
var errEndTimeout = fmt.Errorf("session: OnEnd: still running at Config.ExecutionTimeout: %w", context.DeadlineExceeded)

// extend runs in the timer's goroutine.
func (c *claim) extend() {
	c.mu.Lock()
	now, until, stopped, begun := time.Now(), c.until, c.stopped, c.begun
	late := !c.limit.IsZero() && !now.Before(c.limit)
	c.mu.Unlock()
	switch {
	case stopped:
		return
	case late:
		c.lose(errEndTimeout)
		c.stop()
		return
	case !begun && c.m.ends.stuck():
		c.stop()
		return
	}
	// Whatever becomes of the call, OnEnd must not go on beyond the claim.
	lapse := time.AfterFunc(until.Sub(now), c.lapse)
	defer lapse.Stop()
	lease := c.m.cfg.LockLease
	ctx, cancel := context.WithTimeout(c.ctx, min(c.m.cfg.StoreTimeout, lease/renewals))
	err := c.m.guard(func() error { return c.m.store.Extend(ctx, c.end.Key, c.token, lease) })
	cancel()

	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.stopped:
	case err == nil:
		c.extended(now)
	case errors.Is(err, ErrLockLost), c.ctx.Err() != nil:
		c.stopped = true
		c.lose(ErrLockLost)
	default:
		c.timer.Reset(c.next(lease / renewals / 4))
	}
}

// lapse ends the claim if it has lapsed.
func (c *claim) lapse() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopped && !time.Now().Before(c.until) {
		c.stopped = true
		c.lose(ErrLockLost)
	}
}

// begin makes sure of the claim before OnEnd is called, and reports whether it
// is still this process's.
func (c *claim) begin() bool {
	c.mu.Lock()
	sure := !c.until.IsZero()
	c.mu.Unlock()
	if !sure {
		// The session was ended under its lock, whose lease may be nearly
		// over; and if the answer was lost, another may have ended it before.
		asked := time.Now()
		err := c.m.storeCall(c.ctx, "claim an end", func(ctx context.Context) error {
			return c.m.store.Extend(ctx, c.end.Key, c.token, c.m.cfg.LockLease)
		})
		if err != nil {
			if !errors.Is(err, ErrLockLost) {
				c.m.failedInBackground(c.ctx, err)
			}
			return false
		}
		c.mu.Lock()
		c.extended(asked)
		c.mu.Unlock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped || c.ctx.Err() != nil || !time.Now().Before(c.until) {
		return false
	}
	c.begun = true
	if limit := c.m.cfg.ExecutionTimeout; limit != off {
		c.limit = time.Now().Add(limit)
		lease := c.m.cfg.LockLease
		c.timer.Reset(c.next(max(time.Until(c.until)-lease+lease/renewals, 0)))
	}
	return true
}

// stop ends the extensions; the claim lapses unless it is used up.
func (c *claim) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	if c.timer != nil {
		c.timer.Stop()
	}
	c.lose(context.Canceled)
}
