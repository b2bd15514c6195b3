package session_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// The turn comes and the context ends at the same moment, many times.
func TestM7_CancelAndTurnAtOnce(t *testing.T) {
	for run := range 50 {
		bubble(t, func(t *testing.T) {
			store := memstore.New()
			p, q := start(t, store, session.Config{RequestQueueLimit: -1}), start(t, store, session.Config{RequestQueueLimit: -1})
			id := p.stored(0)
			r, _ := p.client(id).hold(session.Exclusive)
			var wg, cancels sync.WaitGroup
			var counted atomic.Int32
			for i := range 30 {
				w := []*process{p, q}[i%2].client(id).begin()
				mode := session.Exclusive
				if i%5 == 0 {
					mode = session.ReadOnly
				}
				wg.Go(func() {
					s, err := session.Acquire(w.ctx, mode)
					if err == nil && mode == session.Exclusive {
						add(s)
					}
					if err := w.Finish(w.ctx, ok200); err != nil {
						t.Error(err)
					}
					if err == nil && mode == session.Exclusive {
						counted.Add(1)
					}
				})
				if rand.N(3) > 0 {
					cancels.Go(func() {
						time.Sleep(time.Second)
						for range rand.N(200) {
							_ = run // spins for a moment
						}
						w.cancel()
					})
				}
			}
			time.Sleep(time.Second)
			r.end(ok200)
			wg.Wait()
			cancels.Wait()
			if n := p.count(id); n != int(counted.Load()) {
				t.Errorf("the count is %d, want %d", n, counted.Load())
			}
		})
	}
}

// The answer of an Acquire gets lost: the lock that it may have taken is given
// back at once, not at the end of the lease.
func TestM7_ALostAcquireIsReleased(t *testing.T) {
	for name, c := range map[string]struct {
		fault sessiontest.Fault
		want  error
		took  time.Duration
	}{
		"lost":  {sessiontest.Fault{Kind: sessiontest.FailAfter}, session.ErrUnavailable, 0},
		"hangs": {sessiontest.Fault{Kind: sessiontest.HangAfter}, session.ErrUnavailable, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			pairs(t, session.Config{}, func(t *testing.T, p, q *process) {
				id := q.stored(0)
				p.faults.Next(sessiontest.OpAcquire, 1, c.fault)
				begun := time.Now()
				wantErr(t, "Acquire", p.client(id).try(session.Exclusive, func(*session.Session) {}), c.want)
				wantTook(t, "failing", begun, c.took, c.took)
				begun = time.Now()
				if err := q.client(id).try(session.Exclusive, func(*session.Session) {}); err != nil {
					t.Error(err)
				}
				wantTook(t, "the next request", begun, 0, 10*time.Millisecond)
			})
		})
	}
}

// Those who wait for the session while its Acquire's answer is lost go on too.
func TestM7_TheLineGoesOnAfterALostAcquire(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, memstore.New(), session.Config{})
		id := p.stored(0)
		p.faults.Next(sessiontest.OpAcquire, 1, sessiontest.Fault{Kind: sessiontest.HangAfter})
		var failed, served atomic.Int32
		for range 10 {
			go func() {
				if err := p.client(id).try(session.Exclusive, func(s *session.Session) { add(s) }); err == nil {
					served.Add(1)
				} else if errors.Is(err, session.ErrUnavailable) {
					failed.Add(1)
				}
			}()
		}
		time.Sleep(6 * time.Second)
		if failed.Load() != 1 || served.Load() != 9 || p.count(id) != 9 {
			t.Errorf("%d failed, %d served, count %d", failed.Load(), served.Load(), p.count(id))
		}
	})
}

// The client goes away while the store is asked for its lock.
func TestM7_AClientThatLeavesDuringAcquireHoldsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := memstore.New()
		p, q := start(t, store, session.Config{}), start(t, store, session.Config{})
		id := p.stored(0)
		p.faults.Next(sessiontest.OpAcquire, 1, sessiontest.Fault{Kind: sessiontest.HangAfter})
		r := p.client(id).begin()
		go func() {
			time.Sleep(time.Second)
			r.cancel()
		}()
		begun := time.Now()
		if _, err := session.Acquire(r.ctx); err == nil || errors.Is(err, session.ErrUnavailable) {
			t.Errorf("Acquire: %v, want the context's error", err)
		}
		r.end(ok200)
		if err := q.client(id).try(session.Exclusive, func(*session.Session) {}); err != nil {
			t.Error(err)
		}
		wantTook(t, "all of it", begun, time.Second, time.Second)
	})
}

