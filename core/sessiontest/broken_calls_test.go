package sessiontest_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// brokenCalls break S13 to S16.
var brokenCalls = []broken{
	{"S13", "holds a connection as long as a lock", func(m *model) (here, there session.Store) {
		pool := make(chan struct{}, 32)
		h := &hooked{
			model: m,
			before: only(opAcquire, func(_ *model, c *call) {
				select {
				case pool <- struct{}{}:
				case <-c.ctx.Done():
					c.answer(fmt.Errorf("%w: %w", session.ErrUnavailable, c.ctx.Err()))
				}
			}),
			after: func(_ *model, c *call) {
				if c.op == opAcquire && c.err != nil || c.op == opSave || c.op == opRelease {
					select {
					case <-pool:
					default:
					}
				}
			},
		}
		return h, h
	}},
	{"S13", "holds a connection for every refused caller", func(m *model) (here, there session.Store) {
		var left atomic.Int64
		left.Store(32)
		h := &hooked{
			model: m,
			before: func(_ *model, c *call) {
				if left.Load() <= 0 {
					<-c.ctx.Done()
				}
			},
			after: only(opAcquire, func(_ *model, c *call) {
				if errors.Is(c.err, session.ErrLocked) {
					left.Add(-1)
				}
			}),
		}
		return h, h
	}},
	{"S13", "leaks a connection with every cancelled call", func(m *model) (here, there session.Store) {
		var left atomic.Int64
		left.Store(10)
		h := &hooked{model: m, before: func(_ *model, c *call) {
			switch {
			case left.Load() <= 0:
				<-c.ctx.Done()
			case c.ctx.Err() != nil:
				left.Add(-1)
			}
		}}
		return h, h
	}},
	{"S14", "does not heed its context", doing("", func(_ *model, c *call) {
		if c.ctx.Err() != nil {
			time.Sleep(time.Second)
		}
	})},
	{"S14", "does not heed a context that ends under way", doing("", func(_ *model, c *call) {
		time.Sleep(120 * time.Millisecond)
	})},
	{"S14", "never returns when it is cancelled", doing("", func(_ *model, c *call) {
		if c.ctx.Err() != nil {
			time.Sleep(time.Hour)
		}
	})},
	{"S14", "releases the lock of a cancelled Save", doing(opSave, func(m *model, c *call) {
		if c.ctx.Err() != nil {
			m.editLive(c.key, (*entry).unlock)
		}
	})},
	{"S14", "says of a cancelled Save that the lock is lost", answering(opSave, func(_ *model, c *call) {
		if errors.Is(c.err, context.Canceled) {
			c.err = session.ErrLockLost
		}
	})},
	{"S14", "says of a cancelled Load that there is nothing", answering(opLoad, func(_ *model, c *call) {
		if c.err != nil && c.ctx.Err() != nil {
			c.err = session.ErrNotFound
		}
	})},
	{"S15", "does not retry what passes", func(m *model) (here, there session.Store) {
		var calls atomic.Int64
		h := &hooked{model: m, before: func(_ *model, c *call) {
			if calls.Add(1)%50 == 0 {
				c.answer(fmt.Errorf("%w: deadlock detected", session.ErrUnavailable))
			}
		}}
		return h, h
	}},
	{"S15", "writes keys into errors", answering("", func(_ *model, c *call) {
		if c.err != nil {
			c.err = fmt.Errorf("record %x: %w", c.key, c.err)
		}
	})},
	{"S15", "writes tokens into errors", answering("", func(_ *model, c *call) {
		if c.err != nil {
			c.err = fmt.Errorf("lock %v: %w", c.token, c.err)
		}
	})},
	{"S16", "goes by each process's clock", func(m *model) (here, there session.Store) {
		return m, &model{tables: m.tables, ahead: time.Minute}
	}},
}
