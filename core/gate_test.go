package session_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

func TestM5_FirstComeFirstServed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, memstore.New(), session.Config{AcquireTimeout: -1})
		id := p.stored(0)
		r, _ := p.client(id).hold(session.Exclusive)
		var order []int
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				p.client(id).do(session.Exclusive, func(s *session.Session) {
					order = append(order, i) // the session's lock guards it
					time.Sleep(time.Second)
				})
			})
			synctest.Wait() // it stands in line
		}
		begun := time.Now()
		r.end(ok200)
		wg.Wait()
		if !slices.IsSorted(order) || len(order) != 40 {
			t.Errorf("served in the order %v", order)
		}
		// The handlers' sleep is all the time that passes.
		wantTook(t, "40 requests of a second each", begun, 40*time.Second, 40*time.Second)
	})
}

// The line is kept when some leave it from the middle, the front and the end.
func TestM5_OrderOutlivesThoseWhoLeave(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, memstore.New(), session.Config{AcquireTimeout: -1})
		id := p.stored(0)
		r, _ := p.client(id).hold(session.Exclusive)
		var order, want []int
		var waiting []*request
		for i := range 20 {
			w := p.client(id).begin()
			waiting = append(waiting, w)
			go func() {
				_, err := session.Acquire(w.ctx)
				if err == nil {
					order = append(order, i)
				}
				w.end(ok200)
			}()
			synctest.Wait()
		}
		for i, w := range waiting {
			if i%3 == 0 || i > 16 || i < 2 {
				w.cancel()
			} else {
				want = append(want, i)
			}
		}
		synctest.Wait()
		r.end(ok200)
		synctest.Wait()
		if !slices.Equal(order, want) {
			t.Errorf("served in the order %v, want %v", order, want)
		}
	})
}

func TestM5_OneOfAProcessAsksTheStore(t *testing.T) {
	for _, watch := range []bool{true, false} {
		t.Run(fmt.Sprintf("watcher=%v", watch), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				probe := &concurrencyProbe{Store: memstore.New(), during: time.Millisecond}
				var store session.Store = probe
				if watch {
					store = struct {
						session.Store
						session.Watcher
					}{probe, probe.Store.(session.Watcher)}
				}
				p := start(t, store, session.Config{RequestQueueLimit: -1})
				q := start(t, probe.Store, session.Config{})
				id := p.stored(0)
				r, _ := q.client(id).hold(session.Exclusive)
				var wg sync.WaitGroup
				for range 50 {
					wg.Go(func() { p.client(id).do(session.Exclusive, func(s *session.Session) { add(s) }) })
				}
				time.Sleep(10 * time.Second)
				r.end(ok200)
				wg.Wait()
				if n := p.count(id); n != 50 {
					t.Errorf("count is %d, want 50", n)
				}
				if most := probe.most.Load(); most != 1 {
					t.Errorf("%d requests asked the store at once, want 1", most)
				}
			})
		})
	}
}

// concurrencyProbe measures how many Acquires are under way at most.
type concurrencyProbe struct {
	session.Store
	during    time.Duration
	now, most atomic.Int32
}

func (cp *concurrencyProbe) Acquire(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) (session.Record, error) {
	n := cp.now.Add(1)
	defer cp.now.Add(-1)
	for most := cp.most.Load(); n > most && !cp.most.CompareAndSwap(most, n); most = cp.most.Load() {
	}
	time.Sleep(cp.during)
	return cp.Store.Acquire(ctx, key, token, lease)
}

func TestM6_QueueLimitIsExact(t *testing.T) {
	for run := range 20 {
		bubble(t, func(t *testing.T) {
			p := start(t, memstore.New(), session.Config{})
			id := p.stored(0)
			mixed := run%2 == 1
			var running, refused, served atomic.Int32
			leave := make(chan struct{})
			r, _ := p.client(id).hold(session.Exclusive)
			for range 199 {
				mode := session.Exclusive
				if mixed && rand.N(2) == 0 {
					mode = session.ReadOnly
				}
				go func() {
					err := p.client(id).try(mode, func(s *session.Session) {
						running.Add(1)
						<-leave
						running.Add(-1)
						served.Add(1)
					})
					if errors.Is(err, session.ErrQueueFull) {
						refused.Add(1)
					} else if err != nil {
						t.Error(err)
					}
				}()
			}
			synctest.Wait()
			key := p.From(r.ctx).StoreKey()
			if n, w := refused.Load(), p.Waiting(key); n != 149 || w != 50 || running.Load() != 0 {
				t.Errorf("%d refused, %d wait, %d run: want 149, 50, 0", n, w, running.Load())
			}
			r.end(ok200)
			close(leave)
			synctest.Wait()
			if n := served.Load(); n != 50 {
				t.Errorf("%d of those who waited were served, want 50", n)
			}
		})
	}
}

