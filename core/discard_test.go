package session_test

import (
	"context"
	"fmt"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

func TestM13_WhichOutcomesDiscard(t *testing.T) {
	tests := []struct {
		out  session.Outcome
		fail bool
	}{
		{session.Outcome{}, false},
		{session.Outcome{Status: 200}, false},
		{session.Outcome{Status: 302}, false},
		{session.Outcome{Status: 400}, false},
		{session.Outcome{Status: 499}, false},
		{session.Outcome{Status: 500}, true},
		{session.Outcome{Status: 503}, true},
		{session.Outcome{Status: 599}, true},
		{session.Outcome{Err: errBoom}, true},
		{session.Outcome{Err: errBoom, Status: 200}, true},
		{session.Outcome{Err: errBoom, Status: 404}, false},
		{session.Outcome{Err: errBoom, Status: 502}, true},
		{session.Outcome{Panicked: true}, true},
		{session.Outcome{Panicked: true, Status: 200}, true},
	}
	for _, tt := range tests {
		for _, mode := range writeModes {
			t.Run(fmt.Sprintf("%+v/%v", tt.out, mode), func(t *testing.T) {
				if tt.out.Failed() != tt.fail {
					t.Fatal("Failed is", !tt.fail)
				}
				sv := newService(t, session.Config{})
				c, want := sv.visitor(), 2
				if tt.fail {
					want = 1
				}
				r := c.begin()
				s := r.acquire(mode)
				sv.check(countKey.Set(s, 2))
				sv.check(s.SetOwner("ann"))
				sv.check(r.end(tt.out))
				r.noCookie()
				c.count(want)
				wantIs(t, countKey.Set(s, 3), session.ErrReleased)
				if mode == session.Exclusive {
					sv.total(3) // acquire, save or release; and count's
				}
				// The lock is free.
				sv.check(c.do(session.Exclusive, func(s *session.Session) {
					if owner := s.Owner(); (owner == "") != tt.fail {
						t.Errorf("owner is %q", owner)
					}
				}))
			})
		}
	}
}

func TestM13_NewSessionOfAFailedRequest(t *testing.T) {
	for _, mode := range writeModes {
		sv := newService(t, session.Config{})
		r := sv.client().begin()
		sv.check(countKey.Set(r.acquire(mode), 1))
		sv.check(r.end(error500))
		r.noCookie()
		sv.total(0)
	}
}

func TestM13_SaveBeforeStaysWithItsCookie(t *testing.T) {
	for _, mode := range writeModes {
		t.Run(mode.String(), func(t *testing.T) {
			sv := newService(t, session.Config{})
			c := sv.client()
			r := c.begin()
			s := r.acquire(mode)
			sv.check(countKey.Set(s, 1))
			sv.check(s.Save(r.ctx))
			sv.check(countKey.Set(s, 2))
			sv.check(s.Renew())

			// The error handler begins with empty headers.
			clear(r.ex.reply)
			r.RestoreCookie()
			if ck := r.cookie(); ck == nil || ck.Value != s.ID() {
				t.Error("what was stored has lost its cookie")
			}
			sv.check(r.end(error500))
			if r.cookie() == nil || r.cookie().Value != c.id {
				t.Error("what was stored has lost its cookie")
			}
			c.count(1)
			sv.stored(1)
		})
	}
}

func TestM13_EarlyHeadersOfAFailedRequest(t *testing.T) {
	for _, mode := range writeModes {
		sv := newService(t, session.Config{})
		r := sv.client().begin()
		sv.check(countKey.Set(r.acquire(mode), 1))
		sv.check(r.BeforeReply(r.ctx, error500))
		r.noCookie()
		sv.check(r.end(error500))
		r.noCookie()
		sv.total(0)
	}
}

// What an early flush has stored stays, even if the handler then panics.
func TestM13_FlushedBeforeThePanic(t *testing.T) {
	for _, mode := range writeModes {
		sv := newService(t, session.Config{})
		c := sv.client()
		r := c.begin()
		s := r.acquire(mode)
		sv.check(countKey.Set(s, 1))
		sv.check(r.BeforeReply(r.ctx, ok200))
		sv.check(countKey.Set(s, 2))
		sv.check(r.end(session.Outcome{Status: 200, Panicked: true}))
		c.count(1)
		sv.check(c.do(session.Exclusive, func(*session.Session) {})) // free
	}
}

func TestM13_ConfigDiscard(t *testing.T) {
	var seen []session.Outcome
	sv := newService(t, session.Config{Discard: func(o session.Outcome) bool {
		seen = append(seen, o)
		return o.Status == 404
	}})
	c := sv.visitor()
	seen = nil
	for status, want := range map[int]int{500: 5, 404: 5} {
		r := c.begin()
		s := r.acquire(session.Exclusive)
		n := 5
		if status == 404 {
			n = 6
		}
		sv.check(countKey.Set(s, n))
		sv.check(r.end(session.Outcome{Status: status, Err: errBoom}))
		if status == 500 {
			c.count(want)
		}
	}
	sv.check(c.do(session.Exclusive, func(s *session.Session) {
		if n, _ := countKey.Get(s); n != 5 {
			t.Error(n)
		}
	}))
	if len(seen) < 3 || seen[0].Err == nil {
		t.Error("Discard was not asked:", seen)
	}
}

func TestM13_ReleaseInTheHandlerStays(t *testing.T) {
	sv := newService(t, session.Config{})
	c := sv.visitor()
	r := c.begin()
	s := r.acquire(session.Exclusive)
	sv.check(countKey.Set(s, 2))
	sv.check(s.Release(r.ctx))
	sv.check(r.end(error500))
	c.count(2)
}

// A4: nor can a panic in Config.Discard.
func TestA4_PanicInDiscard(t *testing.T) {
	panics := false
	sv := newService(t, session.Config{Discard: func(session.Outcome) bool {
		if panics {
			panic("discard")
		}
		return false
	}})
	c := sv.visitor()
	r := c.begin()
	s := r.acquire(session.Exclusive)
	sv.check(countKey.Set(s, 2))
	func() {
		panics = true
		defer func() {
			panics = false
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = r.Finish(r.ctx, ok200)
	}()
	wantIs(t, countKey.Set(s, 3), session.ErrReleased)
	sv.check(c.do(session.Exclusive, func(*session.Session) {}))
	c.count(1)
}

// panicCodec panics for some values.
type panicCodec struct{ session.JSON }

func (panicCodec) Encode(v any) ([]byte, error) {
	if v == -1 {
		panic("codec")
	}
	return session.JSON{}.Encode(v)
}

// A4: a panic in what runs during the save cannot keep the lock.
func TestA4_PanicInTheSave(t *testing.T) {
	sv := newService(t, session.Config{Codec: panicCodec{}})
	c := sv.visitor()
	r := c.begin()
	s := r.acquire(session.Concurrent)
	calls := 0
	sv.check(countKey.Update(s, func(n int) int {
		if calls++; calls > 1 {
			return -1
		}
		return n + 1
	}))
	sv.check((&client{t: t, m: sv.Manager, id: c.id}).do(session.Exclusive, func(s *session.Session) {
		sv.check(countKey.Set(s, 10)) // so that the Update runs again
	}))
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = r.Finish(context.Background(), ok200)
	}()
	wantIs(t, countKey.Set(s, 1), session.ErrReleased)
	sv.check(c.do(session.Exclusive, func(s *session.Session) {}))
	c.count(10)
	if n := sv.calls.Counts()[sessiontest.OpSave]; n != 1 {
		t.Error(n, "saves")
	}
}
