package session_test

import (
	"context"
	"errors"
	"runtime"
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

// told is one call of OnEnd.
type told struct {
	session.Ended
	count int // what the session held; absent if nothing
	at    time.Time
}

// ear is an OnEnd that remembers its calls. It fails the test if one end is
// told twice at a time.
type ear struct {
	t testing.TB
	// then, if not nil, is what OnEnd does.
	then func(ctx context.Context, e session.Ended) error

	mu    sync.Mutex
	calls []told
	now   map[session.Token]bool
}

func (a *ear) onEnd(ctx context.Context, e session.Ended) error {
	call := told{Ended: e, count: absent, at: time.Now()}
	if e.Session.Has(countKey.Name()) {
		call.count = get(a.t, e.Session)
	}
	a.mu.Lock()
	a.calls = append(a.calls, call)
	if a.now == nil {
		a.now = make(map[session.Token]bool)
	}
	if a.now[e.Token] {
		a.t.Error("an end is told twice at a time")
	}
	a.now[e.Token] = true
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.now, e.Token)
	}()
	if a.then == nil {
		return nil
	}
	return a.then(ctx, e)
}

// heard returns the calls so far, and fails the test unless there are so many.
func (a *ear) heard(want int) []told {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.calls) != want {
		a.t.Fatalf("OnEnd was called %d times, want %d", len(a.calls), want)
	}
	return append([]told(nil), a.calls...)
}

// reaping is the Config of processes that look for ends.
func reaping(a *ear) session.Config {
	return session.Config{ReapInterval: 30 * time.Second, OnEnd: a.onEnd}
}

// nothingLeft fails the test if the store has something to report, now or when
// all claims have lapsed.
func nothingLeft(t testing.TB, store session.Store) {
	t.Helper()
	time.Sleep(5 * time.Minute)
	left, err := store.Reap(t.Context(), "", 10, session.NewToken(), time.Minute)
	if err != nil || len(left) > 0 {
		t.Errorf("%d ends are left in the store (%v)", len(left), err)
	}
}

// owned stores a session of that owner and returns its client.
func (p *process) owned(owner string, n int) *client {
	p.t.Helper()
	c := p.client("")
	if err := c.try(session.Exclusive, func(s *session.Session) {
		set(p.t, s, n)
		wantErr(p.t, "SetOwner", s.SetOwner(owner), nil)
	}); err != nil {
		p.t.Fatal(err)
	}
	return c
}

func TestM17_OnEndOfAnExpiredSession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, memory := &ear{t: t}, memstore.New()
		var kept *session.Session
		a.then = func(ctx context.Context, e session.Ended) error {
			s := e.Session
			kept = s
			wantErr(t, "Set", countKey.Set(s, 1), session.ErrReadOnly)
			wantErr(t, "Renew", s.Renew(), session.ErrReadOnly)
			wantErr(t, "Save", s.Save(ctx), nil)
			wantErr(t, "Abandon", s.Abandon(), nil)
			if s.ID() != "" || s.StoreKey() != e.Key || s.Owner() != "ada" || s.IsNew() || s.Timeout() != 20*time.Minute ||
				!s.Created().Equal(e.Created) || s.Context().Err() != nil || s.Mode() != session.Snapshot {
				t.Error("not what the session was")
			}
			return nil
		}
		p := start(t, memory, reaping(a))
		begun := time.Now()
		var key session.StoreKey
		c := p.owned("ada", 7)
		wantErr(t, "a read", c.try(session.Snapshot, func(s *session.Session) { key = s.StoreKey() }), nil)
		time.Sleep(20 * time.Minute)
		a.heard(0)
		time.Sleep(2 * time.Minute)
		e := a.heard(1)[0]
		if e.Reason != session.EndExpired || e.Attempt != 1 || e.Key != key || e.Owner != "ada" || e.count != 7 ||
			!e.Created.Equal(begun) || e.Err != nil || e.Token == (session.Token{}) {
			t.Errorf("%+v", e)
		}
		_, err := countKey.Get(kept)
		wantErr(t, "after OnEnd", err, session.ErrReleased)
		wantErr(t, "its context", context.Cause(kept.Context()), session.ErrReleased)
		nothingLeft(t, memory)
		a.heard(1)
	})
}

