package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"text/tabwriter"
	"time"
)

// holdUp is what came of the second attack on one adapter.
type holdUp struct {
	adapter string
	// Other users' requests: without the attack, while the same clients do the
	// same without a session, and with one.
	calm, bare, during []time.Duration
	failed             int           // of those
	tabs               map[int]int   // statuses of other requests of the sessions that are held up
	longest            time.Duration // in which one of these sessions was of use to nobody
	freed              time.Duration // until all were of use, when the attackers had gone
	left               int           // goroutines more than before, in the end
	before             usage
	patience           time.Duration // settings.patience
}

const (
	users   = 16
	held    = 9  // sessions that are held up, a third of them in each way
	perHeld = 30 // attackers of each: more than its line has places
)

// holdUpFor measures other users' requests, before and while slow clients hold
// sessions up.
func holdUpFor(ctx context.Context, set *settings, adapter string) (_ *holdUp, err error) {
	t, err := startTarget(ctx, set, adapter)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.stop()) }()
	h := &holdUp{adapter: adapter, tabs: make(map[int]int), patience: set.patience}
	cookies := make([]string, users+held)
	for i := range cookies {
		if cookies[i], err = t.newSession(ctx); err != nil {
			return nil, err
		}
	}
	if h.calm, h.failed, err = t.use(ctx, cookies[:users], set.slow/2); err != nil {
		return nil, err
	}
	if h.before, err = t.usage(ctx); err != nil {
		return nil, err
	}

	var tabs tabStatus
	if h.bare, _, err = t.useUnderAttack(ctx, set.slow, cookies, "/bare", nil); err != nil {
		return nil, err
	}
	if err := h.settle(ctx, t); err != nil {
		return nil, err
	}
	var failed int
	if h.during, failed, err = t.useUnderAttack(ctx, set.slow, cookies, "", &tabs); err != nil {
		return nil, err
	}
	h.failed += failed
	h.tabs, h.longest = tabs.statuses, tabs.longest
	since := time.Now()
	for _, cookie := range cookies[users:] {
		if err := t.untilOf(ctx, cookie); err != nil {
			return nil, err
		}
	}
	h.freed = time.Since(since)
	return h, h.settle(ctx, t)
}

// useUnderAttack measures the users, whose cookies come first, while the sessions
// of the others are held up, or not if the paths are those without a session. With
// tabs their owners use them, too.
func (t *target) useUnderAttack(ctx context.Context, d time.Duration, cookies []string, paths string, tabs *tabStatus) (took []time.Duration, failed int, err error) {
	attacking, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	for i, cookie := range cookies[users:] {
		for range perHeld {
			wg.Go(func() { t.hold(attacking, i%3, paths, cookie) })
		}
		if tabs != nil {
			wg.Go(func() { t.openTab(attacking, cookie, tabs) })
		}
	}
	return t.use(ctx, cookies[:users], d)
}

// settle waits until the goroutines of the attack are gone. Fiber's server keeps
// idle ones for a while.
func (h *holdUp) settle(ctx context.Context, t *target) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for until := time.Now().Add(time.Minute); ; <-tick.C {
		t.http.CloseIdleConnections()
		u, err := t.usage(ctx)
		if err != nil {
			return err
		}
		if h.left = u.Goroutines - h.before.Goroutines; h.left <= 0 || time.Now().After(until) {
			return nil
		}
	}
}

// use has users make one request after the other, each in a session of their own,
// and measures them.
func (t *target) use(ctx context.Context, cookies []string, d time.Duration) (took []time.Duration, failed int, err error) {
	each := make([][]time.Duration, len(cookies))
	errs := make([]error, len(cookies))
	var bad atomic.Int64
	until := time.Now().Add(d)
	var wg sync.WaitGroup
	for i, cookie := range cookies {
		wg.Go(func() {
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for ; time.Now().Before(until) && ctx.Err() == nil; <-tick.C {
				begun := time.Now()
				status, _, err := t.step(ctx, cookie)
				if err != nil {
					errs[i] = err
					return
				}
				if status != http.StatusOK {
					bad.Add(1)
				}
				each[i] = append(each[i], time.Since(begun))
			}
		})
	}
	wg.Wait()
	for _, e := range each {
		took = append(took, e...)
	}
	slices.Sort(took)
	return took, int(bad.Load()), errors.Join(errs...)
}

// hold holds a session up, in one of three ways, again and again.
func (t *target) hold(ctx context.Context, how int, paths, cookie string) {
	for ctx.Err() == nil {
		conn, err := (&net.Dialer{Control: smallReadBuffer}).DialContext(ctx, "tcp", t.address)
		if err != nil {
			return
		}
		switch how {
		case 0: // a body that comes byte by byte
			fmt.Fprintf(conn, "POST %s/upload HTTP/1.1\r\nHost: localhost\r\nCookie: session=%s\r\nContent-Length: 100000\r\n\r\n", paths, cookie)
			for pauseFor(ctx, 100*time.Millisecond) {
				if _, err := conn.Write([]byte("x")); err != nil {
					break
				}
			}
		case 1: // a reply that nobody reads
			fmt.Fprintf(conn, "GET %s/download HTTP/1.1\r\nHost: localhost\r\nCookie: session=%s\r\n\r\n", paths, cookie)
			pauseFor(ctx, 2*executionTimeout)
		case 2: // gone at once
			fmt.Fprintf(conn, "POST %s/upload HTTP/1.1\r\nHost: localhost\r\nCookie: session=%s\r\nContent-Length: 100000\r\n\r\n", paths, cookie)
			pauseFor(ctx, 50*time.Millisecond)
		}
		conn.Close()
	}
}

