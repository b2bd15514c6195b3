package session_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// A Save whose answer was lost may have been stored: what comes after it does
// not say that nothing was.
func TestM9_ALossAfterALostAnswerIsInDoubt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := memstore.New()
		p, q := start(t, store, session.Config{}), start(t, store, session.Config{})
		id := p.stored(0)
		r, s := p.client(id).hold(session.Exclusive)
		set(t, s, 1)
		p.faults.Next(sessiontest.OpSave, -1, sessiontest.Fault{Kind: sessiontest.FailAfter})
		p.faults.Next(sessiontest.OpExtend, -1, hangs)
		wantErr(t, "Save", s.Save(r.ctx), session.ErrUnavailable)
		if err := q.client(id).do(session.Exclusive, func(s *session.Session) { add(s) }); err != nil {
			t.Error(err)
		}
		p.faults.Reset()
		err := r.end(ok200)
		wantErr(t, "Finish", err, session.ErrLockLost)
		wantErr(t, "Finish", err, session.ErrOutcomeUnknown)
		if n := p.count(id); n != 2 {
			t.Error(n)
		}
	})
}

// With the lock still held such a Save is made good by the next one.
func TestM9_ALostAnswerIsMadeGoodUnderTheLock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, memstore.New(), session.Config{})
		id := p.stored(0)
		r, s := p.client(id).hold(session.Exclusive)
		set(t, s, 1)
		p.faults.Next(sessiontest.OpSave, -1, sessiontest.Fault{Kind: sessiontest.FailAfter})
		wantErr(t, "Save", s.Save(r.ctx), session.ErrUnavailable)
		p.faults.Reset()
		add(s)
		if err := r.end(ok200); err != nil {
			t.Error(err)
		}
		if n := p.count(id); n != 2 {
			t.Error(n)
		}
	})
}

func TestM7_AcquireTimeoutWhileTheStoreIsAsked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := memstore.New()
		p, q := start(t, store, session.Config{AcquireTimeout: time.Second}), start(t, store, session.Config{})
		id := p.stored(0)
		p.faults.Next(sessiontest.OpAcquire, 1, sessiontest.Fault{Kind: sessiontest.HangAfter})
		begun := time.Now()
		wantErr(t, "Acquire", p.client(id).try(session.Exclusive, func(*session.Session) {}), session.ErrAcquireTimeout)
		if err := q.client(id).try(session.Exclusive, func(*session.Session) {}); err != nil {
			t.Error(err)
		}
		wantTook(t, "both requests", begun, time.Second, time.Second)
	})
}

// ExecutionTimeout passes while the save is under way: what the store says
// counts.
func TestM9_ExecutionTimeoutDuringTheSave(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := memstore.New()
		p, q := start(t, store, session.Config{ExecutionTimeout: 10 * time.Second}), start(t, store, session.Config{})
		id := p.stored(0)
		r, s := p.client(id).hold(session.Exclusive)
		set(t, s, 1)
		time.Sleep(9 * time.Second)
		p.faults.Next(sessiontest.OpSave, 1, sessiontest.Fault{Delay: 4 * time.Second})
		begun := time.Now()
		go q.client(id).do(session.Exclusive, func(s *session.Session) {
			if n := get(t, s); n != 1 {
				t.Errorf("the next one found %d", n)
			}
			wantTook(t, "waiting for the save", begun, 4*time.Second, 4*time.Second)
		})
		if err := r.end(ok200); err != nil {
			t.Error(err)
		}
		if n := p.events.count(session.EventLockLost); n != 0 {
			t.Error("a loss was reported")
		}
	})
}

