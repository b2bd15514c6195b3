package session_test

import (
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// What a client has chosen must not survive a login (M16).
func TestM16_RenewOfAnAdoptedID(t *testing.T) {
	for _, mode := range writeModes {
		t.Run(mode.String(), func(t *testing.T) {
			sv := newService(t, adopting)
			c := sv.adopter()
			r := c.begin()
			s := r.acquire(mode)
			sv.check(countKey.Set(s, 1))
			sv.check(s.Renew())
			sv.check(r.end(ok200))
			if c.id == id24('a') {
				t.Fatal("Renew has left the ID that the client chose")
			}
			sv.stored(1)
			c.count(1)
		})
	}
}

// login is what a handler does that needs the new ID and the data together.
func login(sv *service, s *session.Session) {
	sv.t.Helper()
	sv.check(countKey.Set(s, 2))
	sv.check(s.SetOwner("ann"))
	sv.check(s.Renew())
}

func TestM16_RenewMovesTheSession(t *testing.T) {
	for _, mode := range writeModes {
		t.Run(mode.String(), func(t *testing.T) {
			sv := newService(t, session.Config{})
			c := sv.visitor()
			old := *c
			r := c.begin()
			s := r.acquire(mode)
			created := s.Created()
			login(sv, s)
			if s.ID() != old.id {
				t.Error("the ID changes with the save, not before")
			}
			sv.check(r.end(ok200))
			if mode == session.Exclusive {
				sv.total(2)
			}
			if c.id == old.id || s.ID() != c.id {
				t.Error("no new ID")
			}
			sv.stored(1)
			c.count(2)
			sv.check(c.do(session.Exclusive, func(s *session.Session) {
				if s.Owner() != "ann" || s.IsNew() || !s.Created().Equal(created) {
					t.Error("the session has changed by its move")
				}
			}))
		})
	}
}

// The old ID says ErrRenewed for the grace, in every mode, and is then like
// any unknown ID.
func TestM16_OldID(t *testing.T) {
	inBubble(t, allModes, func(t *testing.T, mode session.Mode) {
		for grace, config := range map[time.Duration]time.Duration{time.Minute: 0, 10 * time.Minute: 10 * time.Minute, 0: -1} {
			sv := newService(t, session.Config{RenewGrace: config})
			c := sv.visitor()
			old := &client{t: t, m: sv.Manager, id: c.id}
			sv.check(c.do(session.Exclusive, func(s *session.Session) { login(sv, s) }))
			if grace > 0 {
				time.Sleep(grace - time.Millisecond)
				r := old.begin()
				_, err := session.Acquire(r.ctx, mode)
				wantIs(t, err, session.ErrRenewed)
				if session.HTTPStatus(err) != 409 {
					t.Error("status", session.HTTPStatus(err))
				}
				sv.check(r.end(session.Outcome{Status: 409}))
				r.noCookie()
			}
			time.Sleep(2 * time.Millisecond)
			sv.check(old.do(mode, func(s *session.Session) {
				if !s.IsNew() || s.Has("count") || s.ID() == old.id {
					t.Error("the old ID opens something")
				}
			}))
			sv.stored(1)
		}
	})
}

func TestM16_WaitersUnderTheOldID(t *testing.T) {
	inBubble(t, []session.Mode{session.Exclusive, session.ReadOnly}, func(t *testing.T, mode session.Mode) {
		for _, early := range []bool{false, true} {
			sv := newService(t, session.Config{})
			other := newProcess(t, sv.memory, session.Config{})
			c := sv.visitor()
			old := c.id
			r := c.begin()
			s := r.acquire(session.Exclusive)
			done := make(chan *request, 4)
			for _, m := range []*session.Manager{sv.Manager, other.Manager, sv.Manager, other.Manager} {
				go func() {
					r := (&client{t: t, m: m, id: old}).begin()
					_, err := session.Acquire(r.ctx, mode)
					wantIs(t, err, session.ErrRenewed)
					sv.check(r.end(session.Outcome{Status: session.HTTPStatus(err)}))
					done <- r
				}()
			}
			synctest.Wait()
			login(sv, s)
			if early {
				sv.check(r.BeforeReply(r.ctx, ok200))
			} else {
				sv.check(r.end(ok200))
			}
			for range 4 { // also while the renewed session is still held
				(<-done).noCookie()
			}
			if early {
				sv.check(r.end(ok200))
			}
			c.count(2)
			sv.stored(1)
		}
	})
}

// A login's user and its new ID cannot come apart, whatever happens to the
// answer of the save.
func TestM16_RenewIsAtomicWithTheSave(t *testing.T) {
	kinds := []sessiontest.FaultKind{sessiontest.FailBefore, sessiontest.FailAfter, sessiontest.HangBefore, sessiontest.HangAfter}
	inBubble(t, writeModes, func(t *testing.T, mode session.Mode) {
		for _, kind := range kinds {
			for _, n := range []int{1, 3, -1} {
				sv := newService(t, session.Config{})
				c := sv.visitor()
				old := *c
				r := c.begin()
				s := r.acquire(mode)
				login(sv, s)
				sv.faults.Next(sessiontest.OpSave, n, sessiontest.Fault{Kind: kind})
				err := r.end(ok200)
				sv.reset()
				settle(time.Minute / 2)

				took := kind == sessiontest.FailAfter || kind == sessiontest.HangAfter || n > 0
				hangs := kind == sessiontest.HangBefore || kind == sessiontest.HangAfter
				if n < 0 || hangs && n > 1 { // SaveTimeout passed
					wantIs(t, err, session.ErrUnavailable)
					r.noCookie()
				} else {
					sv.check(err)
					c.count(2)
				}
				if hangs && n > 1 {
					took = kind == sessiontest.HangAfter
				}
				// Under the old ID there is all of the old session or nothing.
				r = old.begin()
				s, err = session.Acquire(r.ctx, session.Exclusive)
				if took {
					wantIs(t, err, session.ErrRenewed)
				} else if n, _ := countKey.Get(s); err != nil || n != 1 || s.Owner() != "" {
					t.Errorf("kind %v, %d times: %v: a half of the login is stored: count %d, owner %q", kind, n, err, n, s.Owner())
				}
				sv.check(r.end(ok200))
				sv.stored(1)
			}
		}
	})
}

func TestM16_ClientGone(t *testing.T) {
	inBubble(t, writeModes, func(t *testing.T, mode session.Mode) {
		sv := newService(t, session.Config{})
		c := sv.visitor()
		r := c.begin()
		login(sv, r.acquire(mode))
		r.cancel()
		if err := r.end(ok200); err == nil {
			t.Error("renewed for a client that is gone")
		}
		r.noCookie()
		settle(time.Second)
		c.count(1)
		sv.check(c.do(session.Exclusive, func(s *session.Session) {
			if s.Owner() != "" {
				t.Error("a part of the login was stored")
			}
		}))
	})
}

func TestM16_RenewOfANewSession(t *testing.T) {
	for _, mode := range writeModes {
		sv := newService(t, session.Config{})
		c := sv.client()
		r := c.begin()
		s := r.acquire(mode)
		sv.check(s.Renew())
		login(sv, s)
		sv.check(r.end(ok200))
		sv.total(1)
		sv.stored(1)
		c.count(2)
	}
}

// After an early flush the lock is held and renewed under the new key.
func TestM16_RenewThenEarlyHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sv := newService(t, session.Config{})
		other := newProcess(t, sv.memory, session.Config{})
		c := sv.visitor()
		r := c.begin()
		s := r.acquire(session.Exclusive)
		ctx := s.Context()
		login(sv, s)
		sv.check(r.BeforeReply(r.ctx, ok200))
		r.keepCookie()
		if s.ID() != c.id {
			t.Error("no new ID")
		}
		wantIs(t, s.Renew(), session.ErrHeadersSent)

		seen := make(chan int, 2)
		for _, m := range []*session.Manager{sv.Manager, other.Manager} {
			go func() {
				sv.check((&client{t: t, m: m, id: c.id}).do(session.Exclusive, func(s *session.Session) {
					n, _ := countKey.Get(s)
					seen <- n
				}))
			}()
		}
		settle(28 * time.Second) // nearly two leases
		if len(seen) > 0 || ctx.Err() != nil {
			t.Fatal("the lock was not kept under the new key")
		}
		if n := sv.calls.Counts()[sessiontest.OpExtend]; n < 5 {
			t.Error("renewed", n, "times")
		}
		sv.check(countKey.Set(s, 3))
		sv.check(r.end(ok200))
		if a, b := <-seen, <-seen; a != 3 || b != 3 {
			t.Error("saw", a, b)
		}
		if n := len(sv.events.of(session.EventLockLost)); n != 0 {
			t.Error("a lost lock was reported")
		}
	})
}

