package session

import (
	"context"
	"errors"
	"sync"
	"time"
)

// lease is a lock that a request holds. It renews itself until it is released
// or ExecutionTimeout has passed (M8), and tells its session when it is lost
// (M9).
type lease struct {
	m     *Manager
	ctx   context.Context // of the request, for the Observer
	token Token
	taken time.Time // since when the request has the lock

	mu     sync.Mutex
	key    StoreKey // changes when the session moves
	gate   *gate    // nil when the turn has been given back
	timer  *time.Timer
	cancel context.CancelFunc // ends a renewal under way; nil if there is none
	saving int32              // saves under way: their answers say whether the lock is lost, not a renewal's
	lost   bool
	done   bool
	onLost func() // set by the session once it wants to know

	row     *row      // of this process's requests that had the session one after the other; nil: the first
	offered *handover // given to a save that has not succeeded: either may hold the lock
	passed  *handover // what the next in line gets
}

// renewals is how often a lease is renewed in its lifetime, if all goes well.
const renewals = 3

// newLease returns the lease of a lock that the store was asked for at asked.
func newLease(ctx context.Context, m *Manager, key StoreKey, token Token, g *gate, asked time.Time, r *row) *lease {
	if c, ok := ctx.(*lazyContext); ok {
		ctx = c.parent // which outlives the acquire or the save
	}
	l := &lease{m: m, ctx: ctx, key: key, token: token, gate: g, taken: time.Now(), row: r}
	l.mu.Lock() // the timer may fire before it is assigned
	l.timer = time.AfterFunc(l.nextRenewal(m.cfg.LockLease/renewals-l.taken.Sub(asked)), l.renew)
	l.mu.Unlock()
	return l
}

// nextRenewal is when to act next: after d, or at ExecutionTimeout if that is
// still to come.
func (l *lease) nextRenewal(d time.Duration) time.Duration {
	if limit := l.m.cfg.ExecutionTimeout; limit != off {
		if rest := time.Until(l.taken.Add(limit)); rest > 0 {
			d = min(d, rest)
		}
	}
	return d
}

// renew runs in the timer's goroutine. It ends within StoreTimeout, and in time
// for another attempt before the lease ends, or when the lease is released.
func (l *lease) renew() {
	l.mu.Lock()
	if l.done || l.lost {
		l.mu.Unlock()
		return
	}
	limit := l.m.cfg.ExecutionTimeout
	if limit != off && time.Since(l.taken) >= limit && l.saving == 0 {
		l.lose() // unlocks
		return
	}
	key := l.key
	ctx, cancel := context.WithTimeout(l.m.background.ctx, min(l.m.cfg.StoreTimeout, l.m.cfg.LockLease/renewals))
	l.cancel = cancel
	l.mu.Unlock()

	err := l.m.guard(func() error { return l.m.store.Extend(ctx, key, l.token, l.m.cfg.LockLease) })
	cancel()

	l.mu.Lock()
	l.cancel = nil
	switch {
	case l.done || l.lost:
	case errors.Is(err, ErrLockLost) && l.saving == 0 && l.key == key:
		l.lose() // unlocks
		return
	case err != nil:
		// Try again sooner: two thirds of the lease are left for it.
		l.timer.Reset(l.nextRenewal(l.m.cfg.LockLease / renewals / 4))
	default:
		l.timer.Reset(l.nextRenewal(l.m.cfg.LockLease / renewals))
	}
	l.mu.Unlock()
}

// lose ends the request's hold on the session while it still runs. l.mu is
// locked and gets unlocked. The lock is given up in the store too: at
// ExecutionTimeout others need not wait for the lease to end.
func (l *lease) lose() {
	l.lost = true
	g, onLost := l.gate, l.onLost
	l.gate = nil
	held := time.Since(l.taken)
	// With l.mu locked: the request, whose context this is, does not end
	// meanwhile.
	l.m.observe(l.ctx, Event{Kind: EventLockLost, Mode: Exclusive, Duration: held, Err: ErrLockLost})
	l.mu.Unlock()
	l.giveUp()
	if g != nil {
		g.leave(turn{})
	}
	l.m.cfg.Logger.Warn("session: a request lost its lock while it ran; its unsaved changes will be refused",
		"held", held.Round(time.Millisecond))
	if onLost != nil {
		onLost()
	}
}