// An Update that panics when it is run again, in the save, takes nothing with
// it: not the lock, not the turn.
func TestM4_AnUpdateThatPanicsLeavesNothingBehind(t *testing.T) {
	for _, locked := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			p := start(t, memstore.New(), session.Config{})
			id := p.stored(0)
			r, s := p.client(id).hold(session.Concurrent)
			runs := 0
			countKey.Update(s, func(n int) int {
				if runs++; runs > 1 {
					panic("again")
				}
				return n + 1
			})
			if locked {
				s.Renew()
			}
			p.client(id).do(session.Concurrent, func(s *session.Session) { add(s) })
			func() {
				defer func() {
					if recover() == nil {
						t.Error("the panic was swallowed")
					}
				}()
				r.end(ok200)
			}()
			r.cancel()
			begun := time.Now()
			if err := p.client(id).do(session.Exclusive, func(s *session.Session) { add(s) }); err != nil {
				t.Error(err)
			}
			wantTook(t, "the next request", begun, 0, 0)
			if n := p.count(id); n != 2 {
				t.Error(n)
			}
		})
	}
}

// A store that panics costs the request its session, and nobody else anything.
func TestM22_AStoreThatPanicsLeavesNothingBehind(t *testing.T) {
	for _, mode := range modes {
		bubble(t, func(t *testing.T) {
			store := &panicking{Store: memstore.New(), calm: true}
			p := start(t, store, session.Config{})
			id := p.stored(0)
			for _, during := range []string{"acquire", "save"} {
				r := p.client(id).begin()
				func() {
					defer func() { _ = recover() }()
					store.on.Store(during == "acquire")
					s, err := session.Acquire(r.ctx, mode)
					if err != nil {
						t.Error(err)
						return
					}
					store.on.Store(true)
					if mode == session.ReadOnly || mode == session.Snapshot {
						s.Abandon()
					}
					add(s)
					r.Finish(r.ctx, ok200)
				}()
				store.on.Store(false)
				r.end(session.Outcome{Panicked: true})
				begun := time.Now()
				if err := p.client(id).try(session.Exclusive, func(s *session.Session) { add(s) }); err != nil {
					t.Error(err)
				}
				wantTook(t, "the next request", begun, 0, 10*time.Millisecond) // it polls
			}
			if n := p.count(id); n != 2 {
				t.Error(n)
			}
		})
	}
}

// panicking panics while it is on, and if it is calm not in what goes on in the
// background.
type panicking struct {
	session.Store
	on   atomic.Bool
	calm bool
}

func (p *panicking) check() {
	if p.on.Load() {
		panic("store")
	}
}

func (p *panicking) checkBackground() {
	if !p.calm {
		p.check()
	}
}

func (p *panicking) Acquire(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) (session.Record, error) {
	p.check()
	return p.Store.Acquire(ctx, key, token, lease)
}

func (p *panicking) Load(ctx context.Context, key session.StoreKey, wait bool) (session.Record, error) {
	p.check()
	return p.Store.Load(ctx, key, wait)
}

func (p *panicking) Save(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, how session.Commit) error {
	p.check()
	return p.Store.Save(ctx, key, rec, token, how)
}

func (p *panicking) Swap(ctx context.Context, key session.StoreKey, rec session.Record, old session.WriteID) error {
	p.check()
	return p.Store.Swap(ctx, key, rec, old)
}

func (p *panicking) Remove(ctx context.Context, key session.StoreKey, token session.Token, reason session.EndReason) error {
	p.check()
	return p.Store.Remove(ctx, key, token, reason)
}

// Goroutines of a handler use the session from all sides while it is saved,
// lost and released.
func TestM22_UsedFromManyGoroutines(t *testing.T) {
	for _, mode := range modes {
		for _, lost := range []bool{false, true} {
			bubble(t, func(t *testing.T) {
				p := start(t, memstore.New(), session.Config{ExecutionTimeout: 50 * time.Millisecond})
				r, s := p.client(p.stored(0)).hold(mode)
				var wg sync.WaitGroup
				for i := range 20 {
					wg.Go(func() {
						for range 20 {
							time.Sleep(time.Duration(i) * 100 * time.Microsecond)
							add(s)
							aKey.Set(s, "x")
							aKey.Take(s)
							s.Has("a")
							s.Keys()
							s.Len()
							s.ID()
							s.StoreKey()
							s.Created()
							s.Context().Err()
							s.SetOwner("ann")
							s.SetTimeout(time.Hour)
							r.NeedsCommit()
							r.session()
							session.Acquire(r.ctx, session.Snapshot)
							if i%5 == 0 {
								s.Save(r.ctx)
							}
						}
					})
				}
				time.Sleep(20 * time.Millisecond)
				if lost {
					time.Sleep(40 * time.Millisecond)
				}
				if err := r.end(ok200); err != nil && !lost {
					t.Error(err)
				}
				wg.Wait()
			})
		}
	}
}

