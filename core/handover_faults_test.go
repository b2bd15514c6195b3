package session_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

func TestM7_WhoLeavesDuringTheHandoverKeepsNothing(t *testing.T) {
	gone := errors.New("the client went away")
	for _, leaving := range [][]int{{0}, {0, 1}, {1}, {0, 1, 2}} {
		bubble(t, func(t *testing.T) {
			store := newWatched(t)
			p, other := start(t, store, session.Config{}), start(t, store, session.Config{})
			id := p.stored(0)
			r, s := p.client(id).hold(session.Exclusive)
			var ctxs []context.Context
			var cancels []context.CancelCauseFunc
			for range 3 {
				ctx, cancel := context.WithCancelCause(t.Context())
				ctxs, cancels = append(ctxs, ctx), append(cancels, cancel)
			}
			turns, done, errs := p.queue(id, 3, ctxs...)
			p.faults.Next(sessiontest.OpSave, 1, sessiontest.Fault{Delay: time.Second})
			go func() {
				time.Sleep(500 * time.Millisecond)
				for _, i := range leaving {
					cancels[i](gone)
				}
			}()
			begun := time.Now()
			r.end(addOne(t, s))
			done.Wait()
			synctest.Wait()
			wantTook(t, "the queue", begun, time.Second, time.Second)
			for i, err := range errs {
				if slices.Contains(leaving, i) {
					wantErr(t, "who left", err, gone)
				} else if err != nil {
					t.Errorf("request %d: %v", i, err)
				}
			}
			if len(*turns) != 3-len(leaving) {
				t.Errorf("turns: %v", *turns)
			}
			// Nobody has it, and nobody needs to wait for a lease.
			if err := other.client(id).do(session.Exclusive, func(s *session.Session) { addOne(t, s) }); err != nil {
				t.Error(err)
			}
			wantTook(t, "another process", begun, time.Second, time.Second)
			if n := p.count(id); n != 5-len(leaving) {
				t.Errorf("the count is %d", n)
			}
		})
	}
}

// The save that passes the lock on answers late, or never.
func TestS6_TheAnswerToAHandoverIsLost(t *testing.T) {
	for _, tt := range []struct {
		name    string
		fault   sessiontest.Fault
		times   int // -1: until SaveTimeout
		stored  bool
		longest time.Duration
	}{
		{"before", sessiontest.Fault{Kind: sessiontest.FailBefore}, 1, true, time.Second},
		{"after", sessiontest.Fault{Kind: sessiontest.FailAfter}, 1, true, time.Second},
		{"three times after", sessiontest.Fault{Kind: sessiontest.FailAfter}, 3, true, time.Second},
		{"hangs before", sessiontest.Fault{Kind: sessiontest.HangBefore}, 1, true, 6 * time.Second},
		{"hangs after", sessiontest.Fault{Kind: sessiontest.HangAfter}, 1, true, 6 * time.Second},
		{"always before", sessiontest.Fault{Kind: sessiontest.FailBefore}, -1, false, 11 * time.Second},
		{"always after", sessiontest.Fault{Kind: sessiontest.FailAfter}, -1, true, 11 * time.Second},
		{"always hangs before", sessiontest.Fault{Kind: sessiontest.HangBefore}, -1, false, 11 * time.Second},
		{"always hangs after", sessiontest.Fault{Kind: sessiontest.HangAfter}, -1, true, 11 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := start(t, newWatched(t), session.Config{})
				id := p.stored(0)
				r, s := p.client(id).hold(session.Exclusive)
				turns, done, errs := p.queue(id, 3)
				begun := time.Now()
				if tt.times > 0 {
					p.faults.Next(sessiontest.OpSave, tt.times, tt.fault)
				} else {
					p.faults.Rule(func(c sessiontest.Call) sessiontest.Fault {
						if c.Op == sessiontest.OpSave && time.Since(begun) < 10*time.Second {
							return tt.fault
						}
						return sessiontest.Fault{}
					})
				}
				err := r.end(addOne(t, s))
				if tt.times > 0 && err != nil || tt.times < 0 && !errors.Is(err, session.ErrUnavailable) {
					t.Errorf("the save: %v", err)
				}
				done.Wait()
				wantTook(t, "the queue", begun, 0, tt.longest)
				wantNone(t, errs)
				if !slices.Equal(*turns, []int{0, 1, 2}) {
					t.Errorf("turns: %v", *turns)
				}
				want := 3
				if tt.stored {
					want++
				}
				if n := p.count(id); n != want {
					t.Errorf("the count is %d, want %d", n, want)
				}
			})
		})
	}
}

