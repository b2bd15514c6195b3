package sessiontest_test

import (
	"crypto/sha256"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

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
	{"S12", "reports what has no Events", doing(opRemove, func(m *model, c *call) {
		m.editLive(c.key, func(e *entry) { e.rec.Events = true })
	})},
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
	{"S12", "claims all ends of a key at once", keepingFormer},
}

// keepingFormer returns a store that takes a new record for a key whose former
// one's end is still to be reported, and claims the ends of both under one
// token.
func keepingFormer(m *model) (here, there session.Store) {
	former := make(map[session.StoreKey]session.StoreKey) // keys of entries set aside, and theirs before; guarded by m.mu
	h := &hooked{m, func(m *model, c *call) {
		m.mu.Lock()
		defer m.mu.Unlock()
		e := m.entries[c.key]
		switch {
		case c.op == opCreate && e != nil && e.reported() && !e.live(m.now()):
			aside := session.StoreKey(sha256.Sum256(e.rec.Write[:]))
			m.entries[aside], former[aside] = e, c.key
			delete(m.entries, c.key)
		case (c.op == opRemove || c.op == opExtend) && (e == nil || !e.holds(c.token)):
			for aside, key := range former {
				if e := m.entries[aside]; key == c.key && e != nil && e.holds(c.token) {
					c.key = aside
				}
			}
		}
	}, only(opReap, func(m *model, c *call) {
		m.mu.Lock()
		defer m.mu.Unlock()
		for i := range c.ends {
			if key, ok := former[c.ends[i].Key]; ok {
				c.ends[i].Key = key
			}
		}
	})}
	return h, h
}
