package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// lazyContext is a context with a timeout that makes its timer when somebody
// first waits for its end. Most store operations on memory, and most requests
// that need not wait, never do.
type lazyContext struct {
	parent   context.Context
	deadline time.Time
	cause    error

	mu      sync.Mutex
	real    context.Context // made by Done; nil before
	cancel  context.CancelFunc
	stopped bool
}

// withLazyTimeout returns a context that ends after timeout, because of cause,
// or with its parent. A timeout of 0 or less never ends. stop must be called.
func withLazyTimeout(parent context.Context, timeout time.Duration, cause error) *lazyContext {
	c := &lazyContext{parent: parent, cause: cause}
	if timeout > 0 {
		c.deadline = time.Now().Add(timeout)
	}
	return c
}

func (c *lazyContext) Deadline() (time.Time, bool) {
	d, ok := c.parent.Deadline()
	if !c.deadline.IsZero() && (!ok || c.deadline.Before(d)) {
		return c.deadline, true
	}
	return d, ok
}

func (c *lazyContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real == nil {
		if c.deadline.IsZero() {
			c.real, c.cancel = context.WithCancel(c.parent)
		} else {
			c.real, c.cancel = context.WithDeadlineCause(c.parent, c.deadline, c.cause)
		}
		if c.stopped {
			c.cancel()
		}
	}
	return c.real.Done()
}

func (c *lazyContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.real != nil:
		return c.real.Err()
	case c.stopped:
		return context.Canceled
	case c.parent.Err() != nil:
		return c.parent.Err()
	case !c.deadline.IsZero() && !time.Now().Before(c.deadline):
		return context.DeadlineExceeded
	}
	return nil
}

// Value looks in the real context, once there is one, so that what is derived
// from this context hangs below it without a goroutine of its own.
func (c *lazyContext) Value(key any) any {
	c.mu.Lock()
	real := c.real
	c.mu.Unlock()
	if real != nil {
		return real.Value(key)
	}
	return c.parent.Value(key)
}

// stop ends the context and frees its timer.
func (c *lazyContext) stop() {
	c.mu.Lock()
	c.stopped = true
	cancel := c.cancel
	c.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// endOf returns why ctx has ended; nil if it has not.
func endOf(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	ctx.Done() // a lazyContext knows its cause only when it is real
	return context.Cause(ctx)
}

// acquireEnded returns the error of an Acquire whose context has ended.
func acquireEnded(ctx context.Context) error {
	end := endOf(ctx)
	if errors.Is(end, ErrAcquireTimeout) || errors.Is(end, ErrUnavailable) {
		return end
	}
	return fmt.Errorf("session: acquire: %w", end)
}

// remoteWait waits for a lock that another process holds: woken by the store
// where it can, and in any case looking again when the holder's lease would
// end; else polling (M5).
type remoteWait struct {
	m       *Manager
	key     StoreKey
	wake    <-chan struct{}
	stop    func()
	poll    time.Duration // the next polling interval
	holder  Holder        // who had the lock when it was looked at last
	uncount func()
	told    *waiting
}

// begin counts the request as waiting, and watches. After it the caller must
// look at the store again before it sleeps, since what it waits for may have
// happened between its first look and the watch.
func (w *remoteWait) begin(first, save bool) (err error) {
	w.uncount = func() {}
	if !save {
		if w.uncount, err = w.m.gates.wait(w.key, first); err != nil {
			return err
		}
	}
	w.told.begin()
	w.watch()
	return nil
}

func (w *remoteWait) watch() {
	if w.m.watcher == nil {
		return
	}
	if w.wake, w.stop = w.m.watcher.Watch(w.key); w.wake == nil {
		w.unwatch()
	}
}

func (w *remoteWait) unwatch() {
	if w.stop != nil {
		w.stop()
		w.wake, w.stop = nil, nil
	}
}

func (w *remoteWait) begun() bool { return w.uncount != nil }

// watching reports whether the store wakes this request.
func (w *remoteWait) watching() bool { return w.wake != nil }

// sleep returns nil when it is time to look again at the lock that was found
// held.
func (w *remoteWait) sleep(ctx context.Context, held *LockInfo) error {
	if held.Holder != w.holder { // it changes hands: soon it may be free again
		w.holder, w.poll = held.Holder, w.m.cfg.PollInterval
	}
	d := held.Left + jitter(w.m.cfg.PollInterval)
	if w.wake == nil {
		d = min(d, w.nextPoll())
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			if w.wake == nil {
				w.watch() // perhaps it can now; the caller looks before it sleeps
			}
			return nil
		case _, ok := <-w.wake:
			if ok {
				return nil
			}
			w.unwatch() // it can no longer watch: not a reason to look sooner than a poll
			timer.Reset(w.nextPoll())
		case <-ctx.Done():
			return acquireEnded(ctx)
		}
	}
}

// nextPoll returns the time until the next look, and doubles it for the one
// after that.
func (w *remoteWait) nextPoll() time.Duration {
	d := jitter(w.poll)
	w.poll = min(2*w.poll, max(maxPollInterval, w.m.cfg.PollInterval))
	return d
}

