package sessiontest

import (
	"context"
	"maps"
	"sync"

	session "github.com/sessionstate/sessionstate/core"
)

// Counter counts the calls that a store gets, whatever becomes of them. It is
// safe for concurrent use.
type Counter struct {
	// Store counts its calls and passes them on. It has exactly the optional
	// interfaces of the store that it wraps.
	Store session.Store

	mu     sync.Mutex
	counts map[Op]int
}

// NewCounter returns a Counter of the calls of store, all 0.
func NewCounter(store session.Store) *Counter {
	c := &Counter{counts: make(map[Op]int)}
	c.Store = intercept(store, func(ctx context.Context, op Op, _ session.StoreKey, call func(context.Context) error) error {
		c.mu.Lock()
		c.counts[op]++
		c.mu.Unlock()
		return call(ctx)
	})
	return c
}

// Total returns how many round trips there were: all calls but Watch.
func (c *Counter) Total() (n int) {
	for op, count := range c.Counts() {
		if op != OpWatch {
			n += count
		}
	}
	return n
}

// Counts returns how many calls there were of each operation that was called.
// The map is the caller's.
func (c *Counter) Counts() map[Op]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.counts)
}

// Reset sets all counts to 0.
func (c *Counter) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.counts)
}
