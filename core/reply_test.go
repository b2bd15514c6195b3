package session_test

import (
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

func TestM12_EarlyHeadersStoreANewSessionLocked(t *testing.T) {
	inBubble(t, writeModes, func(t *testing.T, mode session.Mode) {
		sv := newService(t, session.Config{})
		c := sv.client()
		r := c.begin()
		s := r.acquire(mode)
		sv.check(countKey.Set(s, 1))
		if r.cookie() != nil {
			t.Error("the cookie is there before the session is stored")
		}
		sv.check(r.BeforeReply(r.ctx, ok200))
		if ck := r.cookie(); ck == nil || ck.Value != s.ID() {
			t.Fatal("no cookie when the headers go out")
		}
		r.keepCookie()
		sv.stored(1)
		c.count(1)
		if r.NeedsCommit() {
			t.Error("all is stored")
		}

		// The client can come back at once: an Exclusive request waits for
		// the one that still runs.
		got := make(chan int)
		go func() {
			c := &client{t: t, m: newProcess(t, sv.memory, session.Config{}).Manager, id: c.id}
			sv.check(c.do(session.Exclusive, func(s *session.Session) {
				n, _ := countKey.Get(s)
				got <- n
			}))
		}()
		settle(10 * time.Second)
		if mode == session.Exclusive {
			select {
			case <-got:
				t.Fatal("two requests hold the session")
			default:
			}
			settle(10 * time.Second) // the lock is renewed
			sv.check(countKey.Set(s, 2))
			sv.check(r.end(ok200))
			if n := <-got; n != 2 {
				t.Error("saw", n)
			}
			return
		}
		<-got
		sv.check(countKey.Set(s, 2))
		sv.check(r.end(ok200))
		c.count(2)
	})
}

func TestM12_FailureBeforeTheReplyGivesNoCookie(t *testing.T) {
	inBubble(t, writeModes, func(t *testing.T, mode session.Mode) {
		for _, kind := range []sessiontest.FaultKind{sessiontest.FailBefore, sessiontest.HangBefore} {
			for _, early := range []bool{true, false} {
				sv := newService(t, session.Config{})
				sv.faults.Next(sessiontest.OpAny, -1, sessiontest.Fault{Kind: kind})
				r := sv.client().begin()
				s := r.acquire(mode)
				sv.check(countKey.Set(s, 1))
				begun := time.Now()
				if early {
					wantIs(t, r.BeforeReply(r.ctx, ok200), session.ErrUnavailable)
					wantIs(t, countKey.Set(s, 2), session.ErrHeadersSent)
					wantIs(t, r.end(session.Outcome{Status: 503}), nil)
				} else {
					wantIs(t, r.end(ok200), session.ErrUnavailable)
				}
				if took := time.Since(begun); took > 11*time.Second {
					t.Errorf("SaveTimeout is 10s, it took %v", took)
				}
				r.noCookie()
				r.RestoreCookie()
				r.noCookie()
				sv.stored(0)
				sv.reset()
			}
		}
	})
}

// What a Release could not store is not hidden by a reply that says that all is
// well, whatever becomes of the Release's error; unless the session is acquired
// again.
func TestM12_WhatAReleaseHasLost(t *testing.T) {
	for name, c := range map[string]struct {
		reply func(*request) error
		want  error
	}{
		"200":      {func(r *request) error { return r.end(ok200) }, session.ErrUnavailable},
		"unknown":  {func(r *request) error { return r.end(session.Outcome{}) }, session.ErrUnavailable},
		"redirect": {func(r *request) error { return r.end(session.Outcome{Status: 303}) }, session.ErrUnavailable},
		"404":      {func(r *request) error { return r.end(session.Outcome{Status: 404}) }, nil},
		"503":      {func(r *request) error { return r.end(session.Outcome{Status: 503}) }, nil},
		"panic":    {func(r *request) error { return r.end(session.Outcome{Panicked: true}) }, nil},
		"early": {func(r *request) error {
			err := r.BeforeReply(r.ctx, ok200)
			wantIs(t, r.end(session.Outcome{Status: 503}), nil)
			return err
		}, session.ErrUnavailable},
		"early 404": {func(r *request) error {
			wantIs(t, r.BeforeReply(r.ctx, session.Outcome{Status: 404}), nil)
			return r.end(session.Outcome{Status: 404})
		}, nil},
		"hijacked": {func(r *request) error {
			err := r.BeforeHijack(r.ctx, session.Outcome{Status: 101})
			wantIs(t, r.end(session.Outcome{Status: 503}), nil)
			return err
		}, session.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, writeModes, func(t *testing.T, mode session.Mode) {
				sv := newService(t, session.Config{})
				sv.faults.Next(sessiontest.OpAny, -1, down)
				r := sv.client().begin()
				s := r.acquire(mode)
				sv.check(countKey.Set(s, 1))
				wantIs(t, s.Release(r.ctx), session.ErrUnavailable)
				wantIs(t, c.reply(r), c.want)
				r.noCookie()
				sv.stored(0)
			})
		})
	}
	inBubble(t, writeModes, func(t *testing.T, mode session.Mode) {
		sv := newService(t, session.Config{})
		c := sv.visitor()
		r := c.begin()
		s := r.acquire(mode)
		sv.check(countKey.Set(s, 2))
		sv.faults.Next(sessiontest.OpAny, -1, down)
		wantIs(t, s.Release(r.ctx), session.ErrUnavailable)
		sv.reset()
		s = r.acquire(mode)
		sv.check(countKey.Set(s, 3))
		sv.check(s.Release(r.ctx))
		sv.check(r.end(ok200))
		c.count(3)
	})
}