func (w *remoteWait) end() {
	w.unwatch()
	if w.uncount != nil {
		w.uncount()
	}
}

// jitter returns a random time from half of d to d.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1)
}

// lockOptions are what lock does beside the ordinary.
type lockOptions struct {
	save   bool // for a save, which is never refused and waits uncounted
	create func(ctx context.Context, token Token) (Record, error)
}

// maxTaken is how often in all lock asks on when it is told that a session does
// not exist and that its key is taken.
const maxTaken = 5

// lock takes the session's lock: first the turn in this process, then the lock
// in the store, unless it comes with the turn. If the session does not exist
// and create is not nil, it makes it, locked; ErrExists if the store goes on to
// say both that there is no session and that its key is taken: some keep it
// until the end of a former session is reported. A lease that is returned must
// be released.
func (m *Manager) lock(ctx context.Context, key StoreKey, o lockOptions) (rec Record, l *lease, waited bool, err error) {
	told := waiting{m: m, ctx: ctx, mode: Exclusive, silent: o.save}
	defer func() { told.end(err) }()
	g, t, waited, err := m.gates.enter(ctx, key, o.save, &told)
	if err != nil {
		return Record{}, nil, waited, err
	}
	w, pass := remoteWait{m: m, key: key, told: &told}, turn{}
	var lapse lapse
	defer func() {
		w.end()
		if l == nil { // nor if the store panics does the turn stay
			t.row.end()
			g.leave(pass)
		}
	}()
	if t.yield {
		told.begin()
		if !sleep(ctx, m.cfg.PollInterval) { // long enough for one that was woken to take the lock
			pass.yield = true
			return Record{}, nil, true, acquireEnded(ctx)
		}
	}
	token := NewToken()
	if h := t.handed; h != nil {
		if h.fresh() {
			return h.rec, newLease(ctx, m, key, h.token, g, h.asked, t.row), true, nil
		}
		token = h.token
	}
	taken, pause := 0, m.cfg.PollInterval
	for {
		asked := time.Now() // the lease counts from before the store was asked (M8)
		err = m.storeCall(ctx, "acquire", func(ctx context.Context) error {
			rec, err = m.store.Acquire(ctx, key, token, m.cfg.LockLease)
			return err
		})
		if errors.Is(err, ErrNotFound) && o.create != nil {
			rec, err = o.create(ctx, token)
			if errors.Is(err, ErrExists) && taken < maxTaken { // another process was faster
				if taken++; taken > 1 && !sleep(ctx, jitter(pause)) {
					return Record{}, nil, true, acquireEnded(ctx)
				}
				pause *= 2
				continue
			}
		}
		waited = waited || w.begun()
		if err == nil {
			g.hold()
			l = newLease(ctx, m, key, token, g, asked, t.row)
			lapse.tell(ctx, m, asked)
			return rec, l, waited, nil
		}
		var held *LockedError
		if !errors.As(err, &held) {
			if !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrRenewed) {
				m.releaseInBackground(key, token) // it may hold the lock for all we know (M7)
			}
			return Record{}, nil, waited, err
		}
		t.row.end() // another process has come between
		t.row = nil
		lapse.saw(m, held)
		if !w.begun() {
			if err = w.begin(true, o.save); err != nil {
				return Record{}, nil, false, err
			}
			if w.watching() {
				continue
			}
		}
		if err = w.sleep(ctx, &held.LockInfo); err != nil {
			return Record{}, nil, true, err
		}
	}
}

// read loads the session for a ReadOnly request: it waits for the writer that
// is under way when it comes, and for no later one (M2).
func (m *Manager) read(ctx context.Context, key StoreKey) (rec Record, waited bool, err error) {
	told := waiting{m: m, ctx: ctx, mode: ReadOnly}
	defer func() { told.end(err) }()
	waited, err = m.gates.awaitHolder(ctx, key, &told)
	if err != nil {
		return Record{}, waited, err
	}
	if waited {
		rec, err = m.load(ctx, key, false)
		return rec, true, err
	}
	var writer Holder
	w := remoteWait{m: m, key: key, told: &told}
	defer w.end()
	for {
		rec, err = m.load(ctx, key, true)
		if err != nil || rec.Lock == nil || w.begun() && rec.Lock.Holder != writer {
			return rec, w.begun(), err
		}
		if !w.begun() {
			writer = rec.Lock.Holder
			if err = w.begin(false, false); err != nil {
				return Record{}, false, err
			}
			if w.watching() {
				continue
			}
		}
		if err = w.sleep(ctx, rec.Lock); err != nil {
			return Record{}, true, err
		}
	}
}

func (m *Manager) load(ctx context.Context, key StoreKey, wait bool) (rec Record, err error) {
	err = m.storeCall(ctx, "load", func(ctx context.Context) error {
		rec, err = m.store.Load(ctx, key, wait)
		return err
	})
	return rec, err
}
