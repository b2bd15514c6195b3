package session_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// cleared fails the test unless the reply takes the client's cookie away.
func (r *request) cleared() {
	r.c.t.Helper()
	if ck := r.cookie(); ck == nil || ck.MaxAge != -1 || ck.Value != "" {
		r.c.t.Errorf("the cookie is not taken away: %v", ck)
	}
}

func TestM15_AbandonRemovesSessionAndCookie(t *testing.T) {
	outcomes := []session.Outcome{ok200, {Status: 404}, error500, {Panicked: true}, {Err: errBoom}}
	for _, mode := range allModes {
		t.Run(mode.String(), func(t *testing.T) {
			for _, out := range outcomes {
				sv := newService(t, session.Config{})
				c := sv.visitor()
				r := c.begin()
				s := r.acquire(mode)
				if !readsOnly(mode) {
					sv.check(countKey.Set(s, 2)) // is not stored first
				}
				sv.check(s.Abandon())
				sv.check(s.Save(r.ctx))
				sv.stored(1)
				if !r.NeedsCommit() {
					t.Error("the reply has to wait for the removal")
				}
				sv.check(r.end(out))
				r.cleared()
				sv.stored(0)
				if c.id != "" {
					t.Error("the client keeps its cookie")
				}
				if n := sv.calls.Counts()[sessiontest.OpSave] + sv.calls.Counts()[sessiontest.OpSwap]; n != 0 {
					t.Error("an abandoned session was stored")
				}
			}
		})
	}
}

func readsOnly(mode session.Mode) bool {
	return mode == session.ReadOnly || mode == session.Snapshot
}

func TestM15_AbandonBeforeEarlyHeaders(t *testing.T) {
	for _, mode := range allModes {
		for _, out := range []session.Outcome{ok200, error500} {
			sv := newService(t, session.Config{})
			c := sv.visitor()
			r := c.begin()
			s := r.acquire(mode)
			sv.check(s.Abandon())
			sv.check(r.BeforeReply(r.ctx, out))
			r.cleared()
			sv.stored(0)
			sv.check(r.end(out))
			if n := sv.calls.Counts()[sessiontest.OpRemove]; n != 1 {
				t.Error(n, "removals")
			}
		}
	}
}

func TestM15_AbandonByRelease(t *testing.T) {
	for _, mode := range allModes {
		sv := newService(t, session.Config{})
		c := sv.visitor()
		old := c.id
		r := c.begin()
		s := r.acquire(mode)
		sv.check(s.Abandon())
		sv.check(s.Release(r.ctx))
		sv.stored(0)
		r.cleared()
		// The same request may begin a new session: a login in place of another.
		s = r.acquire(session.Exclusive)
		if !s.IsNew() || s.ID() == old {
			t.Error("the old ID lives on")
		}
		sv.check(countKey.Set(s, 9))
		sv.check(r.end(ok200))
		c.count(9)
		sv.stored(1)
	}
}

// A new session that is saved and abandoned in one request leaves no cookie.
func TestM15_AbandonOfANewSession(t *testing.T) {
	for _, mode := range writeModes {
		sv := newService(t, session.Config{})
		r := sv.client().begin()
		s := r.acquire(mode)
		sv.check(countKey.Set(s, 1))
		sv.check(s.Save(r.ctx))
		sv.check(s.Abandon())
		sv.check(r.end(ok200))
		r.cleared()
		sv.stored(0)
	}
}

func TestM15_InFlightCannotBringItBack(t *testing.T) {
	want := map[session.Mode]error{session.Exclusive: session.ErrLockLost, session.Concurrent: session.ErrConflict}
	for _, by := range []session.Mode{session.Snapshot, session.Concurrent} {
		inBubble(t, writeModes, func(t *testing.T, mode session.Mode) {
			for _, renew := range []bool{false, true} {
				sv := newService(t, session.Config{})
				c := sv.visitor()
				r := c.begin()
				s := r.acquire(mode)
				sv.check(countKey.Set(s, 2))
				if renew {
					sv.check(s.Renew())
				}

				logout := (&client{t: t, m: sv.Manager, id: c.id}).begin()
				sv.check(logout.acquire(by).Abandon())
				sv.check(logout.end(ok200))
				sv.stored(0)

				wantIs(t, s.Save(r.ctx), want[mode])
				err := r.end(ok200)
				wantIs(t, err, want[mode])
				if session.HTTPStatus(err) != 409 {
					t.Error("status", session.HTTPStatus(err))
				}
				r.noCookie()
				sv.stored(0)
			}
		})
	}
}

// Those who only read go on with what they have seen, and end well.
func TestM15_ReadersInFlight(t *testing.T) {
	for _, mode := range allModes {
		sv := newService(t, session.Config{})
		c := sv.visitor()
		r := c.begin()
		s := r.acquire(mode)
		logout := (&client{t: t, m: sv.Manager, id: c.id}).begin()
		sv.check(logout.acquire(session.Snapshot).Abandon())
		sv.check(logout.end(ok200))
		if n, err := countKey.Get(s); n != 1 || err != nil {
			t.Error(n, err)
		}
		sv.check(r.end(ok200))
		r.noCookie()
		sv.stored(0)
	}
}

