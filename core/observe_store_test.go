package session_test

import (
	"context"
	"errors"
	"maps"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// TestStoreCallsAreTold: every call that the store gets, and no other, with how
// long it took and what came of it.
func TestStoreCallsAreTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sv := newService(t, session.Config{
			MaxSessionsPerOwner: 2, ReapInterval: time.Minute,
			OnEnd: func(context.Context, session.Ended) error { return nil },
		})
		c := sv.visitor()
		login := func(mode session.Mode) {
			c := sv.visitor()
			sv.check(c.do(mode, func(s *session.Session) { sv.check(s.SetOwner("ada")) }))
		}
		login(session.Exclusive)
		login(session.Concurrent)
		login(session.Exclusive) // revokes the first
		sv.check(sv.client().do(session.Exclusive, func(s *session.Session) { sv.check(countKey.Set(s, 1)) }))
		sv.check(c.do(session.Exclusive, func(s *session.Session) { sv.check(s.Renew()) }))
		sv.check(c.do(session.ReadOnly, func(*session.Session) {}))
		sv.check(c.do(session.Concurrent, func(s *session.Session) { sv.check(add(s)) }))
		sv.check(c.do(session.Exclusive, func(*session.Session) { time.Sleep(20 * time.Second) })) // renewals
		time.Sleep(2 * time.Minute)                                                                // rounds of the reaper
		sv.check(c.do(session.Snapshot, func(*session.Session) { time.Sleep(time.Minute) }))       // touches
		sv.check(sv.Ping(t.Context()))
		for _, err := range sv.Sessions(t.Context()) {
			sv.check(err)
			time.Sleep(time.Hour / 2) // which is not the store's time
		}
		if _, err := sv.SessionsOf(t.Context(), "ada"); err != nil {
			t.Error(err)
		}
		if _, err := sv.RevokeOwner(t.Context(), "ada"); err != nil {
			t.Error(err)
		}
		sv.check(closeSoon(sv.Manager))
		synctest.Wait()

		calls := sv.calls.Counts()
		delete(calls, sessiontest.OpWatch)
		told := make(map[sessiontest.Op]int)
		for _, e := range sv.events.of(session.EventStoreCall) {
			told[sessiontest.Op(e.Op.String())]++
			if e.Duration != 0 { // the store is in memory
				t.Errorf("%+v", e)
			}
		}
		if !maps.Equal(told, calls) {
			t.Errorf("told of %v, want %v", told, calls)
		}
		for op := session.OpAcquire; op <= session.OpPing; op++ {
			if calls[sessiontest.Op(op.String())] == 0 {
				t.Errorf("%v was not called", op)
			}
		}
	})
}

// TestStoreCallsTellTheStoresAnswer: how long it took, its error and the bytes
// that it has taken and given.
func TestStoreCallsTellTheStoresAnswer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sizes := make(map[string]int)
		store := spyStore{memstore.New(), func(_ session.StoreKey, rec session.Record) { sizes["Create"] = len(rec.Data) }}
		log := &eventLog{}
		faults := sessiontest.NewFaults(store)
		m := newManager(t, faults.Store, session.Config{Observer: log, Compress: true, ReapInterval: -1})
		c := &client{t: t, m: m}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Error(err)
			}
		}
		must(c.do(session.Exclusive, func(s *session.Session) { must(textKey.Set(s, strings.Repeat("x", 5000))) }))
		if n := sizes["Create"]; n == 0 || n > 1000 {
			t.Fatalf("%d bytes were stored", n)
		}
		one := func(op session.StoreOp) session.Event {
			t.Helper()
			var found []session.Event
			for _, e := range log.of(session.EventStoreCall) {
				if e.Op == op {
					found = append(found, e)
				}
			}
			log.reset()
			if len(found) != 1 {
				t.Fatalf("%d calls of %v", len(found), op)
			}
			return found[0]
		}
		if e := one(session.OpCreate); e.Size != sizes["Create"] || e.Err != nil || e.Duration != 0 {
			t.Errorf("%+v", e)
		}
		faults.Next(sessiontest.OpLoad, 1, sessiontest.Fault{Delay: 3 * time.Second})
		must(c.do(session.ReadOnly, func(*session.Session) {}))
		if e := one(session.OpLoad); e.Size != sizes["Create"] || e.Err != nil || e.Duration != 3*time.Second {
			t.Errorf("%+v", e)
		}
		faults.Next(sessiontest.OpAcquire, 1, hangs)
		if _, _, err := c.acquire(session.Exclusive); !errors.Is(err, session.ErrUnavailable) {
			t.Error(err)
		}
		if e := one(session.OpAcquire); e.Size != 0 || !errors.Is(e.Err, context.DeadlineExceeded) || e.Duration != 5*time.Second {
			t.Errorf("%+v", e)
		}
	})
}

