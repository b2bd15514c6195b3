package sessiontest_test

import (
	"errors"
	"slices"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// brokenWrites break S6 to S10.
var brokenWrites = []broken{
	{"S6", "remembers no write", doing("", func(m *model, c *call) {
		m.edit(c.key, func(e *entry) { e.writes = nil })
	})},
	{"S6", "remembers the last write only", doing("", func(m *model, c *call) {
		m.edit(c.key, func(e *entry) { e.writes = e.writes[max(0, len(e.writes)-1):] })
	})},
	{"S6", "remembers seven writes", doing("", func(m *model, c *call) {
		m.edit(c.key, func(e *entry) { e.writes = e.writes[max(0, len(e.writes)-7):] })
	})},
	{"S6", "writes a repeat once more while its token holds", doing(opSave, func(m *model, c *call) {
		m.editLive(c.key, func(e *entry) {
			if e.holds(c.token) {
				e.writes = nil
			}
		})
	})},
	{"S6", "takes every Repeat for done", doing("", func(m *model, c *call) {
		if c.rec.Repeat {
			c.answer(nil)
		}
	})},
	{"S6", "remembers the writes of the record that was there before", func(m *model) (here, there session.Store) {
		removed := make(map[session.StoreKey][]session.WriteID) // guarded by m.mu
		h := &hooked{
			model: m,
			before: only(opRemove, func(m *model, c *call) {
				m.edit(c.key, func(e *entry) { removed[c.key] = e.writes })
			}),
			after: only(opCreate, func(m *model, c *call) {
				m.edit(c.key, func(e *entry) { e.writes = append(slices.Clone(removed[c.key]), e.writes...) })
			}),
		}
		return h, h
	}},
	{"S6", "takes an unknown repeat for a success", answering("", func(m *model, c *call) {
		if errors.Is(c.err, session.ErrOutcomeUnknown) {
			c.err = nil
		}
	})},
	{"S6", "takes an unknown repeat of a Save for a loss", answering(opSave, func(m *model, c *call) {
		if errors.Is(c.err, session.ErrOutcomeUnknown) {
			c.err = session.ErrLockLost
		}
	})},
	{"S6", "takes an unknown repeat of a Swap for a conflict", answering(opSwap, func(m *model, c *call) {
		if errors.Is(c.err, session.ErrOutcomeUnknown) {
			c.err = session.ErrConflict
		}
	})},
	{"S6", "does not know what can be told after few writes", doing("", func(m *model, c *call) {
		m.edit(c.key, func(e *entry) { e.many = true })
	})},
	{"S6", "does not tell a Swap by the write that it follows", doing(opSwap, func(m *model, c *call) {
		m.editLive(c.key, func(e *entry) {
			if c.rec.Repeat && e.many && e.rec.Write != c.old && !slices.Contains(e.writes, c.rec.Write) {
				c.answer(session.ErrOutcomeUnknown)
			}
		})
	})},
	{"S6", "does not tell what is no Repeat from what is", doing("", func(m *model, c *call) { c.rec.Repeat = true })},
	{"S6", "knows no repeat of a Create", doing(opCreate, func(m *model, c *call) {
		m.editLive(c.key, func(e *entry) {
			if !c.rec.Repeat || !e.many {
				c.answer(session.ErrExists)
			}
		})
	})},
	{"S6", "knows a repeated move for its Grace only", doing(opSave, func(m *model, c *call) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if e := m.entries[c.key]; c.how.MoveTo != (session.StoreKey{}) && (e == nil || !e.graceEnds.IsZero() && !m.now().Before(e.graceEnds)) {
			c.answer(session.ErrOutcomeUnknown)
		}
	})},
	{"S6", "takes a move for lost that its repeat has overtaken", doing(opSave, func(m *model, c *call) {
		var before, after bool
		m.editLive(c.key, func(e *entry) { before = e.holds(c.token) })
		time.Sleep(time.Millisecond)
		m.editLive(c.key, func(e *entry) { after = e.holds(c.token) })
		if c.moves() && before && !after {
			c.answer(session.ErrLockLost)
		}
	})},
	{"S6", "says of a removed record that the repeat of its Save lost the lock", answering(opSave, func(m *model, c *call) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.entries[c.key] == nil && c.err != nil {
			c.err = session.ErrLockLost
		}
	})},
	{"S6", "forgets the writes from before a lock was taken", answering(opAcquire, func(m *model, c *call) {
		if c.err == nil {
			m.edit(c.key, func(e *entry) { e.writes, e.many = nil, true })
		}
	})},
	{"S6", "looks for a repeat before the first attempt has ended", doing(opSave, func(m *model, c *call) {
		var held bool
		m.editLive(c.key, func(e *entry) { held = e.holds(c.token) || slices.Contains(e.writes, c.rec.Write) })
		time.Sleep(time.Millisecond)
		if held {
			m.editLive(c.key, func(e *entry) { e.token, e.writes = c.token, nil })
		}
	})},

	{"S7", "leaves the Refresh out at Create", answering(opCreate, func(m *model, c *call) {
		m.edit(c.key, func(e *entry) {
			if c.err == nil && e.rec.IdleTimeout > 0 {
				e.expires = e.expires.Add(-e.rec.Refresh)
			}
		})
	})},
	{"S7", "cuts data short", doing(opSave, func(m *model, c *call) { c.rec.Data = c.rec.Data[:min(len(c.rec.Data), 2000)] })},
	{"S7", "keeps the old data where there is none", doing(opSave, func(m *model, c *call) {
		m.editLive(c.key, func(e *entry) {
			if len(c.rec.Data) == 0 {
				c.rec.Data = e.rec.Data
			}
		})
	})},
	{"S7", "writes into bytes that it has handed out", func(m *model) (here, there session.Store) {
		h := &hooked{
			model: m,
			before: only(opSave, func(m *model, c *call) {
				m.editLive(c.key, func(e *entry) { copy(e.rec.Data, c.rec.Data) })
			}),
			after: only(opLoad, func(m *model, c *call) {
				m.editLive(c.key, func(e *entry) { c.rec.Data = e.rec.Data })
			}),
		}
		return h, h
	}},
	{"S7", "does not release", doing(opSave, func(m *model, c *call) {
		if c.how.Keep == 0 {
			c.how.Keep = time.Minute
		}
	})},
	{"S7", "does not keep the lock", doing(opSave, func(m *model, c *call) { c.how.Keep, c.how.Next = 0, nobody })},
	{"S7", "keeps the lock for a minute whatever Keep says", doing(opSave, func(m *model, c *call) {
		if c.how.Keep > 0 {
			c.how.Keep = time.Minute
		}
	})},
	{"S7", "does not hand the lock on", doing(opSave, func(m *model, c *call) { c.how.Next = nobody })},
	{"S7", "lets go of the lock for a moment when it hands it on", doing(opSave, func(m *model, c *call) {
		if next, keep := c.how.Next, c.how.Keep; next != nobody {
			c.how.Next, c.how.Keep = nobody, 0
			c.answer(m.Save(c.ctx, c.key, c.rec, c.token, c.how))
			time.Sleep(time.Millisecond)
			if c.err == nil {
				_, c.err = m.Acquire(c.ctx, c.key, next, keep)
			}
		}
	})},
	{"S7", "changes the namespace", answering(opSave, func(m *model, c *call) {
		if c.err == nil {
			m.edit(c.key, func(e *entry) { e.rec.Namespace = c.rec.Namespace })
		}
	})},
	{"S7", "starts Created anew", answering(opSave, func(m *model, c *call) {
		if c.err == nil {
			m.edit(c.key, func(e *entry) { e.rec.Created = m.now().Add(time.Microsecond) })
		}
	})},
	{"S7", "does not store the owner at a Save", doing(opSave, func(m *model, c *call) {
		m.editLive(c.key, func(e *entry) { c.rec.Owner = e.rec.Owner })
	})},
	{"S7", "takes what is too large", doing(opSave, func(m *model, c *call) {
		if len(c.rec.Data) > maxSize {
			c.rec.Data = c.rec.Data[:maxSize]
		}
	})},
	{"S7", "releases the lock when a save is too large", answering(opSave, func(m *model, c *call) {
		if errors.Is(c.err, session.ErrTooLarge) {
			m.edit(c.key, (*entry).unlock)
		}
	})},
	{"S7", "extends the expiry at no Save", doing(opSave, func(m *model, c *call) { keepExpiry(m, c, m.saveIt) })},
	{"S7", "extends the expiry at every Save", answering(opSave, func(m *model, c *call) {
		if c.err == nil {
			m.editLive(c.key, func(e *entry) { e.expires = e.fullExpiry(m.now()) })
		}
	})},
	{"S7", "stores the data first and the rest later", doing(opSave, func(m *model, c *call) {
		m.editLive(c.key, func(e *entry) {
			if e.holds(c.token) && len(c.rec.Data) <= maxSize {
				e.rec.Data = c.rec.Data
			}
		})
		time.Sleep(time.Millisecond)
	})},

	{"S8", "creates over a live record", doing(opCreate, func(m *model, c *call) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.live(c.key, m.now()) != nil {
			delete(m.entries, c.key)
		}
	})},
	{"S8", "does not replace an expired record", doing(opCreate, func(m *model, c *call) {
		m.edit(c.key, func(e *entry) {
			if !e.live(m.now()) {
				c.answer(session.ErrExists)
			}
		})
	})},
	{"S8", "lets two create one record at once", doing(opCreate, func(m *model, c *call) {
		m.mu.Lock()
		free := m.entries[c.key] == nil
		m.mu.Unlock()
		time.Sleep(time.Millisecond)
		m.mu.Lock()
		defer m.mu.Unlock()
		if free {
			delete(m.entries, c.key)
		}
	})},
	{"S8", "locks what is created without a token", doing(opCreate, func(m *model, c *call) {
		if c.token == nobody {
			c.token, c.lease = session.NewToken(), time.Minute
		}
	})},

	{"S9", "swaps whatever the last write was", doing(opSwap, func(m *model, c *call) {
		m.editLive(c.key, func(e *entry) { c.old = e.rec.Write })
	})},
	{"S9", "swaps under a live lock", doing(opSwap, func(m *model, c *call) { m.edit(c.key, (*entry).unlock) })},
	{"S9", "refuses to swap for a lapsed lock", doing(opSwap, func(m *model, c *call) {
		m.editLive(c.key, func(e *entry) {
			if e.token != nobody {
				c.answer(&session.LockedError{LockInfo: session.LockInfo{Holder: e.token.Holder(), Left: time.Second}})
			}
		})
	})},
	{"S9", "compares and swaps in two steps", doing(opSwap, func(m *model, c *call) {
		var same bool
		m.editLive(c.key, func(e *entry) { same = e.rec.Write == c.old && !e.leased(m.now()) })
		time.Sleep(time.Millisecond)
		if same {
			m.editLive(c.key, func(e *entry) { c.old = e.rec.Write })
		}
	})},
	{"S9", "does not store the owner at a Swap", doing(opSwap, func(m *model, c *call) {
		m.editLive(c.key, func(e *entry) { c.rec.Owner = e.rec.Owner })
	})},
	{"S9", "extends the expiry at no Swap", doing(opSwap, func(m *model, c *call) { keepExpiry(m, c, m.swapIt) })},

	{"S10", "does not extend the expiry at Touch", doing(opTouch, func(m *model, c *call) {
		m.editLive(c.key, func(*entry) { c.answer(nil) })
	})},
	{"S10", "shortens the expiry at Touch", answering(opTouch, func(m *model, c *call) {
		m.editLive(c.key, func(e *entry) {
			if e.rec.IdleTimeout > 0 {
				e.expires = m.now().Add(e.rec.IdleTimeout)
			}
		})
	})},
	{"S10", "extends the expiry past the Lifetime", answering(opTouch, func(m *model, c *call) {
		m.editLive(c.key, func(e *entry) {
			if e.rec.IdleTimeout > 0 && e.expires.Sub(m.now()) < e.rec.IdleTimeout {
				e.expires = m.now().Add(e.rec.IdleTimeout + e.rec.Refresh)
			}
		})
	})},
	{"S10", "extends the expiry at Load", doing(opLoad, func(m *model, c *call) { _ = m.Touch(c.ctx, c.key) })},
	{"S10", "releases the lock at Touch", doing(opTouch, func(m *model, c *call) { m.editLive(c.key, (*entry).unlock) })},
}

// saveIt and swapIt make the call that was hooked.
func (m *model) saveIt(c *call) error { return m.Save(c.ctx, c.key, c.rec, c.token, c.how) }
func (m *model) swapIt(c *call) error { return m.Swap(c.ctx, c.key, c.rec, c.old) }

// keepExpiry makes a write and puts the expiry back as it was.
func keepExpiry(m *model, c *call, write func(*call) error) {
	var before time.Time
	m.editLive(c.key, func(e *entry) { before = e.expires })
	c.answer(write(c))
	m.editLive(c.key, func(e *entry) { e.expires = before })
}