// smallReadBuffer has the system take little of what nobody reads.
func smallReadBuffer(_, _ string, c syscall.RawConn) (err error) {
	controlErr := c.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 16<<10)
	})
	return errors.Join(controlErr, err)
}

// tabStatus is what other requests of the held sessions were told.
type tabStatus struct {
	mu       sync.Mutex
	statuses map[int]int
	longest  time.Duration
}

// openTab asks for a session that others hold up, as its owner's other window
// would.
func (t *target) openTab(ctx context.Context, cookie string, into *tabStatus) {
	last := time.Now()
	for ctx.Err() == nil {
		status, _, err := t.step(ctx, cookie)
		if err != nil {
			return // time is up
		}
		into.mu.Lock()
		if into.statuses == nil {
			into.statuses = make(map[int]int)
		}
		into.statuses[status]++
		if status == http.StatusOK {
			into.longest = max(into.longest, time.Since(last))
			last = time.Now()
		}
		into.mu.Unlock()
		pauseFor(ctx, 20*time.Millisecond)
	}
	into.mu.Lock()
	defer into.mu.Unlock()
	into.longest = max(into.longest, time.Since(last))
}

// untilOf asks until the session is of use.
func (t *target) untilOf(ctx context.Context, cookie string) error {
	for ctx.Err() == nil {
		status, _, err := t.step(ctx, cookie)
		if err != nil || status == http.StatusOK {
			return err
		}
		pauseFor(ctx, 10*time.Millisecond)
	}
	return context.Cause(ctx)
}

// pauseFor waits for d and reports whether ctx lived that long.
func pauseFor(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// quantile returns the time that a share of the requests took at most.
func quantile(sorted []time.Duration, share float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}

// quantiles are those that are looked at.
var quantiles = []struct {
	name  string
	share float64
}{{"p50", 0.5}, {"p99", 0.99}, {"the longest", 1}}

// check returns what is wrong.
func (h *holdUp) check() error {
	var errs []error
	wrong := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: slow clients: "+format, append([]any{h.adapter}, args...)...))
	}
	if h.failed > 0 {
		wrong("%d requests of others failed", h.failed)
	}
	// What the connections cost the machine they cost in both cases.
	for _, q := range quantiles {
		if bare, during := quantile(h.bare, q.share), quantile(h.during, q.share); during > 3*bare+h.patience/5 {
			wrong("%s of the others' requests is %v while sessions are held up, and %v while none are", q.name, during, bare)
		}
	}
	for status := range h.tabs {
		if status != http.StatusOK && status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable && status != http.StatusConflict {
			wrong("a request of a session that is held up had the status %d", status)
		}
	}
	if h.freed > executionTimeout+lockLease+h.patience {
		wrong("sessions were held for %v after the attack", h.freed)
	}
	if h.left > 0 {
		wrong("%d goroutines are left", h.left)
	}
	return errors.Join(errs...)
}

// printHoldUps prints a line for each adapter.
func printHoldUps(w io.Writer, holds []*holdUp) {
	fmt.Fprintf(w, "\nSlow clients: %d sessions are held up by %d clients each, by bodies that come byte by byte, replies that nobody reads,\n"+
		"connections that vanish. Lines have %d places, AcquireTimeout is %v, ExecutionTimeout %v, LockLease %v. Meanwhile %d other users:\n"+
		"before, while the same clients do the same on paths that acquire no session, and while they hold sessions.\n\n",
		held, perHeld, queueLimit, acquireTimeout, executionTimeout, lockLease, users)
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "adapter\t|\tothers' requests\tfailed\t|\tp50 before\tbare\theld\t|\tp99 before\tbare\theld\t|\tlongest before\tbare\theld\t|\theld sessions: 200\t409\t429\t503\tlongest without 200\tfree after\tgoroutines left\t")
	for _, h := range holds {
		fmt.Fprintf(t, "%s\t|\t%d\t%d\t", h.adapter, len(h.calm)+len(h.bare)+len(h.during), h.failed)
		for _, q := range quantiles {
			fmt.Fprintf(t, "|\t%.1fms\t%.1fms\t%.1fms\t", millis(quantile(h.calm, q.share)), millis(quantile(h.bare, q.share)), millis(quantile(h.during, q.share)))
		}
		fmt.Fprintf(t, "|\t%d\t%d\t%d\t%d\t%v\t%v\t%d\t\n", h.tabs[200], h.tabs[409], h.tabs[429], h.tabs[503],
			h.longest.Round(time.Millisecond), h.freed.Round(time.Millisecond), max(0, h.left))
	}
	t.Flush()
}

func millis(d time.Duration) float64 { return float64(d) / 1e6 }
