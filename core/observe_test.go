package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
)

func TestEventsHaveNames(t *testing.T) {
	names := map[string]bool{}
	for k := session.EventAcquired; k <= session.EventStoreCall; k++ {
		names[k.String()] = true
	}
	if len(names) != int(session.EventStoreCall) || names[""] || names["unknown"] {
		t.Errorf("kinds of events: %v", names)
	}
	clear(names)
	for op := session.OpAcquire; op <= session.OpPing; op++ {
		names[op.String()] = true
	}
	if len(names) != int(session.OpPing) || names[""] || names["unknown"] {
		t.Errorf("operations: %v", names)
	}
	for _, s := range []fmt.Stringer{session.EventKind(0), session.EventStoreCall + 1, session.EventKind(255),
		session.StoreOp(0), session.OpPing + 1, session.StoreOp(255)} {
		if s.String() != "unknown" {
			t.Errorf("%#v is %q", s, s)
		}
	}
}

// TestEventSavedTellsWhatWasSaved: the size, and whether that was a removal,
// of which there is none if nothing was ever stored.
func TestEventSavedTellsWhatWasSaved(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sv := newService(t, session.Config{})
		c := sv.client()
		for _, f := range []func(*session.Session) error{
			(*session.Session).Abandon,
			func(s *session.Session) error { return countKey.Set(s, 1234) },
			(*session.Session).Clear,
			(*session.Session).Abandon,
		} {
			sv.check(c.do(session.Exclusive, func(s *session.Session) { sv.check(f(s)) }))
		}
		var got []string
		for _, e := range sv.events.of(session.EventSaved) {
			got = append(got, fmt.Sprint(e.Size, e.Removed, e.Reason))
		}
		if want := []string{"9 false deleted", "0 false deleted", "0 true abandoned"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}

		c = sv.visitor()
		sv.faults.Next("Remove", -1, down)
		wantIs(t, c.do(session.Exclusive, func(s *session.Session) { sv.check(s.Abandon()) }), session.ErrUnavailable)
		if e := sv.events.of(session.EventSaveFailed); len(e) != 1 || !e[0].Removed || e[0].Size != 0 {
			t.Errorf("a removal that failed: %+v", e)
		}
	})
}

// journal writes down what an Observer is told of waits, in words.
type journal struct{ eventLog }

func (j *journal) lines(kinds ...session.EventKind) (lines []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.all {
		if slices.Contains(kinds, e.Kind) {
			line := fmt.Sprint(e.Kind, " ", e.Mode, " ", e.Duration.Round(time.Second))
			if e.Err != nil {
				text, _, _ := strings.Cut(e.Err.Error(), ":")
				line += " " + text + fmt.Sprint(session.HTTPStatus(e.Err))
			}
			lines = append(lines, line)
		}
	}
	return lines
}

