package session_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

func TestM1_OneAtATimeOverTwoProcesses(t *testing.T) {
	for _, watch := range []bool{true, false} {
		t.Run(fmt.Sprintf("watcher=%v", watch), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var store session.Store = memstore.New()
				if !watch {
					store = silent{store}
				}
				cfg := session.Config{RequestQueueLimit: -1, AcquireTimeout: -1}
				ps := []*process{start(t, store, cfg), start(t, store, cfg)}
				id := ps[0].stored(0)
				var holders atomic.Int32
				var wg sync.WaitGroup
				for i := range 40 {
					wg.Go(func() {
						c := ps[i%2].client(id)
						for range 10 {
							if err := c.do(session.Exclusive, func(s *session.Session) {
								if n := holders.Add(1); n != 1 {
									t.Errorf("%d holders at once", n)
								}
								n := get(t, s)
								time.Sleep(time.Duration(i) * time.Millisecond)
								set(t, s, n+1)
								holders.Add(-1)
							}); err != nil {
								t.Error(err)
							}
						}
					})
				}
				wg.Wait()
				if n := ps[0].count(id); n != 400 {
					t.Errorf("the count is %d, want 400", n)
				}
			})
		})
	}
}

// A process stalls: none of its calls arrive, its leases lapse, and another
// takes over. Of the two holders only one's changes are stored.
func TestM1_OfTwoHoldersOneIsStored(t *testing.T) {
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprintf("saves after the other=%v", late), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				store := memstore.New()
				p, q := start(t, store, session.Config{}), start(t, store, session.Config{})
				id := p.stored(0)
				pr, ps := p.client(id).hold(session.Exclusive)
				set(t, ps, 1)
				p.faults.Next(sessiontest.OpAny, -1, hangs)
				time.Sleep(15 * time.Second)
				qr, qs := q.client(id).hold(session.Exclusive)
				set(t, qs, 2)
				if late {
					if err := qr.end(ok200); err != nil {
						t.Error(err)
					}
				}
				p.faults.Reset()
				wantErr(t, "the former holder's end", pr.end(ok200), session.ErrLockLost)
				if !late {
					if err := qr.end(ok200); err != nil {
						t.Error(err)
					}
				}
				if n := p.count(id); n != 2 {
					t.Errorf("%d is stored, want 2", n)
				}
			})
		})
	}
}

// The same with a Concurrent request in the other process, which takes no lock
// but erases the lapsed one.
func TestM1_AConcurrentSaveEndsALapsedHold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := memstore.New()
		p, q := start(t, store, session.Config{}), start(t, store, session.Config{})
		id := p.stored(0)
		pr, ps := p.client(id).hold(session.Exclusive)
		set(t, ps, 1)
		p.faults.Next(sessiontest.OpAny, -1, hangs)
		time.Sleep(15 * time.Second)
		if err := q.client(id).do(session.Concurrent, func(s *session.Session) { set(t, s, 2) }); err != nil {
			t.Error(err)
		}
		p.faults.Reset()
		wantErr(t, "the former holder's end", pr.end(ok200), session.ErrLockLost)
		if n := p.count(id); n != 2 {
			t.Errorf("%d is stored, want 2", n)
		}
	})
}

func TestM8_RenewedAtAThird(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, memstore.New(), session.Config{LockLease: 3 * time.Second, ExecutionTimeout: -1})
		id := p.stored(0)
		r, _ := p.client(id).hold(session.Exclusive)
		time.Sleep(100*time.Second + time.Millisecond)
		if n := p.calls.Counts()[sessiontest.OpExtend]; n != 100 {
			t.Errorf("renewed %d times in 100 s, want once a second", n)
		}
		if err := r.end(ok200); err != nil {
			t.Error(err)
		}
		p.calls.Reset()
		time.Sleep(time.Minute)
		if n := p.calls.Total(); n != 0 {
			t.Errorf("%d calls after the end", n)
		}
	})
}

