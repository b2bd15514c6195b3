package session_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// Who acquires a new session again, in a stronger mode, has it with what
// OnStart did, without a store call.
func TestM17_StrongerModeKeepsTheStart(t *testing.T) {
	for i, weak := range modes {
		for _, strong := range modes[i+1:] {
			st := &starter{t: t}
			sv := newService(t, session.Config{OnStart: st.start})
			c := sv.client()
			r := c.begin()
			first := r.acquire(weak)
			second := r.acquire(strong)
			if _, err := countKey.Get(first); !errors.Is(err, session.ErrReleased) {
				t.Error("the session of before:", err)
			}
			if first.ID() != second.ID() || second.Mode() != strong || !second.IsNew() || get(t, second) != 10 {
				t.Errorf("%v, then %v: not the session that was started", weak, strong)
			}
			if !readsOnly(strong) {
				sv.check(add(second))
			}
			sv.check(r.end(ok200))
			st.ran(1)
			sv.total(1)
			want := 11
			if readsOnly(strong) {
				want = 10
			}
			c.count(want)
			if left := sv.Leftovers(); left != "" {
				t.Error(left)
			}
		}
	}
	// What the handler has changed is not passed over, as ever.
	sv := newService(t, session.Config{OnStart: (&starter{t: t}).start})
	r := sv.client().begin()
	set(t, r.acquire(session.Concurrent), 1)
	if _, err := session.Acquire(r.ctx, session.Exclusive); err == nil {
		t.Error("an unsaved change was passed over")
	}
	sv.check(r.end(ok200))
}

// Unknown and unreadable sessions are followed by new ones (M11, M18).
func TestM17_StartInPlaceOfAnother(t *testing.T) {
	for _, mode := range allModes {
		st := &starter{t: t}
		sv := newService(t, session.Config{OnStart: st.start})
		c := sv.client()
		c.id = id24('x')
		sv.check(c.do(mode, func(*session.Session) {}))
		if c.id == id24('x') {
			t.Error("an unknown ID was taken over")
		}
		st.ran(1)
		c.count(10)
		sv.damage()
		sv.check(c.do(mode, func(*session.Session) {}))
		st.ran(2)
		c.count(10)
	}
}

func TestM17_TwoFirstRequestsAtOnce(t *testing.T) {
	for _, mode := range allModes {
		st := &starter{t: t}
		sv := newService(t, session.Config{OnStart: st.start})
		one, two := sv.client(), sv.client()
		r1, r2 := one.begin(), two.begin()
		r1.acquire(mode)
		r2.acquire(mode)
		sv.check(r1.end(ok200))
		sv.check(r2.end(ok200))
		st.ran(2)
		if one.id == two.id {
			t.Error("one ID for two sessions")
		}
		one.count(10)
		two.count(10)
	}
}

// With AdoptExpiredID two first requests may mean one session. Exclusive ones
// take turns, and the first starts it; of others, what the first to be saved
// has started stays.
func TestM17_TwoFirstRequestsOfAnAdoptedID(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := &starter{t: t}
		p := start(t, memstore.New(), session.Config{AdoptExpiredID: true, OnStart: st.start})
		r, s := p.client(id24('a')).hold(session.Exclusive)
		done := make(chan error)
		go func() { // ends when it has had its turn
			done <- p.client(id24('a')).try(session.Exclusive, func(s *session.Session) { wantErr(t, "add", add(s), nil) })
		}()
		synctest.Wait()
		wantErr(t, "add", add(s), nil)
		wantErr(t, "Finish", r.end(ok200), nil)
		wantErr(t, "the other", <-done, nil)
		st.ran(1)
		if n := p.count(id24('a')); n != 12 {
			t.Errorf("count %d, want 12", n)
		}

		st.runs = 0
		r1, s1 := p.client(id24('b')).hold(session.Concurrent)
		r2, s2 := p.client(id24('b')).hold(session.Concurrent)
		wantErr(t, "add", add(s1), nil)
		wantErr(t, "add", add(s2), nil)
		wantErr(t, "Finish", r1.end(ok200), nil)
		wantErr(t, "Finish", r2.end(ok200), nil)
		st.ran(2)
		if n := p.count(id24('b')); n != 12 {
			t.Errorf("count %d, want 12", n)
		}
	})
}

// A session that is adopted when the headers have gone out can be stored, and
// so it starts.
func TestM17_AdoptedAfterTheHeaders(t *testing.T) {
	bubble(t, func(t *testing.T) {
		started := 0
		p := start(t, memstore.New(), session.Config{AdoptExpiredID: true, OnStart: func(_ context.Context, s *session.Session) error {
			started++
			return aKey.Set(s, "started")
		}})
		c := p.client(id24('a'))
		r := c.begin()
		wantErr(t, "BeforeReply", r.BeforeReply(r.ctx, ok200), nil)
		s, err := session.Acquire(r.ctx, session.Exclusive)
		wantErr(t, "Acquire", err, nil)
		set(t, s, 1)
		wantErr(t, "Finish", r.end(ok200), nil)
		wantErr(t, "the next request", c.try(session.Exclusive, func(s *session.Session) {
			if a, err := aKey.Get(s); a != "started" || get(t, s) != 1 || err != nil {
				t.Errorf("%q (%v)", a, err)
			}
		}), nil)
		if started != 1 {
			t.Errorf("OnStart ran %d times", started)
		}
	})
}