// TestStoreIsAsItIs: the optional interfaces of a store are there with an
// Observer if they are there without one.
func TestStoreIsAsItIs(t *testing.T) {
	for _, observer := range []session.Observer{nil, &eventLog{}} {
		m := newManager(t, silent{memstore.New()}, session.Config{Observer: observer})
		_, err := m.SessionsOf(t.Context(), "ada")
		wantIs(t, err, errors.ErrUnsupported)
		if !strings.Contains(err.Error(), "session_test.silent") {
			t.Errorf("the error does not name the store: %v", err)
		}
		for _, err := range m.Sessions(t.Context()) {
			wantIs(t, err, errors.ErrUnsupported)
		}
		wantIs(t, m.Ping(t.Context()), nil)
	}
}

// listener keeps the contexts of lost locks that have not ended, and the kinds
// of all events.
type listener struct {
	mu   sync.Mutex
	all  []context.Context
	list []session.EventKind
}

func (l *listener) Observe(ctx context.Context, e session.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Kind == session.EventLockLost && ctx.Err() == nil {
		l.all = append(l.all, ctx)
	}
	l.list = append(l.list, e.Kind)
}

// TestM9_TheObserverIsToldWhoseLockIsLost: by the request's context, and before
// the request is over.
func TestM9_TheObserverIsToldWhoseLockIsLost(t *testing.T) {
	type whose struct{}
	for name, lose := range map[string]func(p *process, s *session.Session){
		"at ExecutionTimeout": func(*process, *session.Session) { time.Sleep(2 * time.Minute) },
		"at a renewal": func(p *process, s *session.Session) {
			if err := p.Revoke(context.Background(), s.StoreKey()); err != nil {
				p.t.Error(err)
			}
			time.Sleep(6 * time.Second)
		},
		"at the save": func(p *process, s *session.Session) {
			if err := p.Revoke(context.Background(), s.StoreKey()); err != nil {
				p.t.Error(err)
			}
		},
	} {
		for _, stored := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					var heard listener
					p := start(t, memstore.New(), session.Config{Observer: &heard})
					id := ""
					if stored {
						id = p.stored(1)
					}
					r := p.client(id).begin()
					s, err := session.Acquire(context.WithValue(r.ctx, whose{}, "ada"))
					if err != nil {
						t.Fatal(err)
					}
					set(t, s, 2)
					if !stored { // it gets its lock only now
						if err := s.Save(context.WithValue(r.ctx, whose{}, "ada")); err != nil {
							t.Error(err)
						}
						set(t, s, 3)
					}
					lose(p, s)
					wantErr(t, "Finish", r.end(ok200), session.ErrLockLost)
					synctest.Wait()
					heard.mu.Lock()
					defer heard.mu.Unlock()
					if len(heard.all) != 1 || heard.all[0].Value(whose{}) != "ada" {
						t.Fatalf("the contexts are %v", heard.all)
					}
					for _, k := range heard.list {
						if k == session.EventLockLost {
							break
						}
						if k == session.EventReleased && !stored {
							t.Error("the release is told before the loss")
						}
					}
				})
			})
		}
	}
}

// TestNoObserverNoCost: an Observer that does nothing makes no allocation, so
// without one there is none for it either.
func TestNoObserverNoCost(t *testing.T) {
	allocs := func(mode session.Mode, observer session.Observer) float64 {
		m := newManager(t, memstore.New(), session.Config{Observer: observer, ReapInterval: -1})
		ex := benchSession(t, m, 200)
		least := math.Inf(1)
		for range 10 { // the race detector has pools forget what they hold, at random
			least = min(least, testing.AllocsPerRun(20, func() {
				if err := benchRequest(m, ex, mode, benchStep); err != nil && mode == session.Exclusive {
					t.Error(err)
				}
			}))
		}
		return least
	}
	for _, mode := range allModes {
		// An event that is allocated is one of three or five.
		if with, without := allocs(mode, deaf{}), allocs(mode, nil); with > without+1 {
			t.Errorf("%v: %v allocations with an Observer, %v without", mode, with, without)
		}
	}
}

// deaf is an Observer that does not listen.
type deaf struct{}

func (deaf) Observe(context.Context, session.Event) {}