func (j *journal) want(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n\t%s\nwant:\n\t%s", what, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// depth is the number of requests that wait, as an Observer counts them.
func (l *eventLog) depth() int {
	return len(l.of(session.EventWaiting)) - len(l.of(session.EventWaited))
}

// TestWaitsBeginAndEnd: the difference of their events is how many requests
// wait, whatever they wait for and however it goes.
func TestWaitsBeginAndEnd(t *testing.T) {
	pairs(t, session.Config{}, func(t *testing.T, writer, waiter *process) {
		log := &eventLog{}
		sv := newManager(t, waiter.calls.Store, session.Config{
			Observer: log, RequestQueueLimit: 4, AcquireTimeout: 20 * time.Second, ReapInterval: -1,
		})
		id := writer.stored(0)
		client := func() *client { return &client{t: t, m: sv, id: id} }
		var holder *request
		if writer == waiter {
			holder, _ = client().hold(session.Exclusive)
		} else {
			holder, _ = writer.client(id).hold(session.Exclusive)
		}
		if n := log.depth(); n != 0 {
			t.Errorf("%d requests wait at first", n)
		}
		var wg sync.WaitGroup
		var held []*request
		var mu sync.Mutex
		wait := func(mode session.Mode) *request {
			r := client().begin()
			wg.Go(func() {
				_, err := session.Acquire(r.ctx, mode)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					held = append(held, r)
				} else {
					_ = r.end(ok200)
				}
			})
			synctest.Wait()
			return r
		}
		wait(session.Exclusive)
		second, third := wait(session.Exclusive), wait(session.ReadOnly)
		wait(session.Snapshot)
		wait(session.Concurrent)
		if n := log.depth(); n != 3 {
			t.Errorf("%d requests wait, want 3", n)
		}
		wait(session.Exclusive)
		wait(session.Exclusive) // the queue is full
		if n := log.depth(); n != 4 {
			t.Errorf("%d requests wait, want 4", n)
		}
		second.cancel()
		third.cancel()
		synctest.Wait()
		if n := log.depth(); n != 2 {
			t.Errorf("%d requests wait when two are gone, want 2", n)
		}
		time.Sleep(time.Second)
		if err := holder.end(ok200); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if n := log.depth(); n != 1 {
			t.Errorf("%d requests wait when one's turn has come, want 1", n)
		}
		time.Sleep(20 * time.Second) // AcquireTimeout
		if n := log.depth(); n != 0 {
			t.Errorf("%d requests wait after AcquireTimeout", n)
		}
		wg.Wait()
		for _, r := range held {
			if err := r.end(ok200); err != nil {
				t.Error(err)
			}
		}
		var waited, gaveUp int
		for _, e := range log.of(session.EventWaited) {
			switch {
			case e.Err == nil && e.Mode == session.Exclusive:
				waited++
			case errors.Is(e.Err, context.Canceled) && e.Duration == 0, errors.Is(e.Err, session.ErrAcquireTimeout) && e.Duration == 20*time.Second:
				gaveUp++
			default:
				t.Errorf("%+v", e)
			}
		}
		if waited != 1 || gaveUp != 3 {
			t.Errorf("%d got their turn, %d gave up, want 1, 3", waited, gaveUp)
		}
		for _, e := range log.of(session.EventAcquired) {
			if e.Waited != (e.Duration > 0) {
				t.Errorf("%+v", e)
			}
		}
	})
}

// TestM8_TakeoversAreTold: of a lock that was waited for until its lease had
// run out, and of no other.
func TestM8_TakeoversAreTold(t *testing.T) {
	for name, wrap := range map[string]func(*memstore.Store) session.Store{
		"woken":   func(s *memstore.Store) session.Store { return s },
		"polling": func(s *memstore.Store) session.Store { return silent{s} },
	} {
		for _, mode := range writeModes {
			t.Run(name+" "+mode.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					store := memstore.New()
					dead, p := start(t, wrap(store), session.Config{}), start(t, wrap(store), session.Config{})
					id := dead.stored(0)
					told := func() int { return p.events.count(session.EventTakeover) }
					visit := func(want int) {
						t.Helper()
						before := told()
						if err := p.client(id).try(mode, func(s *session.Session) { add(s) }); err != nil {
							t.Error(err)
						}
						if n := told() - before; n != want {
							t.Errorf("%d takeovers, want %d", n, want)
						}
					}

					visit(0) // it is free

					// Another renews its lock and gives it back in time.
					r, _ := dead.client(id).hold(session.Exclusive)
					go func() {
						time.Sleep(25*time.Second + 3*time.Millisecond)
						if err := r.end(ok200); err != nil {
							t.Error(err)
						}
					}()
					if mode == session.Exclusive { // a save waits for SaveTimeout at most
						visit(0)
					} else {
						time.Sleep(20 * time.Second)
						visit(0)
					}
					synctest.Wait()

					// Another dies with the lock.
					var key session.StoreKey
					r, s := dead.client(id).hold(session.Exclusive)
					key = s.StoreKey()
					if err := r.end(ok200); err != nil {
						t.Error(err)
					}
					die := func() {
						t.Helper()
						if _, err := store.Acquire(t.Context(), key, session.NewToken(), 15*time.Second); err != nil {
							t.Error(err)
						}
					}
					die()
					time.Sleep(6 * time.Second)
					visit(1)

					// So it does, and nobody comes until the lease is over.
					die()
					time.Sleep(16 * time.Second)
					visit(0)

					if n := p.events.count(session.EventWaiting); mode == session.Concurrent && n != 0 {
						t.Errorf("%d saves are said to be requests that wait for their session", n)
					}
				})
			})
		}
	}
}