func TestM22_ReleasedSessionsAnswerNothing(t *testing.T) {
	for name, release := range map[string]func(r *request, s *session.Session) error{
		"Release": func(r *request, s *session.Session) error { return s.Release(r.ctx) },
		"Finish":  func(r *request, _ *session.Session) error { return r.end(ok200) },
		"failure": func(r *request, _ *session.Session) error { return r.end(session.Outcome{Panicked: true}) },
		"hijack":  func(r *request, _ *session.Session) error { return r.BeforeHijack(r.ctx, ok200) },
	} {
		for _, mode := range []session.Mode{session.Exclusive, session.Concurrent, session.ReadOnly, session.Snapshot} {
			t.Run(name+" "+mode.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					p := start(t, memstore.New(), session.Config{})
					id := p.stored(1)
					r, s := p.client(id).hold(mode)
					before := s.Context()
					if err := release(r, s); err != nil {
						t.Fatal(err)
					}
					allRefuse(t, s, session.ErrReleased)
					if s.ID() != id || s.Mode() != mode || s.IsNew() || s.Created().IsZero() {
						t.Error("what outlives the release does not")
					}
					if before.Err() == nil || !errors.Is(context.Cause(s.Context()), session.ErrReleased) {
						t.Error("the session's context lives on")
					}
					if r.session() != nil {
						t.Error("From still has it")
					}
					r.end(ok200)
					if n := p.count(id); n != 1 {
						t.Error(n)
					}
				})
			})
		}
	}
}

func TestM22_NoSession(t *testing.T) {
	var none *session.Session
	allRefuse(t, none, session.ErrNoSession)
	if none.ID() != "" || none.StoreKey() != (session.StoreKey{}) || none.IsNew() || !none.Created().IsZero() {
		t.Error("a nil Session has something")
	}
	if none.Mode() == session.Exclusive || !errors.Is(context.Cause(none.Context()), session.ErrNoSession) {
		t.Error("a nil Session can be written, it seems")
	}
	_, err := session.Acquire(t.Context())
	wantErr(t, "Acquire without middleware", err, session.ErrNoSession)
	if session.From(t.Context()) != nil {
		t.Error("From without middleware")
	}
}

// allRefuse checks that every method returns want, or a zero value.
func allRefuse(t *testing.T, s *session.Session, want error) {
	t.Helper()
	_, got := countKey.Get(s)
	_, found, looked := countKey.Lookup(s)
	_, taken, took := countKey.Take(s)
	for what, err := range map[string]error{
		"Get": got, "Lookup": looked, "Take": took, "Set": countKey.Set(s, 5), "Update": add(s),
		"Key.Delete": countKey.Delete(s), "Delete": s.Delete("count"), "Clear": s.Clear(),
		"SetTimeout": s.SetTimeout(time.Hour), "SetOwner": s.SetOwner("ann"), "Remember": s.Remember(true),
		"Save": s.Save(t.Context()), "Release": s.Release(t.Context()), "Renew": s.Renew(), "Abandon": s.Abandon(),
	} {
		wantErr(t, what, err, want)
	}
	if found || taken || s.Has("count") || s.Keys() != nil || s.Len() != 0 || s.Timeout() != 0 || s.Owner() != "" {
		t.Error("a method without error returned something")
	}
}

// A goroutine of the handler still waits for the session when the request
// ends: it gets nothing, and what it was about to get goes back.
func TestM22_AcquireOutlivedByItsRequest(t *testing.T) {
	for _, mode := range []session.Mode{session.Exclusive, session.ReadOnly, session.Concurrent} {
		pairs(t, session.Config{AcquireTimeout: -1}, func(t *testing.T, p, q *process) {
			id := p.stored(0)
			r, _ := p.client(id).hold(session.Exclusive)
			if mode == session.Concurrent {
				q.faults.Next(sessiontest.OpLoad, 1, sessiontest.Fault{Delay: time.Second})
			}
			w := q.client(id).begin()
			got := make(chan error, 2)
			for range 2 {
				go func() {
					_, err := session.Acquire(w.ctx, mode)
					got <- err
				}()
			}
			synctest.Wait()
			if err := w.Finish(w.ctx, ok200); err != nil { // and its context lives on
				t.Error(err)
			}
			time.Sleep(2 * time.Second)
			r.end(ok200)
			for range 2 {
				wantErr(t, "Acquire", <-got, session.ErrNoSession)
			}
			_, err := session.Acquire(w.ctx, mode)
			wantErr(t, "Acquire after Finish", err, session.ErrNoSession)
			w.cancel()
			begun := time.Now()
			p.client(id).do(session.Exclusive, func(*session.Session) {})
			wantTook(t, "the next request", begun, 0, 10*time.Millisecond)
		})
	}
}
