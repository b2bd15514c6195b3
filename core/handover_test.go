package session_test

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// watched counts the watches that are open, of which none may be left.
type watched struct {
	*memstore.Store
	open atomic.Int32
}

func newWatched(t *testing.T) *watched {
	w := &watched{Store: memstore.New()}
	t.Cleanup(func() {
		if n := w.open.Load(); n != 0 {
			t.Errorf("%d watches are left open", n)
		}
	})
	return w
}

func (w *watched) Watch(key session.StoreKey) (<-chan struct{}, func()) {
	wake, stop := w.Store.Watch(key)
	w.open.Add(1)
	return wake, func() {
		if stop != nil {
			w.open.Add(-1)
			stop()
			stop = nil
		}
	}
}

// queue has n requests come one after the other, under ctxs where there are
// any, while another has the session. Each adds one. turns is the order in
// which they had it, errs what became of them, when all are done.
func (p *process) queue(id string, n int, ctxs ...context.Context) (turns *[]int, done *sync.WaitGroup, errs []error) {
	p.t.Helper()
	var mu sync.Mutex
	turns, done, errs = new([]int), new(sync.WaitGroup), make([]error, n)
	for i := range n {
		done.Go(func() {
			c := p.client(id)
			r := c.begin()
			ctx := r.ctx
			if i < len(ctxs) && ctxs[i] != nil {
				inner, cancel := context.WithCancelCause(ctx)
				stop := context.AfterFunc(ctxs[i], func() { cancel(context.Cause(ctxs[i])) })
				defer stop()
				defer cancel(nil)
				ctx = inner
			}
			s, err := session.Acquire(ctx)
			if err != nil {
				errs[i] = errors.Join(err, r.end(session.Outcome{Status: session.HTTPStatus(err)}))
				return
			}
			mu.Lock()
			*turns = append(*turns, i)
			mu.Unlock()
			errs[i] = errors.Join(add(s), r.end(ok200))
		})
		synctest.Wait()
	}
	return turns, done, errs
}

func calls(p *process, op sessiontest.Op) int { return p.calls.Counts()[op] }

func wantCalls(t *testing.T, p *process, op sessiontest.Op, want int) {
	t.Helper()
	if n := calls(p, op); n != want {
		t.Errorf("%d calls of %s, want %d; all: %v", n, op, want, p.calls.Counts())
	}
}

func wantNone(t *testing.T, errs []error) {
	t.Helper()
	for i, err := range errs {
		if err != nil {
			t.Errorf("request %d: %v", i, err)
		}
	}
}

func TestM5_M21_WhoWaitedCostsOneRoundTrip(t *testing.T) {
	for _, tt := range []struct{ waiting, acquires int }{
		{0, 1}, {1, 1}, {8, 1}, {9, 2}, {17, 2}, {18, 3}, {40, 5},
	} {
		bubble(t, func(t *testing.T) {
			p := start(t, newWatched(t), session.Config{})
			id := p.stored(0)
			r, s := p.client(id).hold(session.Exclusive)
			turns, done, errs := p.queue(id, tt.waiting)
			begun := time.Now()
			r.end(addOne(t, s))
			done.Wait()
			wantTook(t, "the queue", begun, 0, 0)
			wantNone(t, errs)
			if !slices.IsSorted(*turns) {
				t.Errorf("out of order: %v", *turns)
			}
			wantCalls(t, p, sessiontest.OpAcquire, tt.acquires)
			wantCalls(t, p, sessiontest.OpSave, tt.waiting+1)
			wantCalls(t, p, sessiontest.OpRelease, 0)
			if n := p.count(id); n != tt.waiting+1 {
				t.Errorf("the count is %d after %d requests", n, tt.waiting+1)
			}
		})
	}
}

// addOne adds one and returns a good outcome, for the request that is ended by it.
func addOne(t *testing.T, s *session.Session) session.Outcome {
	t.Helper()
	if err := add(s); err != nil {
		t.Error(err)
	}
	return ok200
}

