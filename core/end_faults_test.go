package session_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// dies takes the store away from the process, as its death would.
func (p *process) dies() { p.faults.Next(sessiontest.OpAny, -1, down) }

// doomed starts a process whose OnEnd does then. What hangs in it hangs until
// the test is over.
func doomed(t *testing.T, memory session.Store, then func(p *process, hang func()) error) (*process, *ear) {
	over := make(chan struct{})
	var p *process
	a := &ear{t: t}
	a.then = func(context.Context, session.Ended) error { return then(p, func() { <-over }) }
	p = start(t, memory, reaping(a))
	t.Cleanup(func() { close(over) })
	return p, a
}

// Wherever a process dies, another tells the end when the claim has lapsed; and
// only if OnEnd had been told before, and the record was not removed, is it a
// repeat.
func TestM17_AProcessDiesAtAnyStep(t *testing.T) {
	steps := map[string]struct {
		then   func(p *process, hang func()) error
		before func(p *process)
		heard  int // by the one that dies
		again  int // by the other
	}{
		"before it knows what it has claimed": {
			before: func(p *process) {
				p.faults.Next(sessiontest.OpReap, 1, sessiontest.Fault{}) // in bulk
				p.faults.Next(sessiontest.OpReap, 1, sessiontest.Fault{Kind: sessiontest.FailAfter})
				p.dies()
			},
			again: 1,
		},
		"in OnEnd":                 {then: func(p *process, hang func()) error { p.dies(); hang(); return nil }, heard: 1, again: 1},
		"in OnEnd that has failed": {then: func(p *process, _ func()) error { p.dies(); return errBoom }, heard: 1, again: 1},
		"before the removal":       {then: func(p *process, _ func()) error { p.dies(); return nil }, heard: 1, again: 1},
		"after the removal": {then: func(p *process, _ func()) error {
			p.faults.Next(sessiontest.OpRemove, 1, sessiontest.Fault{Kind: sessiontest.FailAfter})
			p.dies()
			return nil
		}, heard: 1},
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				memory := memstore.New()
				p, first := doomed(t, memory, step.then)
				p.stored(7)
				time.Sleep(21*time.Minute - 31*time.Second)
				if step.before != nil {
					time.Sleep(31 * time.Second) // its round of reaping may have come, but nothing has expired
					step.before(p)
				}
				time.Sleep(62 * time.Second)
				synctest.Wait()
				told := first.heard(step.heard)
				died := time.Now()
				second := &ear{t: t}
				start(t, memory, reaping(second))
				time.Sleep(2 * time.Minute)
				for _, e := range second.heard(step.again) {
					if e.Attempt != 2 || e.count != 7 || e.Reason != session.EndExpired {
						t.Errorf("%+v", e)
					}
					if len(told) > 0 && e.Token != told[0].Token {
						t.Error("the repeat has another token")
					}
					if d := e.at.Sub(died); d > 15*time.Second+30*time.Second {
						t.Errorf("told %v after the death", d)
					}
				}
				nothingLeft(t, memory)
				second.heard(step.again)
			})
		})
	}
}

// The same for a session that was abandoned under its lock, whose end the
// process has claimed by that.
func TestM17_TheAbandoningProcessDies(t *testing.T) {
	for name, then := range map[string]func(p *process, hang func()) error{
		"in OnEnd":           func(p *process, hang func()) error { p.dies(); hang(); return nil },
		"before the removal": func(p *process, _ func()) error { p.dies(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				memory, second := memstore.New(), &ear{t: t}
				start(t, memory, reaping(second))
				p, first := doomed(t, memory, then)
				c := p.client(p.stored(7))
				wantErr(t, "logout", c.try(session.Exclusive, func(s *session.Session) { wantErr(t, "Abandon", s.Abandon(), nil) }), nil)
				synctest.Wait()
				token := first.heard(1)[0].Token
				time.Sleep(time.Minute)
				if e := second.heard(1)[0]; e.Token != token || e.Attempt != 2 || e.Reason != session.EndAbandoned || e.count != 7 {
					t.Errorf("%+v", e)
				}
				nothingLeft(t, memory)
				second.heard(1)
			})
		})
	}
}

