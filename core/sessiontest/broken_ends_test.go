package sessiontest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// moves says whether a call is a Save with MoveTo.
func (c *call) moves() bool { return c.op == opSave && c.how.MoveTo != session.StoreKey{} }

// afterMove returns a store that does something after every move.
func afterMove(do func(m *model, c *call)) func(*model) (here, there session.Store) {
	return answering(opSave, func(m *model, c *call) {
		if c.moves() && c.err == nil {
			m.mu.Lock()
			defer m.mu.Unlock()
			if m.entries[c.key] != nil && m.entries[c.how.MoveTo] != nil { // and not a repeat of long ago
				do(m, c)
			}
		}
	})
}

// brokenMoves break S11.
var brokenMoves = []broken{
	{"S11", "forgets the old key at once", afterMove(func(m *model, c *call) { delete(m.entries, c.key) })},
	{"S11", "leaves a copy under the old key", afterMove(func(m *model, c *call) {
		left := *m.entries[c.how.MoveTo]
		m.entries[c.key] = &left
	})},
	{"S11", "says ErrRenewed for ever", afterMove(func(m *model, c *call) {
		m.entries[c.key].graceEnds = m.now().Add(1000 * time.Hour)
	})},
	{"S11", "keeps the old key without Grace", doing(opSave, func(m *model, c *call) {
		if c.moves() && c.how.Grace == 0 {
			c.how.Grace = time.Minute
		}
	})},
	{"S11", "moves over a live record", doing(opSave, func(m *model, c *call) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if e := m.live(c.key, m.now()); c.moves() && e != nil && e.holds(c.token) {
			delete(m.entries, c.how.MoveTo)
		}
	})},
	{"S11", "releases the lock when the new key is taken", answering(opSave, func(m *model, c *call) {
		if c.moves() && errors.Is(c.err, session.ErrExists) {
			m.edit(c.key, (*entry).unlock)
		}
	})},
	{"S11", "stores the data although the new key is taken", answering(opSave, func(m *model, c *call) {
		if c.moves() && errors.Is(c.err, session.ErrExists) {
			m.edit(c.key, func(e *entry) { e.rec.Data = c.rec.Data })
		}
	})},
	{"S11", "drops the lock when it moves", afterMove(func(m *model, c *call) { m.entries[c.how.MoveTo].unlock() })},
	{"S11", "starts Created anew when it moves", afterMove(func(m *model, c *call) {
		e := m.entries[c.how.MoveTo]
		e.rec.Created = m.now().Add(time.Microsecond)
		e.expires = e.fullExpiry(m.now())
	})},
	{"S11", "creates over an old key in its Grace", doing(opCreate, func(m *model, c *call) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if e := m.entries[c.key]; e != nil && !e.graceEnds.IsZero() {
			delete(m.entries, c.key)
		}
	})},
	{"S11", "removes the new key by the old one", doing(opRemove, func(m *model, c *call) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if e := m.entries[c.key]; e != nil && !e.graceEnds.IsZero() {
			delete(m.entries, c.key)
		}
	})},
	{"S11", "says ErrRenewed of a Swap of the old key", doing(opSwap, func(m *model, c *call) {
		m.edit(c.key, func(e *entry) {
			if !e.graceEnds.IsZero() {
				c.answer(session.ErrRenewed)
			}
		})
	})},
	{"S11", "reports the end of an old key", answering(opReap, func(m *model, c *call) {
		m.mu.Lock()
		defer m.mu.Unlock()
		for key, e := range m.entries {
			if !e.graceEnds.IsZero() && !m.now().Before(e.graceEnds) && c.limit > 0 {
				c.ends = append(c.ends, session.Expired{Key: key, Record: e.rec, Reason: session.EndExpired, Attempts: 1})
			}
		}
	})},
	{"S11", "clears old keys away before their Grace is over", doing(opReap, func(m *model, c *call) {
		m.mu.Lock()
		defer m.mu.Unlock()
		for key, e := range m.entries {
			if !e.graceEnds.IsZero() && c.limit < 0 {
				delete(m.entries, key)
			}
		}
	})},
	{"S11", "lists old keys", func(m *model) (here, there session.Store) {
		s := listingOldKeys{m}
		return s, s
	}},
}

type listingOldKeys struct{ *model }

func (s listingOldKeys) All(ctx context.Context, namespace string) iter.Seq2[session.Info, error] {
	return func(yield func(session.Info, error) bool) {
		for info, err := range s.model.All(ctx, namespace) {
			if !yield(info, err) {
				return
			}
		}
		s.mu.Lock()
		var old []session.StoreKey
		for key, e := range s.entries {
			if !e.graceEnds.IsZero() && e.rec.Namespace == namespace {
				old = append(old, key)
			}
		}
		s.mu.Unlock()
		for _, key := range old {
			if !yield(session.Info{Key: key}, nil) {
				return
			}
		}
	}
}