// The save that passes the lock on takes so long that the new lease has nearly
// lapsed, or has, and another process has come between: the next in line asks
// the store, and sees what that one wrote.
func TestM8_AnOldHandoverIsConfirmed(t *testing.T) {
	const lease = 15 * time.Second
	for _, tt := range []struct {
		late     time.Duration
		acquires int
		between  bool
	}{
		{4 * time.Second, 1, false},
		{6 * time.Second, 2, false},
		{20 * time.Second, 2, true},
	} {
		bubble(t, func(t *testing.T) {
			store := newWatched(t)
			cfg := session.Config{LockLease: lease, StoreTimeout: time.Minute, SaveTimeout: time.Minute, AcquireTimeout: 2 * time.Minute}
			slow := &slowAnswer{Store: store, late: tt.late}
			p, other := start(t, slow, cfg), start(t, store, cfg)
			id := p.stored(0)
			r, s := p.client(id).hold(session.Exclusive)
			_, done, errs := p.queue(id, 2)
			slow.now.Store(true)
			begun := time.Now()
			var between time.Duration
			done.Go(func() {
				err := other.client(id).do(session.Exclusive, func(s *session.Session) {
					addOne(t, s)
					between = time.Since(begun)
				})
				if err != nil {
					t.Error(err)
				}
			})
			if err := r.end(addOne(t, s)); err != nil {
				t.Error(err)
			}
			done.Wait()
			wantNone(t, errs)
			if (between < tt.late) != tt.between {
				t.Errorf("the other process had it after %v", between)
			}
			if n := calls(p, sessiontest.OpAcquire); n != tt.acquires {
				t.Errorf("%d calls of Acquire, want %d", n, tt.acquires)
			}
			if n := p.count(id); n != 4 {
				t.Errorf("the count is %d", n)
			}
		})
	}
}

// While the one who was passed a lock that has lapsed waits for another process,
// readers wait for that one only.
func TestM2_NoReaderWaitsForALapsedHandover(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newWatched(t)
		cfg := session.Config{StoreTimeout: time.Minute, SaveTimeout: time.Minute, AcquireTimeout: 2 * time.Minute}
		slow := &slowAnswer{Store: store, late: 20 * time.Second}
		p, other := start(t, slow, cfg), start(t, store, cfg)
		id := p.stored(0)
		r, s := p.client(id).hold(session.Exclusive)
		var wg sync.WaitGroup
		hold := func(p *process) {
			wg.Go(func() {
				err := p.client(id).do(session.Exclusive, func(s *session.Session) {
					time.Sleep(20 * time.Second)
					addOne(t, s)
				})
				if err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		hold(p)
		slow.now.Store(true)
		wg.Go(func() {
			time.Sleep(19 * time.Second) // the new lease has lapsed, and nobody knows of it here
			hold(other)
		})
		if err := r.end(addOne(t, s)); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		begun := time.Now()
		err := p.client(id).do(session.ReadOnly, func(s *session.Session) {
			wantTook(t, "the wait", begun, 19*time.Second, 20*time.Second) // another process's
			if n := get(t, s); n != 2 {
				t.Errorf("it sees %d, want 2", n)
			}
		})
		if err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
}

// A process that dies with the save that passes the lock on: nobody goes on with
// the new token, and the session is free after one lease.
func TestM8_AProcessThatDiesInAHandover(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newWatched(t)
		p, other := start(t, store, session.Config{AcquireTimeout: 12 * time.Second}), start(t, store, session.Config{})
		id := p.stored(0)
		r, s := p.client(id).hold(session.Exclusive)
		_, done, errs := p.queue(id, 2)
		p.faults.Rule(func(c sessiontest.Call) sessiontest.Fault {
			if c.Op == sessiontest.OpSave {
				return sessiontest.Fault{Kind: sessiontest.HangAfter}
			}
			return hangs
		})
		begun := time.Now()
		go r.end(addOne(t, s))
		if err := other.client(id).do(session.Exclusive, func(s *session.Session) { addOne(t, s) }); err != nil {
			t.Error(err)
		}
		wantTook(t, "another process", begun, 15*time.Second, 16*time.Second)
		done.Wait()
		for _, err := range errs {
			if err == nil {
				t.Error("a request of the dead process was confirmed")
			}
		}
		if n := other.count(id); n != 2 {
			t.Errorf("the count is %d", n)
		}
	})
}

// slowAnswer makes a Save at once, and answers late, once.
type slowAnswer struct {
	session.Store
	late time.Duration
	now  atomic.Bool
}

func (s *slowAnswer) Save(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, how session.Commit) error {
	err := s.Store.Save(ctx, key, rec, token, how)
	if s.now.CompareAndSwap(true, false) {
		time.Sleep(s.late)
	}
	return err
}

// A store that panics in the save that passes the lock on.
func TestA4_APanicInAHandoverLeavesNoLock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := &panicky{Store: newWatched(t)}
		p := start(t, store, session.Config{})
		id := p.stored(0)
		r, s := p.client(id).hold(session.Exclusive)
		_, done, errs := p.queue(id, 2)
		store.now.Store(true)
		begun := time.Now()
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic did not go on up")
				}
			}()
			r.end(addOne(t, s))
		}()
		done.Wait()
		wantTook(t, "the queue", begun, 0, time.Second)
		wantNone(t, errs)
		if n := p.count(id); n != 3 {
			t.Errorf("the count is %d", n)
		}
	})
}

// panicky makes a Save and panics, once.
type panicky struct {
	session.Store
	now atomic.Bool
}

func (s *panicky) Save(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, how session.Commit) error {
	err := s.Store.Save(ctx, key, rec, token, how)
	if s.now.CompareAndSwap(true, false) {
		panic("the store panics")
	}
	return err
}