func TestM16_RenewThenAbandon(t *testing.T) {
	for _, mode := range writeModes {
		for _, save := range []bool{false, true} {
			sv := newService(t, session.Config{})
			c := sv.visitor()
			r := c.begin()
			s := r.acquire(mode)
			login(sv, s)
			if save {
				sv.check(s.Save(r.ctx))
			}
			sv.check(s.Abandon())
			sv.check(r.end(ok200))
			r.cleared()
			sv.stored(0)
		}
	}
}

func TestM16_TwoRenews(t *testing.T) {
	for _, mode := range writeModes {
		t.Run(mode.String(), func(t *testing.T) {
			sv := newService(t, session.Config{})
			c := sv.visitor()
			ids := map[string]bool{c.id: true}
			r := c.begin()
			s := r.acquire(mode)
			sv.check(s.Renew())
			sv.check(s.Renew())
			sv.check(s.Save(r.ctx))
			ids[s.ID()] = true
			sv.check(countKey.Set(s, 2))
			sv.check(s.Renew())
			sv.check(r.end(ok200))
			if ids[c.id] || len(ids) != 2 || r.cookie().Value != s.ID() {
				t.Error("not renewed twice")
			}
			sv.stored(1)
			c.count(2)
			for id := range ids {
				_, err := session.Acquire((&client{t: t, m: sv.Manager, id: id}).begin().ctx, session.Snapshot)
				wantIs(t, err, session.ErrRenewed)
			}
		})
	}
}