// Lost answers on the way of an abandoned session cost no end, and make none
// that is told as done by two.
func TestM17_LostAnswersOfAnAbandon(t *testing.T) {
	for _, op := range []sessiontest.Op{sessiontest.OpRemove, sessiontest.OpExtend, sessiontest.OpReap} {
		for _, kind := range []sessiontest.FaultKind{sessiontest.FailBefore, sessiontest.FailAfter, sessiontest.HangBefore, sessiontest.HangAfter} {
			inBubble(t, allModes, func(t *testing.T, mode session.Mode) {
				a, memory := &ear{t: t}, memstore.New()
				start(t, memory, reaping(a))
				p := start(t, memory, reaping(a))
				c := p.client(p.stored(7))
				r, s := c.hold(mode)
				wantErr(t, "Abandon", s.Abandon(), nil)
				p.faults.Next(op, 1, sessiontest.Fault{Kind: kind})
				wantErr(t, "Finish", r.end(ok200), nil)
				time.Sleep(2 * time.Minute)
				if e := a.heard(1)[0]; e.Reason != session.EndAbandoned || e.count != 7 {
					t.Errorf("%+v", e)
				}
				nothingLeft(t, memory)
				a.heard(1)
			})
		}
	}
}

// If it is in doubt what was stored last, OnEnd sees what the store has.
func TestM17_AbandonAfterASaveInDoubt(t *testing.T) {
	for kind, want := range map[sessiontest.FaultKind]int{sessiontest.FailBefore: 7, sessiontest.FailAfter: 8} {
		bubble(t, func(t *testing.T) {
			a, memory := &ear{t: t}, memstore.New()
			p := start(t, memory, reaping(a))
			r, s := p.client(p.stored(7)).hold(session.Exclusive)
			set(t, s, 8)
			p.faults.Next(sessiontest.OpSave, -1, sessiontest.Fault{Kind: kind})
			wantErr(t, "Save", s.Save(r.ctx), session.ErrUnavailable)
			wantErr(t, "Abandon", s.Abandon(), nil)
			wantErr(t, "Finish", r.end(ok200), nil)
			synctest.Wait()
			if e := a.heard(1)[0]; e.count != want || e.Reason != session.EndAbandoned {
				t.Errorf("%+v", e)
			}
			nothingLeft(t, memory)
			a.heard(1)
		})
	}
}

// An abandon under a lock that was lost, or of a session that was revoked
// meanwhile, makes one end of it.
func TestM17_AbandonOfALostSession(t *testing.T) {
	for _, revoked := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			a, memory := &ear{t: t}, memstore.New()
			p := start(t, memory, reaping(a))
			other := start(t, memory, reaping(a))
			c := p.client(p.stored(7))
			r, s := c.hold(session.Exclusive)
			want := session.EndAbandoned
			if revoked {
				want = session.EndRevoked
				wantErr(t, "Revoke", other.Revoke(t.Context(), s.StoreKey()), nil)
			} else {
				p.faults.Next(sessiontest.OpExtend, -1, down)
				time.Sleep(16 * time.Second)
				thief, stolen := other.client(c.id).hold(session.Exclusive)
				set(t, stolen, 9)
				defer func() { wantErr(t, "the thief's save", thief.end(ok200), session.ErrLockLost) }()
			}
			wantErr(t, "Abandon", s.Abandon(), nil)
			wantErr(t, "Finish", r.end(ok200), nil)
			p.faults.Reset()
			time.Sleep(2 * time.Minute)
			if e := a.heard(1)[0]; e.Reason != want || e.count != 7 {
				t.Errorf("%+v", e)
			}
			nothingLeft(t, memory)
			a.heard(1)
		})
	}
}

// An OnEnd that takes its time keeps its claim.
func TestM17_ClaimsAreKeptAlive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, memory := &ear{t: t}, memstore.New()
		a.then = func(ctx context.Context, _ session.Ended) error {
			time.Sleep(100 * time.Second)
			return ctx.Err()
		}
		for range 2 {
			start(t, memory, reaping(a))
		}
		p := start(t, memory, reaping(a))
		const n = 3 * 12 // more than run at once: the rest waits, claimed
		for i := range n {
			p.stored(i)
		}
		time.Sleep(40 * time.Minute)
		for _, e := range a.heard(n) {
			if e.Attempt != 1 {
				t.Errorf("attempt %d", e.Attempt)
			}
		}
	})
}