// An abandoned session's end is told at once, with what was stored last, and no
// reply waits for it.
func TestM17_OnEndOfAnAbandonedSession(t *testing.T) {
	for _, out := range []session.Outcome{ok200, error500} {
		inBubble(t, allModes, func(t *testing.T, mode session.Mode) {
			hold := make(chan struct{})
			a, memory := &ear{t: t}, memstore.New()
			a.then = func(context.Context, session.Ended) error { <-hold; return nil }
			p := start(t, memory, reaping(a))
			c := p.client(p.stored(7))
			r, s := c.hold(mode)
			if !readsOnly(mode) {
				set(t, s, 8) // is never stored
			}
			key, begun := s.StoreKey(), time.Now()
			wantErr(t, "Abandon", s.Abandon(), nil)
			wantErr(t, "Finish", r.end(out), nil)
			synctest.Wait()
			e := a.heard(1)[0]
			if e.Reason != session.EndAbandoned || e.Attempt != 1 || e.Key != key || e.count != 7 || !e.at.Equal(begun) {
				t.Errorf("%+v", e)
			}
			if n := p.calls.Counts()[sessiontest.OpRemove]; n != 1 {
				t.Errorf("%d removals before OnEnd has returned", n)
			}
			close(hold)
			nothingLeft(t, memory)
			a.heard(1)
		})
	}
}

// What a Save has stored is what OnEnd sees, and after a Renew the key is the
// last one.
func TestM17_OnEndSeesWhatWasStoredLast(t *testing.T) {
	inBubble(t, writeModes, func(t *testing.T, mode session.Mode) {
		a, memory := &ear{t: t}, memstore.New()
		p := start(t, memory, reaping(a))
		r, s := p.client(p.stored(1)).hold(mode)
		set(t, s, 2)
		wantErr(t, "SetOwner", s.SetOwner("ada"), nil)
		wantErr(t, "Renew", s.Renew(), nil)
		wantErr(t, "Save", s.Save(r.ctx), nil)
		key := s.StoreKey()
		set(t, s, 3)
		wantErr(t, "Abandon", s.Abandon(), nil)
		wantErr(t, "Finish", r.end(ok200), nil)
		synctest.Wait()
		if e := a.heard(1)[0]; e.count != 2 || e.Owner != "ada" || e.Key != key {
			t.Errorf("%+v", e)
		}
		nothingLeft(t, memory)
		a.heard(1)
	})
}

// What was never stored has not ended.
func TestM17_NoEndOfWhatWasNeverStored(t *testing.T) {
	inBubble(t, allModes, func(t *testing.T, mode session.Mode) {
		for _, adopt := range []bool{false, true} {
			a, memory := &ear{t: t}, memstore.New()
			cfg := reaping(a)
			cfg.AdoptExpiredID = adopt
			p := start(t, memory, cfg)
			for id, use := range map[byte]func(*session.Session) error{
				'a': (*session.Session).Abandon,
				'b': func(*session.Session) error { return nil },
				'c': func(*session.Session) error { // its process dies
					p.dies()
					return nil
				},
			} {
				if err := p.client(id24(id)).try(mode, func(s *session.Session) { wantErr(t, "use", use(s), nil) }); err != nil {
					t.Error(err)
				}
				settle(time.Minute)
				p.faults.Reset()
			}
			time.Sleep(22 * time.Minute)
			nothingLeft(t, memory)
			a.heard(0)
		}
	})
}

// An OnEnd that fails is told again, by whichever process, after pauses that
// grow, of the same end; and at last it is given up and reported.
func TestM17_OnEndFails(t *testing.T) {
	failures := map[string]func() error{
		"error":  func() error { return errBoom },
		"panic":  func() error { panic(errBoom) },
		"goexit": func() error { runtime.Goexit(); return nil },
	}
	for name, fail := range failures {
		for _, abandon := range []bool{false, true} {
			if abandon && name != "error" {
				continue // what ended the session makes no difference to those
			}
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					a, memory, log := &ear{t: t}, memstore.New(), &eventLog{}
					a.then = func(context.Context, session.Ended) error { return fail() }
					cfg := reaping(a)
					cfg.Observer, cfg.ReapInterval = log, 3*time.Minute
					one := start(t, memory, cfg)
					start(t, memory, cfg)
					c := one.client(one.stored(7))
					if abandon {
						wantErr(t, "logout", c.try(session.Exclusive, func(s *session.Session) { wantErr(t, "Abandon", s.Abandon(), nil) }), nil)
					}
					time.Sleep(9 * time.Hour)
					calls := a.heard(16)
					pause := 10 * time.Second
					for i, call := range calls {
						if call.Token != calls[0].Token || call.Attempt != i+1 || call.count != 7 {
							t.Errorf("call %d: %+v", i+1, call)
						}
						if i == 0 {
							continue
						}
						if d := call.at.Sub(calls[i-1].at); d < pause/2 || d > pause+4*time.Minute {
							t.Errorf("call %d came after %v, want about %v", i+1, d, pause)
						}
						pause = min(2*pause, time.Hour)
					}
					if f, l, e := log.of(session.EventEndFailed), log.of(session.EventEndLost), log.of(session.EventEnded); len(f) != 15 || len(l) != 1 || len(e) != 0 ||
						l[0].Err == nil || l[0].Attempt != 16 || f[14].Attempt != 15 || l[0].Reason != calls[0].Reason {
						t.Errorf("failed %d times, lost %d, ended %d", len(f), len(l), len(e))
					}
					nothingLeft(t, memory)
					a.heard(16)
				})
			})
		}
	}
}

