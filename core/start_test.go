package session_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// starter is an OnStart that counts its calls, and has new sessions begin with
// a count of 10.
type starter struct {
	t    testing.TB
	runs int
}

func (st *starter) start(_ context.Context, s *session.Session) error {
	st.runs++
	if !s.IsNew() {
		st.t.Error("OnStart for a session that is not new")
	}
	return countKey.Update(s, func(n int) int { return n + 10 })
}

func (st *starter) ran(want int) {
	st.t.Helper()
	if st.runs != want {
		st.t.Errorf("OnStart ran %d times, want %d", st.runs, want)
	}
}

func TestM17_OnStartRunsOnceBeforeTheHandler(t *testing.T) {
	for _, mode := range allModes {
		t.Run(mode.String(), func(t *testing.T) {
			st := &starter{t: t}
			sv := newService(t, session.Config{OnStart: st.start})
			c := sv.client()
			r := c.begin()
			s := r.acquire(mode)
			st.ran(1)
			if n := get(t, s); n != 10 || !s.IsNew() {
				t.Errorf("the handler finds %d", n)
			}
			sv.total(0)
			if !r.NeedsCommit() {
				t.Error("the reply does not wait for the new session to be stored")
			}
			sv.check(r.end(ok200))
			if c.id == "" {
				t.Fatal("no cookie")
			}
			sv.total(1) // M21: Create and nothing else
			sv.stored(1)
			for _, again := range allModes {
				sv.check(c.do(again, func(s *session.Session) {
					if s.IsNew() || get(t, s) != 10 {
						t.Error("another session")
					}
				}))
			}
			st.ran(1)
			if n := len(sv.events.of(session.EventStarted)); n != 1 {
				t.Errorf("%d events, want 1", n)
			}
		})
	}
}

// With an OnStart that does nothing, untouched sessions are stored all the
// same; and read-only ones stay so for the handler.
func TestM17_UntouchedIsStored(t *testing.T) {
	for _, mode := range allModes {
		sv := newService(t, session.Config{OnStart: func(context.Context, *session.Session) error { return nil }})
		c := sv.client()
		sv.check(c.do(mode, func(s *session.Session) {
			err := countKey.Set(s, 1)
			if readsOnly(mode) {
				wantIs(t, err, session.ErrReadOnly)
			} else {
				sv.check(s.Delete(countKey.Name()))
			}
		}))
		if c.id == "" {
			t.Error(mode, "no cookie")
		}
		sv.stored(1)
	}
}

func TestM17_OnStartIsNotRunForWhoDoesNotAcquire(t *testing.T) {
	st := &starter{t: t}
	sv := newService(t, session.Config{OnStart: st.start})
	sv.check(sv.client().begin().end(ok200))
	st.ran(0)
	sv.total(0)
}

func TestM17_FailingOnStartRefusesTheRequest(t *testing.T) {
	for _, mode := range allModes {
		for _, adopt := range []bool{false, true} {
			fail := true
			sv := newService(t, session.Config{AdoptExpiredID: adopt, OnStart: func(_ context.Context, s *session.Session) error {
				set(t, s, 1)
				if fail {
					return fmt.Errorf("%w: %w", session.ErrUnavailable, errBoom)
				}
				return nil
			}})
			c := sv.client()
			c.id = id24('a')
			r := c.begin()
			s, err := session.Acquire(r.ctx, mode)
			wantIs(t, err, errBoom)
			if s != nil || session.HTTPStatus(err) != 503 {
				t.Error("the error's own status is not what the client gets:", err)
			}
			if session.From(r.ctx) != nil {
				t.Error("the session is there all the same")
			}
			sv.check(r.end(session.Outcome{Status: 503}))
			r.noCookie()
			sv.stored(0)
			// The client's next request is as good as its first.
			fail = false
			sv.check(c.do(mode, func(s *session.Session) {
				if !s.IsNew() || get(t, s) != 1 {
					t.Error("not a new session")
				}
			}))
			sv.stored(1)
		}
	}
}

func TestM17_PanickingOnStart(t *testing.T) {
	for _, mode := range allModes {
		sv := newService(t, session.Config{OnStart: func(context.Context, *session.Session) error { panic(errBoom) }})
		r := sv.client().begin()
		func() {
			defer func() {
				if v := recover(); v != errBoom {
					t.Errorf("recovered %v", v)
				}
			}()
			_, err := session.Acquire(r.ctx, mode)
			t.Error("Acquire returned", err)
		}()
		sv.check(r.end(session.Outcome{Panicked: true}))
		r.noCookie()
		sv.stored(0)
		if left := sv.Leftovers(); left != "" {
			t.Error(left)
		}
	}
}

