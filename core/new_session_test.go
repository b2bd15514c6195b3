package session_test

import (
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

func TestM10_UntouchedNewSessionCostsNothing(t *testing.T) {
	uses := map[string]func(t *testing.T, s *session.Session){
		"not used": func(*testing.T, *session.Session) {},
		"read": func(t *testing.T, s *session.Session) {
			if n, err := countKey.Get(s); n != 0 || err != nil {
				t.Error(n, err)
			}
			if s.Has("count") || s.Len() != 0 || len(s.Keys()) != 0 || s.Owner() != "" || s.Timeout() == 0 {
				t.Error("a new session is not empty")
			}
			if !s.IsNew() || s.ID() == "" || s.Created().IsZero() {
				t.Error("a new session has no ID or time")
			}
		},
		"saved":     func(t *testing.T, s *session.Session) { wantIs(t, s.Save(t.Context()), nil) },
		"released":  func(t *testing.T, s *session.Session) { wantIs(t, s.Release(t.Context()), nil) },
		"abandoned": func(t *testing.T, s *session.Session) { wantIs(t, s.Abandon(), nil) },
	}
	for _, mode := range allModes {
		for name, use := range uses {
			t.Run(mode.String()+"/"+name, func(t *testing.T) {
				sv := newService(t, session.Config{})
				r := sv.client().begin()
				use(t, r.acquire(mode))
				if name != "abandoned" && r.NeedsCommit() {
					t.Error("the reply need not wait")
				}
				sv.check(r.end(ok200))
				r.noCookie()
				sv.total(0)
				sv.stored(0)
			})
		}
	}
}

func TestM10_ChangesThatChangeNothing(t *testing.T) {
	for _, mode := range writeModes {
		sv := newService(t, session.Config{})
		r := sv.client().begin()
		s := r.acquire(mode)
		sv.check(s.Delete("count"))
		sv.check(s.Clear())
		sv.check(s.SetOwner(""))
		sv.check(s.SetTimeout(0))
		sv.check(s.Remember(false))
		sv.check(s.Renew())
		if _, found, err := countKey.Take(s); found || err != nil {
			t.Error(found, err)
		}
		if r.NeedsCommit() {
			t.Error("nothing has changed")
		}
		sv.check(r.end(ok200))
		r.noCookie()
		sv.total(0)
	}
}

func TestM10_OneCallOnceThereIsSomethingToStore(t *testing.T) {
	for _, mode := range writeModes {
		sv := newService(t, session.Config{})
		c := sv.client()
		r := c.begin()
		sv.check(countKey.Set(r.acquire(mode), 7))
		if !r.NeedsCommit() {
			t.Error("the cookie is to be set before the reply")
		}
		sv.check(r.end(ok200))
		sv.total(1)
		sv.stored(1)
		if c.id == "" {
			t.Error("no cookie")
		}
		c.count(7)
	}
}

func TestM11_UnknownIDIsNeverTakenOver(t *testing.T) {
	for _, mode := range allModes {
		t.Run(mode.String(), func(t *testing.T) {
			sv := newService(t, session.Config{})
			c := sv.client()
			c.id = id24('x')
			r := c.begin()
			s := r.acquire(mode)
			if !s.IsNew() || s.ID() == c.id {
				t.Error("the unknown ID was taken over")
			}
			sv.total(1)

			// Whatever this request acquires now, the ID is not looked up again.
			if mode == session.Exclusive {
				sv.check(countKey.Set(s, 1))
				sv.check(s.Save(r.ctx))
			} else {
				s2 := r.acquire(session.Exclusive)
				sv.check(countKey.Set(s2, 1))
				if s2.ID() == id24('x') {
					t.Error("the unknown ID was taken over")
				}
				sv.check(s2.Save(r.ctx))
			}
			if n := sv.calls.Counts()[sessiontest.OpAcquire] + sv.calls.Counts()[sessiontest.OpLoad]; n != 1 {
				t.Errorf("%d lookups, want 1", n)
			}
			sv.check(r.end(ok200))
			if c.id == id24('x') {
				t.Error("the client keeps the unknown ID")
			}
			c.count(1)
			if n := len(sv.events.of(session.EventUnknownID)); n != 1 {
				t.Errorf("%d unknown IDs were observed", n)
			}
		})
	}
}

func TestM11_OneLookupAfterRelease(t *testing.T) {
	sv := newService(t, session.Config{})
	c := sv.client()
	c.id = id24('x')
	r := c.begin()
	sv.check(r.acquire(session.Exclusive).Release(r.ctx))
	r.acquire(session.ReadOnly)
	sv.check(r.end(ok200))
	sv.total(1)
	r.noCookie()
}

func TestM11_IllFormedIDsCostNothing(t *testing.T) {
	for _, id := range []string{"short", id24('x') + "x", id24('é')[:24], id24('x')[:23] + "=", id24('x')[:23] + "+", `"` + id24('x')} {
		sv := newService(t, session.Config{})
		c := sv.client()
		c.id = id
		sv.check(c.do(session.Exclusive, func(s *session.Session) {
			if !s.IsNew() || s.ID() == id {
				t.Error("taken over")
			}
		}))
		r := c.begin() // nor does one that never acquires
		sv.check(r.end(ok200))
		sv.check(closeSoon(sv.Manager))
		sv.total(0)
	}
}

// A session that has ended between the lookup and the save is not brought
// back, nor is its ID.
func TestM11_ExpiredIDGetsANewOne(t *testing.T) {
	inBubble(t, writeModes, func(t *testing.T, mode session.Mode) {
		sv := newService(t, session.Config{})
		c := sv.visitor()
		old := c.id
		settle(sv.idleAndMore())
		sv.check(c.do(mode, func(s *session.Session) {
			if !s.IsNew() || s.Has("count") {
				t.Error("an expired session lives on")
			}
			sv.check(countKey.Set(s, 2))
		}))
		if c.id == old {
			t.Error("the expired ID was taken over")
		}
		sv.stored(1)
		c.count(2)
	})
}
