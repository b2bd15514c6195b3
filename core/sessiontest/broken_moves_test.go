package sessiontest_test

import (
	"context"
	"errors"
	"iter"
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
	{"S11", "lets anybody move", doing(opSave, func(m *model, c *call) {
		m.editLive(c.key, func(e *entry) {
			if c.moves() {
				e.token = c.token
			}
		})
	})},
	{"S11", "does not extend the expiry when it moves", doing(opSave, func(m *model, c *call) {
		if !c.moves() {
			return
		}
		var before time.Time
		m.editLive(c.key, func(e *entry) { before = e.expires })
		c.answer(m.saveIt(c))
		m.editLive(c.how.MoveTo, func(e *entry) { e.expires = before })
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
	{"S11", "says nothing of the move to who removes the old key", doing(opRemove, func(m *model, c *call) {
		m.edit(c.key, func(e *entry) {
			if !e.graceEnds.IsZero() {
				c.answer(nil)
			}
		})
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