// When the lease runs out OnEnd is told so, before another process may begin.
func TestM17_LeaseRunsOutDuringOnEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		memory, ended := memstore.New(), make(chan time.Time, 1)
		second := &ear{t: t}
		start(t, memory, reaping(second))
		var p *process
		a := &ear{t: t, then: func(ctx context.Context, _ session.Ended) error {
			p.dies() // but for this goroutine
			begun := time.Now()
			<-ctx.Done()
			wantErr(t, "the cause", context.Cause(ctx), session.ErrLockLost)
			wantTook(t, "OnEnd", begun, 14*time.Second, 15*time.Second)
			ended <- time.Now()
			return ctx.Err()
		}}
		cfg := reaping(a)
		cfg.ReapInterval = time.Second // sooner than the other
		p = start(t, memory, cfg)
		p.stored(7)
		first := <-ended
		time.Sleep(time.Minute)
		if e := second.heard(1)[0]; e.Attempt != 2 || e.at.Before(first) {
			t.Errorf("%+v", e)
		}
		a.heard(1)
	})
}

// The same if the store does not refuse the claim's extension, but hangs.
func TestM17_LeaseRunsOutWhileTheStoreHangs(t *testing.T) {
	for _, lease := range []time.Duration{time.Second, 15 * time.Second} {
		bubble(t, func(t *testing.T) {
			memory, ended := memstore.New(), make(chan struct{})
			var p *process
			a := &ear{t: t, then: func(ctx context.Context, _ session.Ended) error {
				begun := time.Now()
				p.faults.Next(sessiontest.OpAny, -1, hangs)
				<-ctx.Done()
				wantErr(t, "the cause", context.Cause(ctx), session.ErrLockLost)
				wantTook(t, "OnEnd", begun, lease, lease)
				close(ended)
				return ctx.Err()
			}}
			cfg := reaping(a)
			cfg.LockLease = lease
			p = start(t, memory, cfg)
			p.stored(7)
			<-ended
			a.heard(1)
		})
	}
}

// While all calls of OnEnd hang, and go on when their context has ended, what
// waits behind them is left to other processes.
func TestM17_HungOnEndsHoldNothingElseBack(t *testing.T) {
	for _, limit := range []time.Duration{0, -1} {
		bubble(t, func(t *testing.T) {
			memory, over := memstore.New(), make(chan struct{})
			a := &ear{t: t, then: func(context.Context, session.Ended) error {
				<-over
				return nil
			}}
			cfg := reaping(a)
			cfg.ExecutionTimeout = limit
			p := start(t, memory, cfg)
			t.Cleanup(func() { close(over) })
			const n, hang = 20, 8
			for i := range n {
				p.stored(i)
			}
			time.Sleep(22 * time.Minute)
			a.heard(hang)
			other := &ear{t: t}
			start(t, memory, reaping(other))
			if limit == 0 {
				time.Sleep(5 * time.Minute)
				other.heard(n) // those that hang are told again too, M17
				return
			}
			time.Sleep(2 * time.Hour)
			other.heard(n - hang)
		})
	}
}

// An OnEnd that hangs is told so at ExecutionTimeout, and then others get the
// end, who may have more luck.
func TestM17_OnEndOutlivesExecutionTimeout(t *testing.T) {
	for _, limit := range []time.Duration{time.Second, 7 * time.Second, 110 * time.Second} {
		outlivesExecutionTimeout(t, limit)
	}
}

func outlivesExecutionTimeout(t *testing.T, limit time.Duration) {
	bubble(t, func(t *testing.T) {
		memory := memstore.New()
		a := &ear{t: t}
		a.then = func(ctx context.Context, e session.Ended) error {
			if e.Attempt > 1 {
				return nil
			}
			begun := time.Now()
			<-ctx.Done()
			wantErr(t, "the cause", context.Cause(ctx), context.DeadlineExceeded)
			wantTook(t, "OnEnd", begun, limit, limit)
			return ctx.Err()
		}
		cfg := reaping(a)
		cfg.ExecutionTimeout = limit
		p := start(t, memory, cfg)
		p.stored(7)
		time.Sleep(26 * time.Minute)
		calls := a.heard(2)
		if calls[1].Token != calls[0].Token || calls[1].Attempt != 2 {
			t.Errorf("%+v", calls[1])
		}
		nothingLeft(t, memory)
	})
}