// TestEachAcquiredIsReleased: of what is acquired, and of nothing else, the
// Observer is told the release, and that afterwards.
func TestEachAcquiredIsReleased(t *testing.T) {
	order := []session.EventKind{session.EventAcquired, session.EventAcquireFailed, session.EventStarted, session.EventReleased}
	for _, c := range []struct {
		name string
		cfg  session.Config
		play func(sv *service)
		want []string
	}{
		{
			"OnStart fails",
			session.Config{OnStart: func(context.Context, *session.Session) error { return errBoom }},
			func(sv *service) {
				r := sv.client().begin()
				_, err := session.Acquire(r.ctx)
				wantIs(sv.t, err, errBoom)
				sv.check(r.end(ok200))
			},
			[]string{"acquired exclusive 0s", "started exclusive 0s boom500", "released exclusive 0s"},
		},
		{
			"OnStart panics",
			session.Config{OnStart: func(context.Context, *session.Session) error { panic("why") }},
			func(sv *service) {
				r := sv.client().begin()
				func() {
					defer func() { _ = recover() }()
					_, _ = session.Acquire(r.ctx)
				}()
				sv.check(r.end(error500))
			},
			[]string{"acquired exclusive 0s", "released exclusive 0s"},
		},
		{
			"the mode changes after OnStart",
			session.Config{OnStart: func(context.Context, *session.Session) error { return nil }},
			func(sv *service) {
				r := sv.client().begin()
				r.acquire(session.ReadOnly)
				r.acquire(session.Exclusive)
				sv.check(r.end(ok200))
			},
			[]string{"acquired read-only 0s", "started read-only 0s", "released read-only 0s", "acquired exclusive 0s", "released exclusive 0s"},
		},
		{
			"the mode changes",
			session.Config{},
			func(sv *service) {
				r := sv.visitor().begin()
				r.acquire(session.Snapshot)
				r.acquire(session.Concurrent)
				time.Sleep(time.Second)
				sv.check(r.end(ok200))
			},
			[]string{"acquired snapshot 0s", "released snapshot 0s", "acquired concurrent 0s", "released concurrent 1s"},
		},
		{
			"the request has ended meanwhile",
			session.Config{},
			func(sv *service) {
				c := sv.visitor()
				holder := c.begin()
				holder.acquire(session.Exclusive)
				r, done := sameCookie(c).begin(), make(chan error)
				go func() {
					_, err := session.Acquire(context.WithoutCancel(r.ctx))
					done <- err
				}()
				synctest.Wait()
				sv.check(r.end(ok200))
				time.Sleep(time.Second)
				sv.check(holder.end(ok200))
				wantIs(sv.t, <-done, session.ErrNoSession)
			},
			[]string{"acquired exclusive 0s", "released exclusive 1s", "acquired exclusive 1s", "released exclusive 0s"},
		},
		{
			"the store fails",
			session.Config{},
			func(sv *service) {
				c := sv.visitor()
				sv.faults.Next("Acquire", -1, down)
				r := c.begin()
				_, err := session.Acquire(r.ctx)
				wantIs(sv.t, err, session.ErrUnavailable)
				sv.check(r.end(error500))
			},
			[]string{"acquire failed exclusive 0s session503"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := &journal{}
				cfg := c.cfg
				cfg.Observer = log
				sv := newService(t, cfg)
				sv.events = &log.eventLog
				c.play(sv)
				log.want(t, "events", log.lines(order...), c.want...)
			})
		})
	}
}