// What the next in line gets from memory is what another process would read.
func TestM5_TheNextSeesAllOfTheSession(t *testing.T) {
	keys := [][]byte{make([]byte, 32)}
	rand.Read(keys[0])
	for name, cfg := range map[string]session.Config{
		"plain":     {},
		"sealed":    {EncryptionKeys: keys, Compress: true},
		"with ends": {OnEnd: func(context.Context, session.Ended) error { return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := start(t, newWatched(t), cfg)
				id := p.stored(0)
				time.Sleep(time.Minute)
				r, s := p.client(id).hold(session.Exclusive)
				text := session.NewKey[string]("text")
				long := strings.Repeat("long ", 1000)
				for _, err := range []error{text.Set(s, long), s.SetOwner("ada"), s.SetTimeout(time.Hour), s.Remember(true)} {
					if err != nil {
						t.Fatal(err)
					}
				}
				created := s.Created()
				var wg sync.WaitGroup
				for i := range 3 {
					wg.Go(func() {
						err := p.client(id).do(session.Exclusive, func(s *session.Session) {
							got, err := text.Get(s)
							if got != long || err != nil || s.Owner() != "ada" || s.Timeout() != time.Hour || !s.Created().Equal(created) || s.IsNew() || get(t, s) != i {
								t.Errorf("request %d sees %d bytes (%v), owner %q, timeout %v, created %v, new %v, count %d",
									i, len(got), err, s.Owner(), s.Timeout(), s.Created(), s.IsNew(), get(t, s))
							}
							set(t, s, i+1)
						})
						if err != nil {
							t.Error(err)
						}
					})
					synctest.Wait()
				}
				r.end(ok200)
				wg.Wait()
				wantCalls(t, p, sessiontest.OpAcquire, 1)
				time.Sleep(50 * time.Minute) // it lives by the timeout that was set
				if n := p.count(id); n != 3 {
					t.Errorf("the count is %d", n)
				}
			})
		})
	}
}

// A session that was removed while requests wait in line is not brought back
// by one that got the lock from the one before.
func TestM15_AHandoverRevivesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, newWatched(t), session.Config{})
		id := p.stored(0)
		r, s := p.client(id).hold(session.Exclusive)
		key := s.StoreKey()
		var lost, fresh atomic.Int32
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				c := p.client(id)
				r, s := c.hold(session.Exclusive)
				if i == 0 { // it has the lock, from the one before
					if err := p.Revoke(t.Context(), key); err != nil {
						t.Error(err)
					}
				}
				if s.IsNew() {
					fresh.Add(1)
				}
				if err := r.end(addOne(t, s)); errors.Is(err, session.ErrLockLost) {
					lost.Add(1)
				}
			})
			synctest.Wait()
		}
		r.end(addOne(t, s))
		wg.Wait()
		if lost.Load() != 1 || fresh.Load() != 2 {
			t.Errorf("%d lost the lock and %d got a new session, want 1 and 2", lost.Load(), fresh.Load())
		}
		p.client(id).count(absent)
	})
}

// The one that the lock was passed for leaves before the save has answered, and
// so does the session: who came after that must not get it from memory.
func TestM15_AHandoverServesNobodyWhoCameLater(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := &slowAnswer{Store: newWatched(t), late: 2 * time.Second}
		p := start(t, slow, session.Config{})
		id := p.stored(0)
		r, s := p.client(id).hold(session.Exclusive)
		key := s.StoreKey()
		ctx, leave := context.WithCancelCause(t.Context())
		_, left, errs := p.queue(id, 1, ctx)
		slow.now.Store(true)
		var ended sync.WaitGroup
		ended.Go(func() { r.end(addOne(t, s)) })
		time.Sleep(time.Second)
		gone := errors.New("the client went away")
		leave(gone)
		left.Wait()
		wantErr(t, "who left", errs[0], gone)
		if err := p.Revoke(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		err := p.client(id).do(session.Exclusive, func(s *session.Session) {
			if !s.IsNew() {
				t.Error("a request that came after the session's end got it")
			}
		})
		if err != nil {
			t.Error(err)
		}
		ended.Wait()
	})
}

// ExecutionTimeout is each request's own.
func TestM8_AHandoverBeginsAnExecutionAnew(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, newWatched(t), session.Config{ExecutionTimeout: time.Minute, AcquireTimeout: time.Hour})
		id := p.stored(0)
		r, s := p.client(id).hold(session.Exclusive)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				err := p.client(id).do(session.Exclusive, func(s *session.Session) {
					time.Sleep(50 * time.Second)
					addOne(t, s)
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		time.Sleep(50 * time.Second)
		r.end(addOne(t, s))
		wg.Wait()
		wantCalls(t, p, sessiontest.OpAcquire, 1)
		if n := p.count(id); n != 5 {
			t.Errorf("the count is %d", n)
		}
	})
}

// Created is when the store stored it, also for who gets it from memory.
func TestM5_TheNextOfANewSessionAsksTheStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, newWatched(t), session.Config{})
		r, s := p.client("").hold(session.Exclusive)
		time.Sleep(time.Second)
		addOne(t, s)
		if err := s.Save(t.Context()); err != nil { // as an early flush does
			t.Fatal(err)
		}
		stored := time.Now()
		id := s.ID()
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				err := p.client(id).do(session.Exclusive, func(s *session.Session) {
					if !s.Created().Equal(stored) {
						t.Errorf("created %v after the store says", s.Created().Sub(stored))
					}
					addOne(t, s)
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		time.Sleep(time.Second)
		r.end(addOne(t, s))
		wg.Wait()
		wantCalls(t, p, sessiontest.OpAcquire, 1)
		if n := p.count(id); n != 4 {
			t.Errorf("the count is %d", n)
		}
	})
}