// What OnStart has done is a change like another: who fails, or goes away,
// gets no session (M13, M20).
func TestM17_StartIsDroppedWithItsRequest(t *testing.T) {
	for _, mode := range allModes {
		st := &starter{t: t}
		sv := newService(t, session.Config{OnStart: st.start})
		for _, out := range []session.Outcome{error500, {Panicked: true}, {Err: errBoom}} {
			r := sv.client().begin()
			r.acquire(mode)
			sv.check(r.end(out))
			r.noCookie()
		}
		r := sv.client().begin()
		r.acquire(mode)
		r.cancel()
		wantIs(t, r.end(ok200), context.Canceled)
		r.noCookie()
		r = sv.client().begin()
		sv.check(r.acquire(mode).Abandon())
		sv.check(r.end(ok200))
		r.noCookie()
		st.ran(5)
		sv.total(0)
	}
}

// A session that comes too late for a cookie can never be stored (M12).
func TestM17_NothingStartsAfterTheHeaders(t *testing.T) {
	for _, mode := range allModes {
		st := &starter{t: t}
		sv := newService(t, session.Config{OnStart: st.start})
		r := sv.client().begin()
		sv.check(r.BeforeReply(r.ctx, ok200))
		if s := r.acquire(mode); !s.IsNew() || s.Len() != 0 {
			t.Error("not an empty new session")
		}
		sv.check(r.end(ok200))
		st.ran(0)
		sv.total(0)
	}
}

func TestM17_EarlyHeadersStoreTheNewSession(t *testing.T) {
	for _, mode := range allModes {
		st := &starter{t: t}
		sv := newService(t, session.Config{OnStart: st.start})
		c := sv.client()
		r := c.begin()
		r.acquire(mode)
		sv.check(r.BeforeReply(r.ctx, ok200))
		if r.cookie() == nil {
			t.Error("no cookie")
		}
		sv.stored(1)
		sv.check(r.end(ok200))
		c.count(10)
	}
}

func TestM17_TheSessionInOnStart(t *testing.T) {
	bubble(t, func(t *testing.T) { // whoever waits for itself waits for ever
		for i, mode := range modes {
			p := start(t, memstore.New(), session.Config{OnStart: func(ctx context.Context, s *session.Session) error {
				if session.From(ctx) != s {
					t.Error("From does not find the session")
				}
				for j, again := range modes {
					got, err := session.Acquire(ctx, again)
					if j <= i && (got != s || err != nil) || j > i && (got != nil || err == nil) {
						t.Errorf("%v, then %v: %v", mode, again, err)
					}
				}
				return s.SetOwner("o")
			}})
			c := p.client("")
			if err := c.try(mode, func(*session.Session) {}); err != nil {
				t.Error(err)
			}
			if err := c.try(mode, func(s *session.Session) {
				if s.IsNew() || s.Owner() != "o" {
					t.Error("not the session that was started")
				}
			}); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestM17_SaveAndReleaseInOnStart(t *testing.T) {
	for _, mode := range allModes {
		release := false
		sv := newService(t, session.Config{OnStart: func(ctx context.Context, s *session.Session) error {
			set(t, s, 7)
			if release {
				return s.Release(ctx)
			}
			return s.Save(ctx)
		}})
		c := sv.client()
		r := c.begin()
		r.acquire(mode)
		sv.stored(1)
		sv.check(r.end(error500)) // what was saved stays (M13)
		if c.id == "" {
			t.Error("no cookie")
		}
		c.count(7)

		release = true
		r = sv.client().begin()
		if _, err := session.Acquire(r.ctx, mode); err == nil {
			t.Error("a session that OnStart has released")
		}
		sv.check(r.end(error500))
	}
}

// Waiting counts as waiting, OnStart does not.
func TestM17_OnStartIsNoWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := &eventLog{}
		p := start(t, memstore.New(), session.Config{Observer: log, OnStart: func(context.Context, *session.Session) error {
			time.Sleep(time.Second)
			return nil
		}})
		if err := p.client("").try(session.Exclusive, func(*session.Session) {}); err != nil {
			t.Error(err)
		}
		got := log.of(session.EventAcquired)
		if len(got) != 1 || got[0].Duration != 0 {
			t.Errorf("acquired: %+v", got)
		}
		if got = log.of(session.EventStarted); len(got) != 1 || got[0].Duration != time.Second {
			t.Errorf("started: %+v", got)
		}
	})
}

// A store that cannot store the new session refuses the reply.
func TestM17_StartThatCannotBeStored(t *testing.T) {
	inBubble(t, allModes, func(t *testing.T, mode session.Mode) {
		st := &starter{t: t}
		sv := newService(t, session.Config{OnStart: st.start})
		r := sv.client().begin()
		r.acquire(mode)
		sv.faults.Next(sessiontest.OpCreate, -1, down)
		wantIs(t, r.end(ok200), session.ErrUnavailable)
		r.noCookie()
		sv.stored(0)
	})
}
