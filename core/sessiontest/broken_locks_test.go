package sessiontest_test

import (
	"errors"
	"slices"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

const (
	opAcquire = sessiontest.OpAcquire
	opLoad    = sessiontest.OpLoad
	opCreate  = sessiontest.OpCreate
	opSave    = sessiontest.OpSave
	opSwap    = sessiontest.OpSwap
	opRelease = sessiontest.OpRelease
	opExtend  = sessiontest.OpExtend
	opTouch   = sessiontest.OpTouch
	opRemove  = sessiontest.OpRemove
	opReap    = sessiontest.OpReap
)

var nobody session.Token

var brokenStores = slices.Concat(brokenLocks, brokenWrites, brokenMoves, brokenEnds, brokenCalls, brokenOptional)

// brokenLocks break S1 to S5.
var brokenLocks = []broken{
	{"S1", "loads expired records", answering(opLoad, func(m *model, c *call) {
		m.edit(c.key, func(e *entry) {
			if errors.Is(c.err, session.ErrNotFound) && e.reason == 0 && e.graceEnds.IsZero() {
				c.rec, c.err = e.record(m.now()), nil
			}
		})
	})},
	{"S1", "lets a Touch bring back what has expired", doing(opTouch, func(m *model, c *call) {
		m.edit(c.key, func(e *entry) { e.extend(m.now()) })
	})},
	{"S1", "lets records expire under a live lease", doing("", func(m *model, c *call) {
		m.edit(c.key, func(e *entry) {
			if e.reason == 0 && e.due(m.now()) {
				e.unlock()
			}
		})
	})},
	{"S1", "loses the report of an expired record that is removed", doing(opRemove, func(m *model, c *call) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if e := m.entries[c.key]; e != nil && e.reason == 0 && !e.live(m.now()) && c.token == nobody {
			delete(m.entries, c.key)
		}
	})},
	{"S1", "lets a lapsed token save what has expired", doing(opSave, func(m *model, c *call) {
		m.edit(c.key, func(e *entry) {
			if e.holds(c.token) && e.reason == 0 {
				e.lockedUntil = m.now().Add(time.Minute)
			}
		})
	})},
	{"S1", "lets a save under a claim bring back what has ended", doing(opSave, func(m *model, c *call) {
		m.edit(c.key, func(e *entry) {
			if e.holds(c.token) {
				e.reason = 0
			}
		})
	})},

	{"S1", "says ErrLockLost of the removal of what is absent", doing(opRemove, func(m *model, c *call) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.entries[c.key] == nil && c.token != nobody {
			c.answer(session.ErrLockLost)
		}
	})},

	{"S2", "takes no lock", answering(opAcquire, func(m *model, c *call) {
		if c.err == nil {
			m.edit(c.key, (*entry).unlock)
		}
	})},
	{"S2", "never takes a lapsed lock over", doing(opAcquire, func(m *model, c *call) {
		m.editLive(c.key, func(e *entry) {
			if e.token != nobody && !e.holds(c.token) {
				c.answer(&session.LockedError{LockInfo: session.LockInfo{Holder: e.token.Holder(), Left: time.Second}})
			}
		})
	})},
	{"S2", "does not extend the expiry at Acquire", doing(opAcquire, func(m *model, c *call) {
		m.mu.Lock()
		e := m.live(c.key, m.now())
		var before time.Time
		if e != nil {
			before = e.expires
		}
		m.mu.Unlock()
		if c.rec, c.err = m.Acquire(c.ctx, c.key, c.token, c.lease); c.err == nil {
			m.edit(c.key, func(e *entry) { e.expires = before; c.rec.ExpiresIn = e.expiresIn(m.now()) })
		}
		c.answered = true
	})},
	{"S2", "does not free what is released", doing(opRelease, func(m *model, c *call) { c.answer(nil) })},
	{"S2", "halves every lease", doing(opAcquire, func(m *model, c *call) { c.lease /= 2 })},
	{"S2", "gives the lock to two who ask at once", doing(opAcquire, func(m *model, c *call) {
		free := false
		m.editLive(c.key, func(e *entry) { free = !e.leased(m.now()) })
		time.Sleep(time.Millisecond)
		if free {
			m.editLive(c.key, (*entry).unlock)
		}
	})},

	{"S3", "steals live locks", doing(opAcquire, func(m *model, c *call) { m.edit(c.key, (*entry).unlock) })},
	{"S3", "does not say who holds the lock", answering(opAcquire, func(m *model, c *call) {
		if errors.Is(c.err, session.ErrLocked) {
			c.err = session.ErrLocked
		}
	})},
	{"S3", "extends the expiry when it refuses the lock", doing(opAcquire, func(m *model, c *call) {
		_ = m.Touch(c.ctx, c.key)
	})},
	{"S3", "restarts the lock's age when it is extended", answering(opExtend, func(m *model, c *call) {
		m.edit(c.key, func(e *entry) { e.lockedAt = m.now() })
	})},
	{"S3", "keeps the age of the lock before", doing(opAcquire, func(m *model, c *call) {
		m.editLive(c.key, func(e *entry) {
			if !e.leased(m.now()) && !e.lockedAt.IsZero() {
				e.token, e.lockedUntil = c.token, m.now().Add(c.lease)
			}
		})
	})},
	{"S3", "refuses to load a locked record", answering(opLoad, func(m *model, c *call) {
		if c.err == nil && c.rec.Lock != nil {
			c.rec, c.err = session.Record{}, &session.LockedError{LockInfo: *c.rec.Lock}
		}
	})},

	{"S4", "refuses the lock to its holder", doing(opAcquire, func(m *model, c *call) {
		m.editLive(c.key, func(e *entry) {
			if e.leased(m.now()) {
				c.answer(&session.LockedError{LockInfo: *e.lockInfo(m.now())})
			}
		})
	})},
	{"S4", "does not restart the lease for its holder", doing(opAcquire, func(m *model, c *call) {
		m.editLive(c.key, func(e *entry) {
			if e.leased(m.now()) && e.holds(c.token) {
				c.lease = e.lockedUntil.Sub(m.now())
			}
		})
	})},

	{"S5", "lets anybody save", doing(opSave, func(m *model, c *call) {
		m.editLive(c.key, func(e *entry) { e.lock(c.token, m.now(), time.Minute) })
	})},
	{"S5", "lets anybody extend", doing(opExtend, func(m *model, c *call) {
		m.editLive(c.key, func(e *entry) { c.answer(nil) })
	})},
	{"S5", "lets anybody release", doing(opRelease, func(m *model, c *call) {
		m.editLive(c.key, (*entry).unlock)
	})},
	{"S5", "lets anybody remove", doing(opRemove, func(m *model, c *call) { c.token = nobody })},
	{"S5", "takes the zero Token for the holder of a free record", doing(opSave, func(m *model, c *call) {
		m.editLive(c.key, func(e *entry) {
			if c.token == nobody && e.token == nobody {
				e.lock(session.Token{1}, m.now(), time.Minute)
				c.token = e.token
			}
		})
	})},
	{"S5", "drops a lock the moment it lapses", doing("", func(m *model, c *call) {
		m.editLive(c.key, func(e *entry) {
			if !e.leased(m.now()) {
				e.unlock()
			}
		})
	})},
	{"S5", "lets a former holder save again once the lock is free", doing(opSave, func(m *model, c *call) {
		m.editLive(c.key, func(e *entry) {
			if !e.leased(m.now()) && c.token != nobody {
				e.token = c.token
			}
		})
	})},
	{"S5", "does not erase a lapsed lock at Swap", doing(opSwap, func(m *model, c *call) {
		var token session.Token
		m.editLive(c.key, func(e *entry) { token = e.token })
		c.answer(m.Swap(c.ctx, c.key, c.rec, c.old))
		if c.err == nil {
			m.editLive(c.key, func(e *entry) { e.token = token })
		}
	})},
	{"S5", "does not erase a lapsed lock at Create", doing(opCreate, func(m *model, c *call) {
		var token session.Token
		m.edit(c.key, func(e *entry) { token = e.token })
		c.answer(m.Create(c.ctx, c.key, c.rec, c.token, c.lease))
		if c.err == nil && c.token == nobody {
			m.editLive(c.key, func(e *entry) { e.token = token })
		}
	})},
	{"S5", "does not erase a lapsed lock at Reap", doing(opReap, func(m *model, c *call) {
		m.mu.Lock()
		tokens := make(map[session.StoreKey]session.Token)
		for key, e := range m.entries {
			tokens[key] = e.token
		}
		m.mu.Unlock()
		c.ends, c.err = m.Reap(c.ctx, c.namespace, c.limit, c.token, c.lease)
		c.answered = true
		for _, end := range c.ends {
			m.edit(end.Key, func(e *entry) { e.token = tokens[end.Key] })
		}
	})},
	{"S5", "says ErrLockLost of a Release that comes late", doing(opRelease, func(m *model, c *call) {
		m.editLive(c.key, func(e *entry) {
			if !e.holds(c.token) {
				c.answer(session.ErrLockLost)
			}
		})
	})},
	{"S5", "says ErrNotFound of a Save that comes late", answering(opSave, func(m *model, c *call) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if errors.Is(c.err, session.ErrLockLost) && m.entries[c.key] == nil {
			c.err = session.ErrNotFound
		}
	})},
}