// No more than 8 run at once, and those that hang do not stop the others.
func TestM17_OnEndsAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		over := make(chan struct{})
		var mu sync.Mutex
		running, most, hung := 0, 0, 0
		a := &ear{t: t}
		a.then = func(context.Context, session.Ended) error {
			mu.Lock()
			running++
			most = max(most, running)
			hangs := hung < 7
			if hangs {
				hung++
			}
			mu.Unlock()
			if hangs {
				<-over
			} else {
				time.Sleep(time.Millisecond)
			}
			mu.Lock()
			running--
			mu.Unlock()
			return nil
		}
		cfg := reaping(a)
		cfg.ExecutionTimeout = -1
		p := start(t, memstore.New(), cfg)
		for i := range 100 {
			p.stored(i)
		}
		time.Sleep(22 * time.Minute)
		a.heard(100)
		mu.Lock()
		if running != 7 || most != 8 {
			t.Errorf("%d ran at once, and %d hang", most, running)
		}
		mu.Unlock()
		close(over)
	})
}

// With a store whose calls fail and whose answers get lost, every end is told,
// and none by two at a time.
func TestM17_EndsOverAnUnreliableStore(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				a, memory := &ear{t: t}, memstore.New()
				a.then = func(_ context.Context, e session.Ended) error {
					time.Sleep(time.Second)
					if e.Key[0]%5 == 0 && e.Attempt == 1 {
						return errBoom
					}
					return nil
				}
				const n = 200
				keys := make(map[session.StoreKey]bool)
				var processes []*process
				for i := range uint64(3) {
					p := start(t, memory, reaping(a))
					p.faults.Rule(sessiontest.Random(3*seed+i, sessiontest.Rates{
						FailBefore: 0.1, FailAfter: 0.1, HangBefore: 0.03, HangAfter: 0.03, Delay: 0.2, MaxDelay: time.Second,
					}))
					processes = append(processes, p)
				}
				calm := start(t, memory, session.Config{OnEnd: a.onEnd, ReapInterval: -1})
				for i := range n {
					c := calm.client(calm.stored(i))
					_, s := c.hold(session.Snapshot)
					keys[s.StoreKey()] = true
					_ = s.Release(t.Context())
					if i%2 == 0 { // abandoned by one of those with troubles
						c.m = processes[i%3].Manager
						_ = c.try([]session.Mode{session.Exclusive, session.Concurrent}[i/2%2], func(s *session.Session) { _ = s.Abandon() })
					}
				}
				time.Sleep(2 * time.Hour)
				a.mu.Lock()
				for _, e := range a.calls {
					delete(keys, e.Key)
				}
				a.mu.Unlock()
				if len(keys) > 0 {
					t.Errorf("%d ends were lost", len(keys))
				}
				nothingLeft(t, memory)
			})
		})
	}
}

// However often an end was claimed by those that did not come to OnEnd, it is
// not given up before OnEnd has been called.
func TestM17_ClaimsThatCameToNothing(t *testing.T) {
	for _, fails := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			a, memory, log := &ear{t: t}, memstore.New(), &eventLog{}
			if fails {
				a.then = func(context.Context, session.Ended) error { return errBoom }
			}
			cfg := reaping(a)
			cfg.Observer, cfg.ReapInterval = log, time.Hour
			p := start(t, memory, cfg)
			p.stored(7)
			p.faults.Next(sessiontest.OpReap, -1, down)
			time.Sleep(30 * time.Minute)
			for range 20 { // their answers are lost
				if got, err := memory.Reap(t.Context(), "", 10, session.NewToken(), time.Second); len(got) != 1 || err != nil {
					t.Fatal(got, err)
				}
				time.Sleep(2 * time.Second)
			}
			p.faults.Reset()
			time.Sleep(3 * time.Hour)
			a.heard(1)
			if lost := log.of(session.EventEndLost); (len(lost) == 1) != fails {
				t.Errorf("%d ends are said to be lost", len(lost))
			}
			nothingLeft(t, memory)
		})
	}
}