// A handler that survives a store's panic is held to ExecutionTimeout as ever.
func TestM8_ExecutionTimeoutAfterASaveThatPanics(t *testing.T) {
	for name, change := range map[string]func(r *request, s *session.Session) error{
		"save":   func(r *request, s *session.Session) error { return s.Save(r.ctx) },
		"remove": func(r *request, s *session.Session) error { s.Abandon(); return r.BeforeReply(r.ctx, ok200) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				store := &panicking{Store: memstore.New()}
				p := start(t, store, session.Config{ExecutionTimeout: 20 * time.Second})
				id := p.stored(0)
				r, s := p.client(id).hold(session.Exclusive)
				add(s)
				func() {
					defer func() { _ = recover() }()
					store.on.Store(true)
					t.Error("it did not panic:", change(r, s))
				}()
				store.on.Store(false)
				begun := time.Now()
				if err := p.client(id).try(session.Exclusive, func(s *session.Session) { add(s) }); err != nil {
					t.Error(err)
				}
				wantTook(t, "the next request", begun, 20*time.Second, 20*time.Second+10*time.Millisecond) // it polls
				wantErr(t, "the context's cause", context.Cause(s.Context()), session.ErrLockLost)
				r.end(session.Outcome{Panicked: true})
			})
		})
	}
}

func (p *panicking) Release(ctx context.Context, key session.StoreKey, token session.Token) error {
	p.checkBackground()
	return p.Store.Release(ctx, key, token)
}

// A store that panics in Release keeps neither the turn nor the Manager.
func TestM22_AReleaseThatPanicsLeavesNothingBehind(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := &panicking{Store: memstore.New()}
		p := start(t, store, session.Config{})
		id := p.stored(0)
		r, s := p.client(id).hold(session.Exclusive)
		func() {
			defer func() { _ = recover() }()
			store.on.Store(true)
			r.Finish(r.ctx, ok200)
		}()
		store.on.Store(false)
		r.end(session.Outcome{Panicked: true})
		if s.Context().Err() == nil {
			t.Error("the session's context lives on")
		}
		begun := time.Now()
		if err := p.client(id).try(session.Exclusive, func(s *session.Session) { add(s) }); err != nil {
			t.Error(err)
		}
		wantTook(t, "the next request", begun, 0, 16*time.Second) // one lease
	})
}

func (p *panicking) Extend(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) error {
	p.checkBackground()
	return p.Store.Extend(ctx, key, token, lease)
}

func (p *panicking) Touch(ctx context.Context, key session.StoreKey) error {
	p.checkBackground()
	return p.Store.Touch(ctx, key)
}

func (p *panicking) Reap(ctx context.Context, namespace string, limit int, token session.Token, lease time.Duration) ([]session.Expired, error) {
	p.checkBackground()
	return p.Store.Reap(ctx, namespace, limit, token, lease)
}