func TestM8_ACrashedProcessHoldsForOneLease(t *testing.T) {
	for _, watch := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			var store session.Store = memstore.New()
			if !watch {
				store = silent{store}
			}
			p, q := start(t, store, session.Config{}), start(t, store, session.Config{})
			id := p.stored(1)
			r, s := p.client(id).hold(session.Exclusive)
			set(t, s, 2)
			p.faults.Next(sessiontest.OpAny, -1, hangs) // it is gone
			begun := time.Now()
			if err := q.client(id).do(session.Exclusive, func(s *session.Session) {
				if n := get(t, s); n != 1 {
					t.Error(n)
				}
			}); err != nil {
				t.Error(err)
			}
			wantTook(t, "getting a dead process's session", begun, 15*time.Second, 15*time.Second+pollSlack)
			p.faults.Reset()
			r.end(ok200)
		})
	}
}

// A reader that waits for a crashed process waits no longer either.
func TestM8_AReaderOutwaitsACrashedProcess(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := memstore.New()
		p, q := start(t, store, session.Config{}), start(t, store, session.Config{})
		id := p.stored(1)
		r, _ := p.client(id).hold(session.Exclusive)
		p.faults.Next(sessiontest.OpAny, -1, hangs)
		begun := time.Now()
		q.client(id).do(session.ReadOnly, func(*session.Session) {})
		wantTook(t, "reading a dead process's session", begun, 15*time.Second, 15*time.Second+pollSlack)
		p.faults.Reset()
		r.end(ok200)
	})
}

func TestM8_RenewalThatFailsForAWhileKeepsTheLock(t *testing.T) {
	for name, fault := range map[string]sessiontest.Fault{
		"fails": {Kind: sessiontest.FailBefore}, "hangs": hangs, "answers get lost": {Kind: sessiontest.FailAfter},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				store := memstore.New()
				p, q := start(t, store, session.Config{StoreTimeout: time.Second}), start(t, store, session.Config{AcquireTimeout: -1})
				id := p.stored(0)
				r, s := p.client(id).hold(session.Exclusive)
				set(t, s, 1)
				var other atomic.Bool
				go q.client(id).do(session.Exclusive, func(*session.Session) { other.Store(true) })
				for range 6 {
					p.faults.Next(sessiontest.OpExtend, -1, fault)
					time.Sleep(9 * time.Second)
					p.faults.Reset()
					time.Sleep(5 * time.Second)
				}
				if other.Load() {
					t.Error("another request got the session")
				}
				if err := r.end(ok200); err != nil {
					t.Error(err)
				}
				synctest.Wait()
				if n := p.count(id); n != 1 || !other.Load() {
					t.Error(n, other.Load())
				}
			})
		})
	}
}

func TestM8_ASlowSaveKeepsItsLease(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := memstore.New()
		cfg := session.Config{LockLease: 100 * time.Millisecond, AcquireTimeout: -1}
		p, q := start(t, store, cfg), start(t, store, cfg)
		id := p.stored(0)
		for _, save := range []bool{true, false} {
			r, s := p.client(id).hold(session.Exclusive)
			add(s)
			p.faults.Next(sessiontest.OpSave, 2, sessiontest.Fault{Delay: 2 * time.Second})
			done := make(chan int)
			go func() {
				q.client(id).do(session.Exclusive, func(s *session.Session) { done <- get(t, s) })
			}()
			synctest.Wait()
			if save {
				if err := s.Save(r.ctx); err != nil {
					t.Error(err)
				}
				add(s)
			}
			if err := r.end(ok200); err != nil {
				t.Error(err)
			}
			if n := <-done; save && n != 2 || !save && n != 3 {
				t.Errorf("the next one found %d", n)
			}
			p.faults.Reset()
		}
		if n := p.events.count(session.EventLockLost); n != 0 {
			t.Errorf("%d locks are said to be lost", n)
		}
	})
}

// A renewal that is under way when the session is given back finds no lock any
// more: that is no loss, and nobody is to be told of one.
func TestM9_ALateRenewalIsNoLoss(t *testing.T) {
	for name, use := range map[string]func(s *session.Session){
		"save":    func(s *session.Session) { add(s) },
		"release": func(*session.Session) {},
		"remove":  func(s *session.Session) { s.Abandon() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := start(t, memstore.New(), session.Config{Observer: &slowObserver{}})
				id := p.stored(0)
				r, s := p.client(id).hold(session.Exclusive)
				ctx := s.Context()
				use(s)
				// The renewal gets through a second after the store has freed
				// the lock, and before the request is done.
				p.faults.Next(sessiontest.OpExtend, 1, sessiontest.Fault{Delay: time.Second})
				for _, op := range []sessiontest.Op{sessiontest.OpRelease, sessiontest.OpRemove} {
					p.faults.Next(op, 1, sessiontest.Fault{Kind: sessiontest.HangAfter})
				}
				time.Sleep(5 * time.Second)
				if err := r.end(ok200); err != nil {
					t.Error(err)
				}
				if cause := context.Cause(ctx); !errors.Is(cause, session.ErrReleased) {
					t.Errorf("the session's context ended with %v", cause)
				}
			})
		})
	}
}

