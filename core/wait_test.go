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

// pairs runs f with a writer's and a waiter's process: the same one, two that
// the store wakes, and two that poll.
func pairs(t *testing.T, cfg session.Config, f func(t *testing.T, writer, waiter *process)) {
	t.Run("same process", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := start(t, memstore.New(), cfg)
			f(t, p, p)
		})
	})
	t.Run("woken", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			store := memstore.New()
			f(t, start(t, store, cfg), start(t, store, cfg))
		})
	})
	t.Run("polling", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			store := silent{memstore.New()}
			f(t, start(t, store, cfg), start(t, store, cfg))
		})
	})
}

// pollSlack is how late a poller may see a release at most.
const pollSlack = 500 * time.Millisecond

func TestM2_ReadersRunSideBySide(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, memstore.New(), session.Config{})
		id := p.stored(7)
		var wg sync.WaitGroup
		begun := time.Now()
		for range 100 {
			wg.Go(func() {
				p.client(id).do(session.ReadOnly, func(s *session.Session) {
					time.Sleep(time.Second)
					if n := get(t, s); n != 7 {
						t.Error(n)
					}
				})
			})
		}
		wg.Wait()
		wantTook(t, "100 readers of a second", begun, time.Second, time.Second)
	})
}

func TestM2_ReaderWaitsForTheWriterAndSeesWhatItSaved(t *testing.T) {
	pairs(t, session.Config{AcquireTimeout: -1, ExecutionTimeout: -1}, func(t *testing.T, writer, waiter *process) {
		id := writer.stored(0)
		r, s := writer.client(id).hold(session.Exclusive)
		set(t, s, 1)
		var saw atomic.Int32
		saw.Store(-1)
		go waiter.client(id).do(session.ReadOnly, func(s *session.Session) { saw.Store(int32(get(t, s))) })
		time.Sleep(3 * time.Minute) // many leases
		if n := saw.Load(); n != -1 {
			t.Fatalf("the reader did not wait: it saw %d", n)
		}
		begun := time.Now()
		r.end(ok200)
		synctest.Wait()
		for saw.Load() < 0 && time.Since(begun) < time.Minute {
			time.Sleep(time.Millisecond)
		}
		if n := saw.Load(); n != 1 {
			t.Errorf("the reader saw %d, want what the writer saved", n)
		}
		most := time.Duration(0)
		if _, wakes := waiter.calls.Store.(session.Watcher); !wakes {
			most = pollSlack
		}
		wantTook(t, "letting the reader go on", begun, 0, most)
	})
}

// A stream of writers that hand the session on to each other without a gap.
func TestM2_LaterWritersCannotStarveAReader(t *testing.T) {
	pairs(t, session.Config{AcquireTimeout: -1}, func(t *testing.T, writer, waiter *process) {
		id := writer.stored(0)
		r, _ := writer.client(id).hold(session.Exclusive)
		stop := make(chan struct{})
		var writers sync.WaitGroup
		for range 3 {
			writers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					writer.client(id).do(session.Exclusive, func(s *session.Session) {
						add(s)
						time.Sleep(100 * time.Millisecond)
					})
				}
			})
		}
		synctest.Wait()
		var done atomic.Bool
		go func() {
			waiter.client(id).do(session.ReadOnly, func(*session.Session) {})
			done.Store(true)
		}()
		time.Sleep(5 * time.Second)
		if done.Load() {
			t.Error("the reader did not wait for the first writer")
		}
		r.end(ok200)
		// A poller may meet the end between two looks, and then the next
		// holder tells it that its own has gone.
		time.Sleep(2 * pollSlack)
		if !done.Load() {
			t.Error("the reader waits for later writers")
		}
		close(stop)
		writers.Wait()
	})
}

func TestM2_ReaderNeverBlocksAWriter(t *testing.T) {
	pairs(t, session.Config{}, func(t *testing.T, writer, waiter *process) {
		id := writer.stored(0)
		r, s := waiter.client(id).hold(session.ReadOnly)
		begun := time.Now()
		if err := writer.client(id).do(session.Exclusive, func(s *session.Session) { set(t, s, 1) }); err != nil {
			t.Error(err)
		}
		wantTook(t, "writing beside a reader", begun, 0, 0)
		if n := get(t, s); n != 0 {
			t.Errorf("the reader's session changed to %d under its hands", n)
		}
		if err := r.end(ok200); err != nil {
			t.Error(err)
		}
		if n := writer.count(id); n != 1 {
			t.Error(n)
		}
	})
}

