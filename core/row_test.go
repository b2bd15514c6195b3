package session_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// A reader waits for the writer that is under way when it comes, and for no
// later one, though the lock is never free in between.
func TestM2_AReaderWaitsForOneOfARow(t *testing.T) {
	for name, same := range map[string]bool{"same process": true, "another process": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				store := newWatched(t)
				p := start(t, store, session.Config{})
				reader := p
				if !same {
					reader = start(t, store, session.Config{})
				}
				id := p.stored(0)
				r, s := p.client(id).hold(session.Exclusive)
				var wg sync.WaitGroup
				for range 6 {
					wg.Go(func() {
						_ = p.client(id).do(session.Exclusive, func(s *session.Session) {
							time.Sleep(time.Second)
							addOne(t, s)
						})
					})
				}
				synctest.Wait()
				r.end(addOne(t, s))
				time.Sleep(2500 * time.Millisecond) // the third in line has it
				begun := time.Now()
				err := reader.client(id).do(session.ReadOnly, func(s *session.Session) {
					wantTook(t, "the wait", begun, 500*time.Millisecond, 500*time.Millisecond)
					if n := get(t, s); n != 4 {
						t.Errorf("it sees %d, want 4", n)
					}
				})
				if err != nil {
					t.Error(err)
				}
				if same {
					wantCalls(t, p, sessiontest.OpLoad, 1) // it was woken here
				}
				wg.Wait()
			})
		})
	}
}

// However a row ends, nothing of it stays: newWatched looks.
func TestM22_ARowLeavesNothing(t *testing.T) {
	for name, second := range map[string]func(p *process, s *session.Session) error{
		"the store fails the third": func(p *process, s *session.Session) error {
			p.faults.Next(sessiontest.OpAcquire, 1, sessiontest.Fault{Kind: sessiontest.FailBefore})
			return nil // without changes: the third has to ask the store
		},
		"the session moves": func(p *process, s *session.Session) error {
			return errors.Join(s.Renew(), s.Save(p.t.Context()))
		},
		"the session moves at the end": func(p *process, s *session.Session) error { return s.Renew() },
		"the session is abandoned":     func(p *process, s *session.Session) error { return s.Abandon() },
		"the lock is lost": func(p *process, s *session.Session) error {
			time.Sleep(time.Hour)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := start(t, newWatched(t), session.Config{AcquireTimeout: 24 * time.Hour})
				id := p.stored(0)
				r, s := p.client(id).hold(session.Exclusive)
				var wg sync.WaitGroup
				for i := range 4 {
					wg.Go(func() {
						_ = p.client(id).try(session.Exclusive, func(s *session.Session) {
							if i == 0 {
								if err := second(p, s); err != nil {
									t.Error(err)
								}
							}
						})
					})
					synctest.Wait()
				}
				r.end(addOne(t, s))
				wg.Wait()
			})
		})
	}
}

// lateWakes wakes two milliseconds late, as other processes are by a database.
type lateWakes struct{ *watched }

func (s lateWakes) Watch(key session.StoreKey) (<-chan struct{}, func()) {
	wake, stop := s.watched.Watch(key)
	late, done := make(chan struct{}, 1), make(chan struct{})
	go func() { // ends with stop
		for {
			select {
			case <-wake:
			case <-done:
				return
			}
			time.Sleep(2 * time.Millisecond)
			select {
			case late <- struct{}{}:
			default:
			}
		}
	}()
	return late, sync.OnceFunc(func() { close(done); stop() })
}

// Two processes that contend for one session get about the same, whether their
// requests write or only look.
func TestM5_ProcessesTakeTurns(t *testing.T) {
	for _, tt := range []struct {
		name   string
		writes bool
		hide   bool // that the store can wake
		least  float64
	}{
		{"writing", true, false, 0.4},
		{"looking", false, false, 0.4},
		{"writing, polling", true, true, 0.3},
		{"looking, polling", false, true, 0.3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var store session.Store = lateWakes{newWatched(t)}
				if tt.hide {
					store = silent{store}
				}
				var ps [2]*process
				for i := range ps {
					ps[i] = start(t, store, session.Config{})
					ps[i].faults.Rule(func(c sessiontest.Call) sessiontest.Fault {
						return sessiontest.Fault{Delay: time.Millisecond}
					})
				}
				id := ps[0].stored(0)
				var got [2]atomic.Int32
				var wg sync.WaitGroup
				end := time.Now().Add(10 * time.Second)
				for i, p := range ps {
					for range 10 {
						wg.Go(func() {
							for time.Now().Before(end) {
								err := p.client(id).try(session.Exclusive, func(s *session.Session) {
									time.Sleep(time.Millisecond)
									if tt.writes {
										addOne(t, s)
									}
								})
								if err != nil {
									t.Error(err)
								}
								got[i].Add(1)
							}
						})
					}
				}
				wg.Wait()
				a, b := float64(got[0].Load()), float64(got[1].Load())
				t.Logf("%v and %v requests; %v calls of Acquire, %v of Save", a, b, calls(ps[0], sessiontest.OpAcquire)+calls(ps[1], sessiontest.OpAcquire),
					calls(ps[0], sessiontest.OpSave)+calls(ps[1], sessiontest.OpSave))
				if share := min(a, b) / (a + b); share < tt.least {
					t.Errorf("one had %.0f %% of the turns", 100*share)
				}
				if n := ps[0].count(id); tt.writes && n != int(a+b) {
					t.Errorf("the count is %d", n)
				}
			})
		})
	}
}