// All 200 at once, with no first one in place: one runs, whoever it is.
func TestM6_QueueLimitIsExactFromTheStart(t *testing.T) {
	for range 20 {
		bubble(t, func(t *testing.T) {
			p := start(t, memstore.New(), session.Config{})
			id := p.stored(0)
			var running, refused atomic.Int32
			leave := make(chan struct{})
			for range 200 {
				go func() {
					if err := p.client(id).try(session.Exclusive, func(s *session.Session) {
						running.Add(1)
						<-leave
					}); errors.Is(err, session.ErrQueueFull) {
						refused.Add(1)
					}
				}()
			}
			synctest.Wait()
			if a, b := running.Load(), refused.Load(); a != 1 || b != 149 {
				t.Errorf("%d run and %d are refused, want 1 and 149", a, b)
			}
			close(leave)
		})
	}
}

func TestM6_WaitingForAnotherProcessCounts(t *testing.T) {
	for _, limit := range []int{1, 3} {
		bubble(t, func(t *testing.T) {
			store := memstore.New()
			p := start(t, store, session.Config{RequestQueueLimit: limit})
			q := start(t, store, session.Config{})
			id := p.stored(0)
			r, _ := q.client(id).hold(session.Exclusive)
			// The first one is asking the store, slowly, while the line fills.
			p.faults.Next(sessiontest.OpAcquire, 1, sessiontest.Fault{Delay: time.Second})
			errs := make([]error, limit+1)
			for i := range errs {
				go func() { errs[i] = p.client(id).try(session.Exclusive, func(*session.Session) {}) }()
				synctest.Wait()
			}
			if w := p.Waiting(r.session().StoreKey()); w != limit {
				t.Errorf("%d wait, want %d", w, limit)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			wantErr(t, "the one that came last", errs[limit], session.ErrQueueFull)
			// Readers count too.
			wantErr(t, "a reader", p.client(id).try(session.ReadOnly, func(*session.Session) {}), session.ErrQueueFull)
			r.end(ok200)
			synctest.Wait()
			for i, err := range errs[:limit] {
				if err != nil {
					t.Errorf("request %d: %v", i, err)
				}
			}
		})
	}
}

// session returns the session in hand.
func (r *request) session() *session.Session { return session.From(r.ctx) }

func TestM6_ReadersOfAnotherProcessCount(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := memstore.New()
		p := start(t, store, session.Config{RequestQueueLimit: 2})
		q := start(t, store, session.Config{})
		id := p.stored(0)
		r, _ := q.client(id).hold(session.Exclusive)
		var done sync.WaitGroup
		for range 2 {
			done.Go(func() { p.client(id).do(session.ReadOnly, func(*session.Session) {}) })
		}
		synctest.Wait()
		wantErr(t, "a third reader", p.client(id).try(session.ReadOnly, func(*session.Session) {}), session.ErrQueueFull)
		wantErr(t, "a writer", p.client(id).try(session.Exclusive, func(*session.Session) {}), session.ErrQueueFull)
		if n := p.count(id); n != 0 { // a Snapshot does not wait
			t.Error(n)
		}
		r.end(ok200)
		done.Wait()
	})
}

func TestM6_ConcurrentSavesAreNeitherRefusedNorCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, memstore.New(), session.Config{RequestQueueLimit: 1})
		id := p.stored(0)
		r, s := p.client(id).hold(session.Exclusive)
		key := s.StoreKey()
		go p.client(id).do(session.Exclusive, func(s *session.Session) { add(s) })
		synctest.Wait()
		for range 10 { // their Swaps meet the lock: they wait their turn
			go func() {
				if err := p.client(id).do(session.Concurrent, func(s *session.Session) { add(s) }); err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait()
		if w := p.Waiting(key); w != 1 {
			t.Errorf("%d wait, want the one Exclusive request", w)
		}
		wantErr(t, "another Exclusive", p.client(id).try(session.Exclusive, func(*session.Session) {}), session.ErrQueueFull)
		r.end(ok200)
		synctest.Wait()
		if n := p.count(id); n != 11 {
			t.Errorf("count is %d, want 11", n)
		}
	})
}

func TestM6_NegativeLimitIsNone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, memstore.New(), session.Config{RequestQueueLimit: -1})
		id := p.stored(0)
		var wg sync.WaitGroup
		r, _ := p.client(id).hold(session.Exclusive)
		for range 500 {
			wg.Go(func() { p.client(id).do(session.Exclusive, func(s *session.Session) { add(s) }) })
		}
		synctest.Wait()
		r.end(ok200)
		wg.Wait()
		if n := p.count(id); n != 500 {
			t.Errorf("count is %d, want 500", n)
		}
	})
}