// brokenEnds break S12.
var brokenEnds = []broken{
	{"S12", "claims nothing that it returns", answering(opReap, func(m *model, c *call) {
		for _, end := range c.ends {
			m.edit(end.Key, (*entry).unlock)
		}
	})},
	{"S12", "lets two claim one record at once", doing(opReap, func(m *model, c *call) {
		m.mu.Lock()
		var free []*entry
		for _, e := range m.entries {
			if e.reported() && !e.live(m.now()) && !e.leased(m.now()) {
				free = append(free, e)
			}
		}
		m.mu.Unlock()
		time.Sleep(time.Millisecond)
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, e := range free {
			e.unlock()
		}
	})},
	{"S12", "never gives a lapsed claim to another", doing(opReap, func(m *model, c *call) {
		c.lease += 1000 * time.Hour
	})},
	{"S12", "does not count attempts", answering(opReap, func(m *model, c *call) {
		for i := range c.ends {
			c.ends[i].Attempts = 1
		}
	})},
	{"S12", "forgets the reason", answering(opReap, func(m *model, c *call) {
		for i := range c.ends {
			c.ends[i].Reason = session.EndExpired
		}
	})},
	{"S12", "mixes namespaces", doing(opReap, func(m *model, c *call) {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, e := range m.entries {
			e.rec.Namespace = c.namespace
		}
	})},
	{"S12", "claims more than the limit", doing(opReap, func(m *model, c *call) { c.limit *= 2 })},
	{"S12", "claims with limit 0", doing(opReap, func(m *model, c *call) {
		if c.limit == 0 {
			c.limit = 1
		}
	})},
	{"S12", "deletes in bulk what is to be reported", doing(opReap, func(m *model, c *call) {
		m.mu.Lock()
		defer m.mu.Unlock()
		for key, e := range m.entries {
			if c.limit < 0 && e.rec.Namespace == c.namespace && e.reported() && !e.live(m.now()) {
				delete(m.entries, key)
			}
		}
	})},
	{"S12", "deletes in bulk what lives past its expiry under a lease", doing(opReap, func(m *model, c *call) {
		m.mu.Lock()
		defer m.mu.Unlock()
		for key, e := range m.entries {
			if c.limit < 0 && e.rec.Namespace == c.namespace && e.due(m.now()) && !e.rec.Events && e.graceEnds.IsZero() {
				delete(m.entries, key)
			}
		}
	})},
	{"S12", "reaps what lives past its expiry under a lease", doing(opReap, func(m *model, c *call) {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, e := range m.entries {
			if e.due(m.now()) && e.reason == 0 {
				e.unlock()
			}
		}
	})},
	{"S12", "deletes what is removed with a reason", doing(opRemove, func(m *model, c *call) { c.reason = session.EndDelete })},
	{"S12", "reports what is deleted", doing(opRemove, func(m *model, c *call) {
		m.editLive(c.key, func(*entry) {
			if c.reason == session.EndDelete {
				c.reason = session.EndRevoked
			}
		})
	})},
	{"S12", "does not claim for whom removes", answering(opRemove, func(m *model, c *call) {
		m.edit(c.key, func(e *entry) {
			if e.reason != 0 {
				e.unlock()
			}
		})
	})},
	{"S12", "takes the lock of another for a claim", doing(opRemove, func(m *model, c *call) {
		var token session.Token
		var until time.Time
		m.editLive(c.key, func(e *entry) { token, until = e.token, e.lockedUntil })
		c.answer(m.Remove(c.ctx, c.key, c.token, c.reason))
		if token != nobody {
			m.edit(c.key, func(e *entry) { e.token, e.lockedUntil = token, until })
		}
	})},
	{"S12", "deletes at a repeated Remove what is to be reported", doing(opRemove, func(m *model, c *call) {
		m.edit(c.key, func(e *entry) {
			if e.reason != 0 {
				c.reason = session.EndDelete
			}
		})
	})},
	{"S12", "lets anybody delete what has ended", doing(opRemove, func(m *model, c *call) {
		m.edit(c.key, func(e *entry) {
			if e.reason != 0 {
				c.token = e.token
			}
		})
	})},
	{"S12", "does not extend claims", doing(opExtend, func(m *model, c *call) {
		m.edit(c.key, func(e *entry) {
			if e.reason != 0 {
				c.answer(session.ErrLockLost)
			}
		})
	})},
	{"S12", "loses a report when its key is created anew", doing(opCreate, func(m *model, c *call) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if e := m.entries[c.key]; e != nil && e.reported() && !e.live(m.now()) {
			delete(m.entries, c.key)
		}
	})},
	{"S12", "goes by the Events of Create", answering(opSave, func(m *model, c *call) {
		if c.err == nil && !c.moves() {
			m.edit(c.key, func(e *entry) { e.rec.Events = !e.rec.Events })
		}
	})},
}

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