func TestM2_ReadOnlyRefusesChanges(t *testing.T) {
	for _, mode := range []session.Mode{session.ReadOnly, session.Snapshot} {
		bubble(t, func(t *testing.T) {
			p := start(t, memstore.New(), session.Config{})
			for _, id := range []string{p.stored(3), ""} { // a stored one and a new one
				r, s := p.client(id).hold(mode)
				_, _, taken := countKey.Take(s)
				for what, err := range map[string]error{
					"Set": countKey.Set(s, 9), "Set to the same": countKey.Set(s, 3), "Key.Delete": countKey.Delete(s),
					"Update": add(s), "Take": taken, "Delete": s.Delete("count"), "Delete of nothing": s.Delete("none"),
					"Clear": s.Clear(), "SetTimeout": s.SetTimeout(time.Hour), "SetOwner": s.SetOwner("ann"),
					"Remember": s.Remember(true), "Renew": s.Renew(),
				} {
					wantErr(t, what, err, session.ErrReadOnly)
				}
				if err := s.Save(r.ctx); err != nil {
					t.Error(err)
				}
				if err := r.end(ok200); err != nil {
					t.Error(err)
				}
				if id == "" {
					continue
				}
				if n := p.count(id); n != 3 {
					t.Errorf("the count is %d, want 3", n)
				}
				if err := p.client(id).do(mode, func(s *session.Session) {
					if err := s.Abandon(); err != nil {
						t.Error(err)
					}
				}); err != nil {
					t.Error(err)
				}
				p.client(id).do(session.Snapshot, func(s *session.Session) {
					if !s.IsNew() {
						t.Error("Abandon had no effect")
					}
				})
			}
		})
	}
}

func TestM3_SnapshotNeverWaits(t *testing.T) {
	pairs(t, session.Config{}, func(t *testing.T, writer, waiter *process) {
		id := writer.stored(5)
		r, s := writer.client(id).hold(session.Exclusive)
		set(t, s, 6)
		go writer.client(id).do(session.Exclusive, func(*session.Session) {})
		synctest.Wait()
		begun := time.Now()
		waiter.calls.Reset()
		if n := waiter.count(id); n != 5 {
			t.Errorf("saw %d, want what was saved last", n)
		}
		wantTook(t, "a Snapshot", begun, 0, 0)
		if n := waiter.calls.Total(); n != 1 {
			t.Errorf("%d round trips, want 1", n)
		}
		r.end(ok200)
	})
}

func TestM5_WokenWithoutPolling(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := memstore.New()
		p, q := start(t, store, session.Config{}), start(t, store, session.Config{AcquireTimeout: -1})
		id := p.stored(0)
		r, _ := p.client(id).hold(session.Exclusive)
		var got time.Time
		go q.client(id).do(session.Exclusive, func(*session.Session) { got = time.Now() })
		time.Sleep(100 * time.Second)
		// Twice at first, and then whenever the lease would end, of which a
		// renewal leaves ten seconds at least.
		if n := q.calls.Counts()[sessiontest.OpAcquire]; n > 12 {
			t.Errorf("asked %d times in 100 s", n)
		}
		r.end(ok200)
		released := time.Now()
		synctest.Wait()
		if !got.Equal(released) {
			t.Errorf("got the session %v after its release", got.Sub(released))
		}
	})
}

func TestM5_PollsAsPollIntervalSays(t *testing.T) {
	for name, cannot := range map[string]func(session.Store) session.Store{
		"no Watcher":  func(s session.Store) session.Store { return silent{s} },
		"nil wake":    func(s session.Store) session.Store { return &brokenWatcher{Store: s} },
		"closed wake": func(s session.Store) session.Store { return &brokenWatcher{Store: s, closed: true} },
	} {
		t.Run(name, func(t *testing.T) {
			for _, mode := range []session.Mode{session.Exclusive, session.ReadOnly} {
				bubble(t, func(t *testing.T) {
					store := cannot(memstore.New())
					p, q := start(t, store, session.Config{}), start(t, store, session.Config{AcquireTimeout: -1})
					id := p.stored(0)
					r, _ := p.client(id).hold(session.Exclusive)
					go q.client(id).do(mode, func(*session.Session) {})
					time.Sleep(500 * time.Millisecond)
					// 5, 10, 20 … 320 ms, each with jitter from a half to the whole of it.
					few := q.calls.Total()
					if few < 6 || few > 10 {
						t.Errorf("%v: %d looks in the first 500 ms", mode, few)
					}
					time.Sleep(30 * time.Second)
					if n := q.calls.Total() - few; n < 60 || n > 125 {
						t.Errorf("%v: %d looks in 30 s, want one every 250 to 500 ms", mode, n)
					}
					r.end(ok200)
					synctest.Wait()
					time.Sleep(pollSlack)
					if b, ok := store.(*brokenWatcher); ok && b.open.Load() != 0 {
						t.Errorf("%d watches were not stopped", b.open.Load())
					}
				})
			}
		})
	}
}