// A store that panics in the background does not end the process, and when it
// has come to itself, so has the background.
func TestM19_AStoreThatPanicsInTheBackground(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := &panicking{Store: memstore.New()}
		a := &ear{t: t}
		a.then = func(context.Context, session.Ended) error {
			time.Sleep(10 * time.Second)
			store.on.Store(true) // in the removal that follows
			return nil
		}
		p := start(t, store, reaping(a))
		id, other := p.stored(7), p.stored(8)

		r, s := p.client(id).hold(session.Exclusive)
		store.on.Store(true)
		time.Sleep(14 * time.Second) // renewals of the lock
		if n := p.events.count(session.EventLockLost); n != 0 {
			t.Error("the lock was lost")
		}
		store.on.Store(false)
		time.Sleep(14 * time.Second)
		wantErr(t, "Save", s.Save(r.ctx), nil)
		wantErr(t, "Finish", r.end(ok200), nil)

		wantErr(t, "a request that acquires nothing", p.client(other).begin().end(ok200), nil) // is touched
		store.on.Store(true)
		wantErr(t, "another", p.client(id).begin().end(ok200), nil)
		time.Sleep(time.Minute) // rounds of reaping
		store.on.Store(false)
		if n := p.events.count(session.EventBackground); n < 3 {
			t.Errorf("%d events tell of background work that failed", n)
		}

		c := p.client(id)
		wantErr(t, "logout", c.try(session.Exclusive, func(s *session.Session) { wantErr(t, "Abandon", s.Abandon(), nil) }), nil)
		time.Sleep(5 * time.Second)
		store.on.Store(true) // the claim is extended
		time.Sleep(2 * time.Second)
		store.on.Store(false)
		time.Sleep(4 * time.Second)
		a.heard(1)
		a.mu.Lock()
		a.then = nil
		a.mu.Unlock()
		store.on.Store(false)
		time.Sleep(time.Minute)
		if e := a.heard(2); e[0].Token != e[1].Token {
			t.Errorf("%+v", e)
		}
		time.Sleep(25 * time.Minute)
		if e := a.heard(3)[2]; e.count != 8 {
			t.Errorf("%+v", e)
		}
		nothingLeft(t, store)
	})
}

// The first attempt of a save arrives late, after its repeat was refused
// because of another's lock: the Update still counts once.
func TestM4_ALateFirstAttemptCountsOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := &lateSwap{Store: memstore.New()}
		p, q := start(t, store, session.Config{}), start(t, store.Store, session.Config{})
		id := p.stored(0)
		r, s := p.client(id).hold(session.Concurrent)
		add(s)
		other, _ := q.client(id).hold(session.Exclusive)
		store.late.Store(true)
		done := make(chan error)
		go func() { done <- r.end(ok200) }()
		time.Sleep(6 * time.Second) // the repeat has been refused
		other.cancel()
		store.between.Store(true)
		other.end(ok200)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := q.count(id); n != 1 {
			t.Errorf("the count is %d, want 1", n)
		}
	})
}

// lateSwap loses a Swap, and makes it just before an Acquire.
type lateSwap struct {
	session.Store
	late, between atomic.Bool
	again         func() error
}

func (l *lateSwap) Swap(ctx context.Context, key session.StoreKey, rec session.Record, old session.WriteID) error {
	if l.late.CompareAndSwap(true, false) {
		l.again = func() error { return l.Store.Swap(context.Background(), key, rec, old) }
		<-ctx.Done()
		return ctx.Err()
	}
	return l.Store.Swap(ctx, key, rec, old)
}

func (l *lateSwap) Acquire(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) (session.Record, error) {
	if l.between.CompareAndSwap(true, false) {
		if err := l.again(); err != nil {
			panic(err)
		}
	}
	return l.Store.Acquire(ctx, key, token, lease)
}

// If the store fails before a merge has written anything, the changes are
// still there to be saved.
func TestM4_AMergeThatWroteNothingIsNotInDoubt(t *testing.T) {
	for _, op := range []sessiontest.Op{sessiontest.OpLoad, sessiontest.OpAcquire} {
		bubble(t, func(t *testing.T) {
			store := memstore.New()
			p, q := start(t, store, session.Config{}), start(t, store, session.Config{})
			id := p.stored(0)
			r, s := p.client(id).hold(session.Concurrent)
			add(s)
			if op == sessiontest.OpAcquire {
				s.Renew() // takes the lock
			}
			q.client(id).do(session.Exclusive, func(s *session.Session) { add(s) })
			p.faults.Next(op, 1, sessiontest.Fault{Kind: sessiontest.FailBefore})
			wantErr(t, "Save", s.Save(r.ctx), session.ErrUnavailable)
			if err := s.Save(r.ctx); err != nil {
				t.Errorf("Save again: %v", err)
			}
			if err := r.end(ok200); err != nil {
				t.Errorf("Finish: %v", err)
			}
			if n := p.count(r.c.id); n != 2 {
				t.Errorf("the count is %d, want 2", n)
			}
		})
	}
}