// brokenOptional break the optional interfaces.
var brokenOptional = []broken{
	{"Watcher", "is no Watcher though one is wanted", func(m *model) (here, there session.Store) {
		s := struct{ session.Store }{m}
		return s, s
	}},
	{"Watcher", "wakes nobody at Release", doing(opRelease, func(m *model, c *call) {
		m.editLive(c.key, func(e *entry) {
			if e.holds(c.token) {
				e.unlock()
			}
		})
	})},
	{"Watcher", "wakes nobody when a record is removed", doing(opRemove, func(m *model, c *call) {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.watchers, c.key)
	})},
	{"Watcher", "wakes one waiter only", func(m *model) (here, there session.Store) {
		s := wakingOne{m}
		return s, s
	}},
	{"Watcher", "wakes waiters of its own process only", func(m *model) (here, there session.Store) {
		s := wakingOwn{m, &tables{watchers: make(map[session.StoreKey][]chan struct{})}}
		return m, s
	}},
	{"Watcher", "stops all that watch a key when one stops", func(m *model) (here, there session.Store) {
		s := stoppingAll{m}
		return s, s
	}},
	{"OwnerIndex", "lists what has ended", func(m *model) (here, there session.Store) {
		s := listingEnded{m}
		return s, s
	}},
	{"OwnerIndex", "lists in no order", func(m *model) (here, there session.Store) {
		s := listingBackwards{m}
		return s, s
	}},
	{"OwnerIndex", "spares nobody at RemoveOwner", func(m *model) (here, there session.Store) {
		s := sparingNobody{m}
		return s, s
	}},
	{"Iterator", "sees records twice", func(m *model) (here, there session.Store) {
		s := seeingTwice{m}
		return s, s
	}},
	{"Iterator", "holds its lock while it iterates", func(m *model) (here, there session.Store) {
		s := lockingAll{m, make(chan struct{}, 1)}
		return s, s
	}},
	{"Pinger", "fails to ping", func(m *model) (here, there session.Store) {
		s := failingPing{m}
		return s, s
	}},
}

type wakingOne struct{ *model }

func (s wakingOne) Watch(key session.StoreKey) (<-chan struct{}, func()) {
	wake, stop := s.model.Watch(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.watchers[key]); n > 1 {
		s.watchers[key] = s.watchers[key][:1]
	}
	return wake, stop
}

type wakingOwn struct {
	*model
	own *tables
}

func (s wakingOwn) Watch(key session.StoreKey) (<-chan struct{}, func()) {
	return (&model{tables: s.own}).Watch(key)
}

type stoppingAll struct{ *model }

func (s stoppingAll) Watch(key session.StoreKey) (<-chan struct{}, func()) {
	wake, _ := s.model.Watch(key)
	return wake, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, key)
	}
}

type listingEnded struct{ *model }

func (s listingEnded) ListOwner(ctx context.Context, namespace, owner string) ([]session.Info, error) {
	infos, err := s.model.ListOwner(ctx, namespace, owner)
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, e := range s.entries {
		if e.rec.Owner == owner && e.rec.Namespace == namespace && !e.live(s.now()) {
			infos = append(infos, session.Info{Key: key, Owner: owner})
		}
	}
	return infos, err
}

type listingBackwards struct{ *model }

func (s listingBackwards) ListOwner(ctx context.Context, namespace, owner string) ([]session.Info, error) {
	infos, err := s.model.ListOwner(ctx, namespace, owner)
	slices.Reverse(infos)
	return infos, err
}

type sparingNobody struct{ *model }

func (s sparingNobody) RemoveOwner(ctx context.Context, namespace, owner string, reason session.EndReason, _ ...session.StoreKey) (int, error) {
	return s.model.RemoveOwner(ctx, namespace, owner, reason)
}

type seeingTwice struct{ *model }

func (s seeingTwice) All(ctx context.Context, namespace string) iter.Seq2[session.Info, error] {
	return func(yield func(session.Info, error) bool) {
		for range 2 {
			for info, err := range s.model.All(ctx, namespace) {
				if !yield(info, err) {
					return
				}
			}
		}
	}
}

// lockingAll is a store on a single connection, which an iteration holds.
type lockingAll struct {
	*model
	connection chan struct{}
}

func (s lockingAll) Load(ctx context.Context, key session.StoreKey, wait bool) (session.Record, error) {
	select {
	case s.connection <- struct{}{}:
		defer func() { <-s.connection }()
		return s.model.Load(ctx, key, wait)
	case <-ctx.Done():
		return session.Record{}, fmt.Errorf("%w: %w", session.ErrUnavailable, ctx.Err())
	}
}

func (s lockingAll) All(ctx context.Context, namespace string) iter.Seq2[session.Info, error] {
	return func(yield func(session.Info, error) bool) {
		s.connection <- struct{}{}
		defer func() { <-s.connection }()
		for info, err := range s.model.All(ctx, namespace) {
			if !yield(info, err) {
				return
			}
		}
	}
}

type failingPing struct{ *model }

func (s failingPing) Ping(context.Context) error { return session.ErrUnavailable }