// slowObserver takes two seconds to note that something was saved.
type slowObserver struct{}

func (slowObserver) Observe(_ context.Context, e session.Event) {
	if e.Kind == session.EventSaved {
		time.Sleep(2 * time.Second)
	}
}

func TestM9_OutlivesExecutionTimeout(t *testing.T) {
	pairs(t, session.Config{AcquireTimeout: -1, ExecutionTimeout: 20 * time.Second}, func(t *testing.T, p, q *process) {
		id := p.stored(0)
		r, s := p.client(id).hold(session.Exclusive)
		begun := time.Now()
		ctx := s.Context()
		set(t, s, 1)
		next := make(chan time.Time, 2)
		for _, mode := range []session.Mode{session.Exclusive, session.ReadOnly} {
			go q.client(id).do(mode, func(s *session.Session) { next <- time.Now(); get(t, s) })
		}
		<-ctx.Done()
		wantTook(t, "losing the lock", begun, 20*time.Second, 20*time.Second)
		wantErr(t, "the context's cause", context.Cause(ctx), session.ErrLockLost)
		wantErr(t, "a context made later", context.Cause(s.Context()), session.ErrLockLost)
		for range 2 {
			if at := (<-next).Sub(begun); at > 20*time.Second+pollSlack {
				t.Errorf("the next one goes on after %v", at)
			}
		}
		wantErr(t, "Save", s.Save(r.ctx), session.ErrLockLost)
		wantErr(t, "Finish", r.end(ok200), session.ErrLockLost)
		if n := p.count(id); n != 0 {
			t.Errorf("%d is stored", n)
		}
		if n := p.events.count(session.EventLockLost); n != 1 {
			t.Errorf("the observer heard of %d losses", n)
		}
	})
}

func TestM9_TheRobbedIsToldAtTheNextRenewal(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := memstore.New()
		p, q := start(t, store, session.Config{}), start(t, store, session.Config{})
		id := p.stored(0)
		r, s := p.client(id).hold(session.Exclusive)
		set(t, s, 1)
		p.faults.Next(sessiontest.OpAny, -1, hangs)
		time.Sleep(15 * time.Second)
		qr, _ := q.client(id).hold(session.Exclusive)
		p.faults.Reset()
		begun := time.Now()
		<-s.Context().Done()
		wantErr(t, "the context's cause", context.Cause(s.Context()), session.ErrLockLost)
		wantTook(t, "being told", begun, 0, 5*time.Second)
		// The thief's lock is not touched by any of that.
		wantErr(t, "Save", s.Save(r.ctx), session.ErrLockLost)
		wantErr(t, "Release", s.Release(r.ctx), session.ErrLockLost)
		wantErr(t, "Finish", r.end(ok200), session.ErrLockLost)
		if _, err := store.Acquire(t.Context(), qr.session().StoreKey(), session.NewToken(), time.Second); !errors.Is(err, session.ErrLocked) {
			t.Errorf("the other holder's lock is gone: %v", err)
		}
		if err := qr.end(ok200); err != nil {
			t.Error(err)
		}
	})
}

func TestM9_ALapsedLeaseNobodyNoticedStillSaves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, memstore.New(), session.Config{})
		id := p.stored(0)
		r, s := p.client(id).hold(session.Exclusive)
		set(t, s, 1)
		p.faults.Next(sessiontest.OpAny, -1, hangs)
		time.Sleep(time.Minute)
		p.faults.Reset()
		if err := r.end(ok200); err != nil {
			t.Error(err)
		}
		if n := p.count(id); n != 1 {
			t.Errorf("%d is stored", n)
		}
	})
}