func TestM17_OnEndFailsAtFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, memory := &ear{t: t}, memstore.New()
		a.then = func(_ context.Context, e session.Ended) error {
			if e.Attempt < 4 {
				return errBoom
			}
			return nil
		}
		sv := newProcess(t, memory, reaping(a))
		sv.visitor()
		time.Sleep(time.Hour)
		a.heard(4)
		if n := sv.log.count("OnEnd failed"); n != 3 || !strings.Contains(sv.log.String(), "boom") {
			t.Errorf("%d failures were logged", n)
		}
		nothingLeft(t, memory)
		a.heard(4)
	})
}

// A session that cannot be read ends like others, without its values (M18).
func TestM17_OnEndOfACorruptSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, memory := &ear{t: t}, memstore.New()
		sv := newProcess(t, memory, reaping(a))
		c := sv.visitor()
		sv.damage()
		time.Sleep(sv.idleAndMore() + time.Minute)
		e := a.heard(1)[0]
		if !errors.Is(e.Err, session.ErrCorrupt) || e.Session != nil || e.Reason != session.EndExpired || c.id == "" {
			t.Errorf("%+v", e)
		}
		if n := len(sv.events.of(session.EventCorrupt)); n != 1 {
			t.Errorf("%d events", n)
		}
		nothingLeft(t, memory)
	})
}

// Without OnEnd the store reports nothing, and what has expired goes in bulk.
func TestM17_WithoutOnEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		memory := memstore.New()
		var bulk, claims atomic.Int32
		p := start(t, reapSpy{memory, func(limit int) {
			if limit > 0 {
				claims.Add(1)
			} else {
				bulk.Add(1)
			}
		}}, session.Config{ReapInterval: 30 * time.Second})
		p.stored(1)
		logout := p.client(p.stored(2))
		wantErr(t, "logout", logout.try(session.Snapshot, func(s *session.Session) { wantErr(t, "Abandon", s.Abandon(), nil) }), nil)
		time.Sleep(22 * time.Minute)
		if claims.Load() > 0 {
			t.Error("ends were claimed for nobody")
		}
		if n := bulk.Load(); n < 40 {
			t.Errorf("%d rounds", n)
		}
		nothingLeft(t, memory)
	})
}

// reapSpy hides everything but session.Store, and shows the limits of Reap.
type reapSpy struct {
	session.Store
	seen func(limit int)
}

func (s reapSpy) Reap(ctx context.Context, namespace string, limit int, token session.Token, lease time.Duration) ([]session.Expired, error) {
	s.seen(limit)
	return s.Store.Reap(ctx, namespace, limit, token, lease)
}

// A process without OnEnd, or one that leaves the reaping to others, leaves
// them the ends too.
func TestM17_EndsForOthers(t *testing.T) {
	for name, cfg := range map[string]session.Config{
		"without OnEnd":        {ReapInterval: 30 * time.Second},
		"without ReapInterval": {ReapInterval: -1, OnEnd: func(context.Context, session.Ended) error { panic("called") }},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, allModes, func(t *testing.T, mode session.Mode) {
				a, memory := &ear{t: t}, memstore.New()
				reaper, other := start(t, memory, reaping(a)), start(t, memory, cfg)
				reaper.stored(1) // expires
				c := other.client(reaper.stored(2))
				wantErr(t, "logout", c.try(mode, func(s *session.Session) { wantErr(t, "Abandon", s.Abandon(), nil) }), nil)
				time.Sleep(time.Minute)
				if e := a.heard(1)[0]; e.Reason != session.EndAbandoned || e.count != 2 {
					t.Errorf("%+v", e)
				}
				time.Sleep(22 * time.Minute)
				if e := a.heard(2)[1]; e.Reason != session.EndExpired || e.count != 1 {
					t.Errorf("%+v", e)
				}
				nothingLeft(t, memory)
			})
		})
	}
}