// brokenWatcher cannot watch: its wake is nil, or closed.
type brokenWatcher struct {
	session.Store
	closed bool
	open   atomic.Int32
}

func (b *brokenWatcher) Watch(session.StoreKey) (<-chan struct{}, func()) {
	b.open.Add(1)
	stop := sync.OnceFunc(func() { b.open.Add(-1) })
	if !b.closed {
		return nil, stop
	}
	wake := make(chan struct{})
	close(wake)
	return wake, stop
}

// The store's connection for wakes breaks while one waits, and the release
// comes before it is there again: nobody may sleep through it.
func TestM5_AWakeThatIsMissedCostsNoLease(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := memstore.New()
		flaky := &flakyWatcher{Store: store, first: make(chan struct{})}
		p := start(t, store, session.Config{LockLease: time.Hour, ExecutionTimeout: -1})
		q := start(t, flaky, session.Config{AcquireTimeout: -1})
		id := p.stored(0)
		r, _ := p.client(id).hold(session.Exclusive)
		flaky.again = func() { r.end(ok200) }
		var got atomic.Bool
		go q.client(id).do(session.Exclusive, func(*session.Session) { got.Store(true) })
		time.Sleep(time.Minute)
		close(flaky.first)
		time.Sleep(2 * pollSlack)
		if !got.Load() {
			t.Error("still waits: the release was slept through")
		}
	})
}

// flakyWatcher's first watch never wakes and breaks; before the next one begins
// it calls again.
type flakyWatcher struct {
	session.Store
	first   chan struct{}
	watches atomic.Int32
	again   func()
}

func (f *flakyWatcher) Watch(key session.StoreKey) (<-chan struct{}, func()) {
	switch f.watches.Add(1) {
	case 1:
		return f.first, func() {}
	case 2:
		f.again()
	}
	return f.Store.(session.Watcher).Watch(key)
}

func TestM7_AcquireTimeout(t *testing.T) {
	for _, mode := range []session.Mode{session.Exclusive, session.ReadOnly} {
		pairs(t, session.Config{AcquireTimeout: 7 * time.Second}, func(t *testing.T, writer, waiter *process) {
			id := writer.stored(0)
			r, s := writer.client(id).hold(session.Exclusive)
			key := s.StoreKey()
			begun := time.Now()
			err := waiter.client(id).try(mode, func(*session.Session) {})
			wantErr(t, fmt.Sprint(mode), err, session.ErrAcquireTimeout)
			wantTook(t, "AcquireTimeout", begun, 7*time.Second, 7*time.Second)
			if n := waiter.Waiting(key); n != 0 {
				t.Errorf("%d places are still taken", n)
			}
			r.end(ok200)
		})
	}
}

func TestM7_LeavesAtOnceWithItsContext(t *testing.T) {
	for _, mode := range []session.Mode{session.Exclusive, session.ReadOnly} {
		pairs(t, session.Config{RequestQueueLimit: 1}, func(t *testing.T, writer, waiter *process) {
			id := writer.stored(0)
			r, s := writer.client(id).hold(session.Exclusive)
			key := s.StoreKey()
			gone := errors.New("gone")
			for range 3 { // the one place in the queue is free again each time
				w := waiter.client(id).begin()
				ctx, cancel := context.WithCancelCause(w.ctx)
				var err error
				done := make(chan struct{})
				go func() {
					defer close(done)
					_, err = session.Acquire(ctx, mode)
				}()
				time.Sleep(time.Second)
				begun := time.Now()
				cancel(gone)
				<-done
				wantErr(t, fmt.Sprint(mode), err, gone)
				wantTook(t, "leaving", begun, 0, 0)
				w.end(ok200)
				if n := waiter.Waiting(key); n != 0 {
					t.Errorf("%d places are still taken", n)
				}
			}
			r.end(ok200)
		})
	}
}