// notify has f called when the lock is lost, or calls it now if it is.
func (l *lease) notify(f func()) {
	l.mu.Lock()
	lost := l.lost
	if !lost {
		l.onLost = f
	}
	l.mu.Unlock()
	if lost {
		f()
	}
}

func (l *lease) isLost() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// beginSave reports whether the lock can still be used for a save, and has
// renewals go on without judging the lock until endSave.
func (l *lease) beginSave() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost || l.done {
		return false
	}
	l.saving++
	return true
}

// endSave ends what beginSave began. state is what the save has made of the
// lock, if it is known.
func (l *lease) endSave(state lockState) {
	l.mu.Lock()
	l.saving--
	switch {
	case l.lost || l.done:
	case state == lockLost:
		l.offered = nil
		l.lose() // unlocks
		return
	case state == lockReleased:
		l.done = true // a renewal that is under way finds no lock: that is no loss
	}
	l.mu.Unlock()
}

// move follows the session to its new key: those in line under the old one
// go on, to be told ErrRenewed.
func (l *lease) move(key StoreKey) {
	l.mu.Lock()
	old, r := l.gate, l.row
	l.key, l.gate, l.row = key, nil, nil
	l.mu.Unlock()
	r.end()
	if old != nil {
		old.leave(turn{})
	}
	l.enter()
}

// enter takes the turn of a session that nobody else can know yet.
func (l *lease) enter() {
	g := l.m.gates.lock(l.key)
	free := !g.taken
	if free {
		g.taken, g.holding = true, true
	}
	g.unlock()
	l.mu.Lock()
	if free && !l.done && !l.lost {
		l.gate, g = g, nil
	}
	l.mu.Unlock()
	if free && g != nil {
		g.leave(turn{})
	}
}

// release gives back the lock, unless a save has done so (released) or it is
// lost, and then the turn. If it is not known what became of the lock
// (unknown), that is done in the background: nobody should wait for a store
// that does not answer.
func (l *lease) release(ctx context.Context, state lockState) {
	defer l.stop()     // even if the store panics
	if l.beginSave() { // else it is lost or released, and given up already
		switch state {
		case lockHeld:
			err := l.m.storeCall(context.WithoutCancel(ctx), "release", func(ctx context.Context) error {
				return l.m.store.Release(ctx, l.key, l.token)
			})
			if err != nil { // the lock ends with its lease
				l.m.failedInBackground(context.WithoutCancel(ctx), err)
			}
		case lockUnknown:
			l.giveUp()
		}
	}
}

// giveUp releases in the background what the store may take for held.
func (l *lease) giveUp() {
	l.mu.Lock()
	key, offered := l.key, l.offered
	l.mu.Unlock()
	l.m.releaseInBackground(key, l.token)
	if offered != nil {
		l.m.releaseInBackground(key, offered.token)
	}
}

// lockState is what is known of a lock at the end.
type lockState uint8

const (
	lockHeld lockState = iota
	lockReleased
	lockLost
	lockUnknown
)

// stop ends the renewals and gives the turn back, with the lock if that was
// passed on.
func (l *lease) stop() {
	l.mu.Lock()
	g, r, passed := l.gate, l.row, l.passed
	l.done, l.gate, l.row, l.passed = true, nil, nil, nil
	l.timer.Stop()
	if l.cancel != nil {
		l.cancel()
	}
	l.mu.Unlock()
	next := turn{handed: passed, row: r}
	if g == nil {
		next.drop()
		return
	}
	defer func() { g.leave(next) }() // even if the store panics
	next = nextTurn(l.m, g, r, passed)
}