// Two requests of one client renew side by side: one of them wins, the other
// is told, and the client ends up with the winner's cookie.
func TestM16_RenewSideBySide(t *testing.T) {
	inBubble(t, writeModes, func(t *testing.T, mode session.Mode) {
		sv := newService(t, session.Config{})
		c := sv.visitor()
		a, b := c.begin(), c.begin()
		sa := a.acquire(session.Concurrent)
		login(sv, sa)
		done := make(chan error)
		go func() {
			s, err := session.Acquire(b.ctx, mode)
			if err == nil {
				time.Sleep(time.Millisecond)
				sv.check(s.Renew())
				err = b.Finish(b.ctx, ok200)
			}
			done <- err
		}()
		synctest.Wait()
		if mode == session.Exclusive { // b holds the lock: a waits for it
			wantIs(t, a.end(ok200), session.ErrRenewed)
			a.noCookie()
			sv.check(<-done)
			b.keepCookie()
			c.count(1)
		} else {
			sv.check(a.end(ok200))
			wantIs(t, <-done, session.ErrRenewed)
			b.noCookie()
			c.count(2)
		}
		sv.stored(1)
	})
}

// Changes that another request has made meanwhile are merged by a Renew.
func TestM16_RenewInConcurrentMerges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sv := newService(t, session.Config{})
		c := sv.visitor()
		r := c.begin()
		s := r.acquire(session.Concurrent)
		add := func(s *session.Session) {
			sv.check(countKey.Update(s, func(n int) int { return n + 1 }))
		}
		add(s)
		sv.check(s.Renew())
		sv.check((&client{t: t, m: sv.Manager, id: c.id}).do(session.Concurrent, add))
		sv.check(r.end(ok200))
		c.count(3)
	})
}

func TestM16_RefusedInReadOnlyModes(t *testing.T) {
	for _, mode := range []session.Mode{session.ReadOnly, session.Snapshot} {
		sv := newService(t, session.Config{})
		c := sv.visitor()
		old := c.id
		sv.check(c.do(mode, func(s *session.Session) { wantIs(t, s.Renew(), session.ErrReadOnly) }))
		if c.id != old {
			t.Error("renewed")
		}
	}
}