// An answer that got lost is no failure: the repeat finds what was stored.
func TestM12_LostAnswers(t *testing.T) {
	inBubble(t, writeModes, func(t *testing.T, mode session.Mode) {
		for _, kind := range []sessiontest.FaultKind{sessiontest.FailBefore, sessiontest.FailAfter, sessiontest.HangAfter} {
			sv := newService(t, session.Config{})
			c := sv.client()
			sv.faults.Next(sessiontest.OpCreate, 1, sessiontest.Fault{Kind: kind})
			sv.faults.Next(sessiontest.OpSave, 1, sessiontest.Fault{Kind: kind})
			sv.faults.Next(sessiontest.OpSwap, 1, sessiontest.Fault{Kind: kind})
			for n := range 3 {
				sv.check(c.do(mode, func(s *session.Session) {
					sv.check(countKey.Update(s, func(n int) int { return n + 1 }))
				}))
				c.count(n + 1)
			}
			sv.stored(1)
		}
	})
}

func TestM12_ChangesAfterTheHeaders(t *testing.T) {
	for _, mode := range writeModes {
		t.Run(mode.String(), func(t *testing.T) {
			sv := newService(t, session.Config{})
			c := sv.visitor()
			r := c.begin()
			s := r.acquire(mode)
			sv.check(r.BeforeReply(r.ctx, ok200))
			sv.check(countKey.Set(s, 2))
			wantIs(t, s.Renew(), session.ErrHeadersSent)
			sv.check(r.end(ok200))
			r.noCookie()
			c.count(2)
		})
	}
}

func TestM12_NewSessionAfterTheHeaders(t *testing.T) {
	for _, mode := range writeModes {
		sv := newService(t, session.Config{})
		r := sv.client().begin()
		s := r.acquire(mode)
		sv.check(r.BeforeReply(r.ctx, ok200))
		wantIs(t, countKey.Set(s, 2), session.ErrHeadersSent)
		wantIs(t, countKey.Update(s, func(n int) int { return n + 1 }), session.ErrHeadersSent)
		wantIs(t, s.SetOwner("ann"), session.ErrHeadersSent)
		wantIs(t, s.Renew(), session.ErrHeadersSent)
		if s.Has("count") || s.Owner() != "" {
			t.Error("a refused change was made")
		}
		sv.check(r.end(ok200))
		r.noCookie()
		sv.total(0)
	}
}

// Acquired only after the headers have gone: an old session can be changed, a
// new one cannot be.
func TestM12_AcquireAfterTheHeaders(t *testing.T) {
	sv := newService(t, session.Config{})
	c := sv.visitor()
	r := c.begin()
	sv.check(r.BeforeReply(r.ctx, ok200))
	sv.check(countKey.Set(r.acquire(session.Exclusive), 2))
	sv.check(r.end(ok200))
	c.count(2)

	r = sv.client().begin()
	sv.check(r.BeforeReply(r.ctx, ok200))
	wantIs(t, countKey.Set(r.acquire(session.Exclusive), 2), session.ErrHeadersSent)
	sv.check(r.end(ok200))
	r.noCookie()
	sv.stored(1)
}

func TestM12_HijackReleases(t *testing.T) {
	inBubble(t, writeModes, func(t *testing.T, mode session.Mode) {
		sv := newService(t, session.Config{})
		c := sv.client()
		r := c.begin()
		s := r.acquire(mode)
		sv.check(countKey.Set(s, 1))
		sv.check(r.BeforeHijack(r.ctx, session.Outcome{Status: 101}))
		if r.cookie() == nil {
			t.Error("no cookie")
		}
		r.keepCookie()
		wantIs(t, countKey.Set(s, 2), session.ErrReleased)
		sv.check(c.do(session.Exclusive, func(s *session.Session) { sv.check(countKey.Set(s, 3)) }))
		sv.check(r.end(ok200))
		c.count(3)
	})
}

// M20: a client that has gone away does not abort the save of its session, but
// a new one is not made for it.
func TestM20_ClientGone(t *testing.T) {
	inBubble(t, writeModes, func(t *testing.T, mode session.Mode) {
		sv := newService(t, session.Config{})
		c := sv.visitor()
		r := c.begin()
		sv.check(countKey.Set(r.acquire(mode), 2))
		r.cancel()
		sv.check(r.end(ok200))
		c.count(2)

		r = sv.client().begin()
		sv.check(countKey.Set(r.acquire(mode), 2))
		r.cancel()
		if err := r.end(ok200); err == nil || session.HTTPStatus(err) != 499 {
			t.Error("a session was made that nobody can have:", err)
		}
		r.noCookie()
		sv.stored(1)
	})
}

func TestM12_NestedMiddlewareIsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sv := newService(t, session.Config{})
		r := sv.client().begin()
		inner, ctx := sv.Begin(r.ctx, r.ex)
		if inner != nil || ctx != r.ctx {
			t.Error("the same Manager's middleware is there twice")
		}
		sv.check(r.end(ok200))
	})
}