// Who waits for an Exclusive request that abandons the session gets a new one.
func TestM15_WaitersGetANewSession(t *testing.T) {
	inBubble(t, []session.Mode{session.Exclusive, session.ReadOnly}, func(t *testing.T, mode session.Mode) {
		sv := newService(t, session.Config{})
		other := newProcess(t, sv.memory, session.Config{})
		c := sv.visitor()
		old := c.id
		r := c.begin()
		s := r.acquire(session.Exclusive)
		for _, m := range []*session.Manager{sv.Manager, other.Manager} {
			go func() {
				_ = (&client{t: t, m: m, id: old}).do(mode, func(s *session.Session) {
					if !s.IsNew() || s.ID() == old {
						t.Error("the session came back")
					}
				})
			}()
		}
		synctest.Wait()
		sv.check(s.Abandon())
		sv.check(r.end(ok200))
		settle(time.Second)
		sv.stored(0)
	})
}

func TestM15_StoreDown(t *testing.T) {
	inBubble(t, allModes, func(t *testing.T, mode session.Mode) {
		for _, out := range []session.Outcome{ok200, error500} {
			sv := newService(t, session.Config{})
			c := sv.visitor()
			r := c.begin()
			s := r.acquire(mode)
			sv.check(s.Abandon())
			sv.faults.Next(sessiontest.OpRemove, -1, down)
			wantIs(t, r.end(out), session.ErrUnavailable)
			r.noCookie() // the client can try to log out again
			sv.stored(1)
			sv.faults.Reset()
			settle(time.Second)

			r = c.begin() // and it is not locked
			sv.check(r.acquire(session.Exclusive).Abandon())
			sv.check(r.end(ok200))
			sv.stored(0)
		}
	})
}

func TestM15_LostAnswerOfTheRemoval(t *testing.T) {
	inBubble(t, allModes, func(t *testing.T, mode session.Mode) {
		sv := newService(t, session.Config{})
		r := sv.visitor().begin()
		sv.check(r.acquire(mode).Abandon())
		sv.faults.Next(sessiontest.OpRemove, 2, sessiontest.Fault{Kind: sessiontest.FailAfter})
		sv.check(r.end(ok200))
		r.cleared()
		sv.stored(0)
	})
}

// A new session may have been stored though its save has failed: Abandon
// removes it.
func TestM15_AbandonOfAnUncertainSession(t *testing.T) {
	inBubble(t, writeModes, func(t *testing.T, mode session.Mode) {
		sv := newService(t, session.Config{})
		r := sv.client().begin()
		s := r.acquire(mode)
		sv.check(countKey.Set(s, 1))
		sv.faults.Next(sessiontest.OpCreate, -1, sessiontest.Fault{Kind: sessiontest.FailAfter})
		wantIs(t, s.Save(r.ctx), session.ErrUnavailable)
		sv.stored(1)
		sv.check(s.Abandon())
		sv.check(r.end(ok200))
		sv.stored(0)
	})
}

// A logout that was on its way when another request gave the session a new ID
// must not be taken for done: the session lives on under the new one.
func TestM15_AbandonMeetsRenew(t *testing.T) {
	inBubble(t, []session.Mode{session.ReadOnly, session.Snapshot, session.Concurrent}, func(t *testing.T, mode session.Mode) {
		sv := newService(t, session.Config{})
		c := sv.visitor()
		logout := c.begin()
		s := logout.acquire(mode)

		renewing := &client{t: t, m: sv.Manager, id: c.id}
		sv.check(renewing.do(session.Exclusive, func(s *session.Session) { sv.check(s.Renew()) }))

		sv.check(s.Abandon())
		err := logout.end(ok200)
		wantIs(t, err, session.ErrRenewed)
		logout.noCookie() // it must not overwrite the new one (M16)

		sv.check(renewing.do(mode, func(s *session.Session) { sv.check(s.Abandon()) }))
		sv.stored(0)
	})
}

func TestM15_AbandonWinsOverALostLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sv := newService(t, session.Config{})
		other := newProcess(t, sv.memory, session.Config{})
		c := sv.visitor()
		r := c.begin()
		s := r.acquire(session.Exclusive)
		sv.faults.Next(sessiontest.OpExtend, -1, down)
		time.Sleep(16 * time.Second)
		r2 := (&client{t: t, m: other.Manager, id: c.id}).begin()
		s2 := r2.acquire(session.Exclusive)
		sv.check(countKey.Set(s2, 3))
		sv.check(s.Abandon())
		sv.check(r.end(ok200))
		r.cleared()
		if err := r2.end(ok200); !errors.Is(err, session.ErrLockLost) {
			t.Error(err)
		}
		sv.stored(0)
	})
}
