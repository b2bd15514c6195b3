package session_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// damage replaces what is stored of a session and returns its key.
func damage(t *testing.T, store session.Store, p *process, id string, change func([]byte) []byte) session.StoreKey {
	t.Helper()
	var key session.StoreKey
	p.client(id).do(session.Snapshot, func(s *session.Session) { key = s.StoreKey() })
	token := session.NewToken()
	rec, err := store.Acquire(t.Context(), key, token, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	rec.Data, rec.Write = change(append([]byte(nil), rec.Data...)), session.NewWriteID()
	if err := store.Save(t.Context(), key, rec, token, session.Commit{}); err != nil {
		t.Fatal(err)
	}
	return key
}

func TestM18_ADamagedRecordIsLeftAlone(t *testing.T) {
	for _, mode := range modes {
		for name, change := range map[string]func([]byte) []byte{
			"cut short": func(b []byte) []byte { return b[:len(b)-1] },
			"empty":     func([]byte) []byte { return nil },
			"foreign":   func([]byte) []byte { return []byte("{}") },
		} {
			t.Run(mode.String()+" "+name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					store := memstore.New()
					p := start(t, store, session.Config{})
					id := p.stored(3)
					key := damage(t, store, p, id, change)
					before, err := store.Load(t.Context(), key, false)
					if err != nil {
						t.Fatal(err)
					}
					c := p.client(id)
					r, s := c.hold(mode)
					if !s.IsNew() || s.Len() != 0 || s.ID() == id {
						t.Error("the client did not get a new session")
					}
					if again, err := session.Acquire(r.ctx, mode); err != nil || again != s {
						t.Errorf("Acquire again: %v", err)
					}
					if p.events.count(session.EventCorrupt) != 1 {
						t.Error("the observer was not told")
					}
					if mode == session.Exclusive || mode == session.Concurrent {
						set(t, s, 4)
					}
					if err := r.end(ok200); err != nil {
						t.Error(err)
					}
					after, err := store.Load(t.Context(), key, false)
					if err != nil || string(after.Data) != string(before.Data) || after.Write != before.Write || after.Lock != nil {
						t.Errorf("the damaged record changed, or is locked: %v %+v", err, after.Lock)
					}
					if mode == session.Exclusive && (c.id == id || p.count(c.id) != 4) {
						t.Error("the new session was not stored under a new ID")
					}
				})
			})
		}
	}
}

// The record is damaged while a Concurrent request is under way.
func TestM18_ADamagedRecordIsNotMergedOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := memstore.New()
		p := start(t, store, session.Config{})
		id := p.stored(3)
		r, s := p.client(id).hold(session.Concurrent)
		add(s)
		key := damage(t, store, p, id, func([]byte) []byte { return []byte("?") })
		wantErr(t, "the save", r.end(ok200), session.ErrCorrupt)
		if rec, err := store.Load(t.Context(), key, false); err != nil || string(rec.Data) != "?" || rec.Lock != nil {
			t.Errorf("%q %v %v", rec.Data, rec.Lock, err)
		}
	})
}

func TestM18_OneBadItemFailsOnlyItsGet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, memstore.New(), session.Config{})
		id := p.stored(3)
		bad := session.NewKey[string]("count") // no string
		p.client(id).do(session.Exclusive, func(s *session.Session) {
			_, err := bad.Get(s)
			wantErr(t, "Get", err, session.ErrCorrupt)
			_, found, err := bad.Lookup(s)
			wantErr(t, "Lookup", err, session.ErrCorrupt)
			_, taken, err := bad.Take(s)
			wantErr(t, "Take", err, session.ErrCorrupt)
			wantErr(t, "Update", bad.Update(s, func(string) string { return "x" }), session.ErrCorrupt)
			if !found || taken || get(t, s) != 3 {
				t.Error("the item is not left alone")
			}
			if err := aKey.Set(s, "fine"); err != nil {
				t.Error(err)
			}
		})
		p.client(id).do(session.ReadOnly, func(s *session.Session) {
			if a, err := aKey.Get(s); a != "fine" || err != nil || get(t, s) != 3 {
				t.Error(a, err)
			}
		})
	})
}

func TestM19_StoreDown(t *testing.T) {
	for name, c := range map[string]struct {
		fault sessiontest.Fault
		took  time.Duration
	}{
		"fails": {sessiontest.Fault{Kind: sessiontest.FailBefore}, 0},
		"hangs": {hangs, 5 * time.Second},
	} {
		for _, mode := range modes {
			t.Run(name+" "+mode.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					p := start(t, memstore.New(), session.Config{})
					id := p.stored(1)
					p.faults.Next(sessiontest.OpAny, -1, c.fault)
					begun := time.Now()
					err := p.client(id).try(mode, func(*session.Session) {})
					wantErr(t, "Acquire", err, session.ErrUnavailable)
					if errors.Is(err, session.ErrAcquireTimeout) || session.HTTPStatus(err) != 503 {
						t.Error(err)
					}
					wantTook(t, "being refused", begun, c.took, c.took)
					// Who does not acquire, or has nothing to store, does not notice.
					begun = time.Now()
					if err := p.client(id).begin().end(ok200); err != nil {
						t.Error(err)
					}
					if err := p.client("").do(mode, func(*session.Session) {}); err != nil {
						t.Error(err)
					}
					wantTook(t, "requests without the store", begun, 0, 0)
					if err := p.Ping(context.Background()); !errors.Is(err, session.ErrUnavailable) {
						t.Errorf("Ping: %v", err)
					}
					p.faults.Reset()
					if err := p.client(id).try(mode, func(s *session.Session) { get(t, s) }); err != nil {
						t.Errorf("when it is back: %v", err)
					}
				})
			})
		}
	}
}

// What a store says of a call that StoreTimeout has ended is for the operator,
// and does not make it the request's context that has ended.
func TestM19_AStoreSaysWhyItDidNotAnswer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, busy{memstore.New()}, session.Config{})
		err := p.client(p.stored(0)).try(session.Exclusive, func(*session.Session) {})
		if !errors.Is(err, session.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(fmt.Sprint(err), "all connections are in use") {
			t.Error(err)
		}
	})
}

// busy has no connection for anybody.
type busy struct{ session.Store }

func (busy) Acquire(ctx context.Context, _ session.StoreKey, _ session.Token, _ time.Duration) (session.Record, error) {
	<-ctx.Done()
	return session.Record{}, fmt.Errorf("all connections are in use: %w", ctx.Err())
}

// The store goes down while requests hold and wait.
func TestM19_StoreGoesDownMeanwhile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := memstore.New()
		p, q := start(t, store, session.Config{}), start(t, store, session.Config{})
		id := p.stored(1)
		r, s := p.client(id).hold(session.Exclusive)
		set(t, s, 2)
		var wg sync.WaitGroup
		for _, waits := range []*process{p, q} {
			wg.Go(func() {
				if err := waits.client(id).try(session.Exclusive, func(*session.Session) {}); session.HTTPStatus(err) != 503 {
					t.Errorf("a waiting request: %v", err)
				}
			})
		}
		synctest.Wait()
		p.faults.Next(sessiontest.OpAny, -1, hangs)
		q.faults.Next(sessiontest.OpAny, -1, hangs)
		begun := time.Now()
		wantErr(t, "the save", r.end(ok200), session.ErrUnavailable)
		wantTook(t, "the save", begun, 10*time.Second, 10*time.Second)
		wg.Wait()
		p.faults.Reset()
		q.faults.Reset()
		time.Sleep(15 * time.Second) // the lock that nobody could release
		begun = time.Now()
		if n := p.count(id); n != 1 {
			t.Errorf("%d is stored", n)
		}
		if err := q.client(id).try(session.Exclusive, func(*session.Session) {}); err != nil {
			t.Error(err)
		}
		wantTook(t, "the first request when it is back", begun, 0, 0)
	})
}

// What hangs when the store goes down must not clog the background for ever.
func TestM19_TheBackgroundWorksAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, memstore.New(), session.Config{ReapInterval: 10 * time.Second})
		id := p.stored(1)
		p.faults.Next(sessiontest.OpReap, -1, hangs)
		time.Sleep(5 * time.Minute)
		if n := p.calls.Counts()[sessiontest.OpReap]; n < 2 || n > 60 {
			t.Errorf("%d times reaped in 5 min", n)
		}
		p.faults.Next(sessiontest.OpAcquire, 1, sessiontest.Fault{Kind: sessiontest.FailAfter})
		wantErr(t, "Acquire", p.client(id).try(session.Exclusive, func(*session.Session) {}), session.ErrUnavailable)
		begun := time.Now()
		if err := p.client(id).try(session.Exclusive, func(*session.Session) {}); err != nil {
			t.Error(err)
		}
		wantTook(t, "releasing what was lost", begun, 0, 0)
		// Nor does it keep Close from ending.
		begun = time.Now()
		if err := closeSoon(p.Manager); err != nil {
			t.Error(err)
		}
		wantTook(t, "Close", begun, 0, 0)
	})
}

func TestM20_AClientThatGoesAwayDoesNotAbortTheSave(t *testing.T) {
	for _, mode := range []session.Mode{session.Exclusive, session.Concurrent} {
		for _, during := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v, during the save=%v", mode, during), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					p := start(t, memstore.New(), session.Config{})
					id := p.stored(1)
					r, s := p.client(id).hold(mode)
					set(t, s, 2)
					if during {
						p.faults.Next(sessiontest.OpAny, 1, sessiontest.Fault{Delay: 2 * time.Second})
						time.AfterFunc(time.Second, r.cancel)
					} else {
						r.cancel()
					}
					if err := r.end(ok200); err != nil {
						t.Error(err)
					}
					if n := p.count(id); n != 2 {
						t.Errorf("%d is stored, want 2", n)
					}
				})
			})
		}
	}
}

func TestM20_NoCookieNoSession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := memstore.New()
		p := start(t, store, session.Config{})
		r, s := p.client("").hold(session.Exclusive)
		set(t, s, 1)
		r.cancel()
		wantErr(t, "storing a new session", r.end(ok200), context.Canceled)
		if n := p.calls.Total(); n != 0 {
			t.Errorf("%d calls", n)
		}

		for _, mode := range []session.Mode{session.Exclusive, session.Concurrent} {
			id := p.stored(1)
			r, s = p.client(id).hold(mode)
			set(t, s, 2)
			if err := s.Renew(); err != nil {
				t.Error(err)
			}
			r.cancel()
			wantErr(t, "renewing", r.end(ok200), context.Canceled)
			begun := time.Now()
			if err := p.client(id).try(session.Exclusive, func(s *session.Session) {
				if n := get(t, s); n != 1 {
					t.Errorf("%d is stored: the change without its new ID", n)
				}
			}); err != nil {
				t.Errorf("the old ID: %v", err)
			}
			wantTook(t, "the next request", begun, 0, 0)
		}
	})
}

func TestM21_RoundTrips(t *testing.T) {
	type ops = map[sessiontest.Op]int
	const acquire, load, create, save, swap, release, remove = sessiontest.OpAcquire, sessiontest.OpLoad,
		sessiontest.OpCreate, sessiontest.OpSave, sessiontest.OpSwap, sessiontest.OpRelease, sessiontest.OpRemove
	nothing := func(*session.Session) {}
	change := func(s *session.Session) { add(s) }
	abandon := func(s *session.Session) { s.Abandon() }
	for _, c := range []struct {
		name string
		mode session.Mode
		new  bool
		use  func(*session.Session)
		want ops
	}{
		{"unused, read-only", session.ReadOnly, false, nothing, ops{load: 1}},
		{"unused, snapshot", session.Snapshot, false, nothing, ops{load: 1}},
		{"unused, exclusive", session.Exclusive, false, nothing, ops{acquire: 1, release: 1}},
		{"unused, concurrent", session.Concurrent, false, nothing, ops{load: 1}},
		{"set to the same", session.Exclusive, false, func(s *session.Session) { countKey.Set(s, 0) }, ops{acquire: 1, release: 1}},
		{"changed, exclusive", session.Exclusive, false, change, ops{acquire: 1, save: 1}},
		{"changed, concurrent", session.Concurrent, false, change, ops{load: 1, swap: 1}},
		{"abandoned, exclusive", session.Exclusive, false, abandon, ops{acquire: 1, remove: 1}},
		{"abandoned, read-only", session.ReadOnly, false, abandon, ops{load: 1, remove: 1}},
		{"renewed", session.Exclusive, false, func(s *session.Session) { s.Renew() }, ops{acquire: 1, save: 1}},
		{"new and empty", session.Exclusive, true, nothing, ops{}},
		{"new and read", session.ReadOnly, true, nothing, ops{}},
		{"new and abandoned", session.Exclusive, true, abandon, ops{}},
		{"new with data", session.Exclusive, true, change, ops{create: 1}},
		{"new with data, concurrent", session.Concurrent, true, change, ops{create: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := start(t, memstore.New(), session.Config{})
				id := p.stored(0)
				if c.new {
					id = ""
				}
				if err := p.client(id).do(c.mode, c.use); err != nil {
					t.Error(err)
				}
				synctest.Wait()
				if got := p.calls.Counts(); !maps.Equal(got, c.want) {
					t.Errorf("got %v, want %v", got, c.want)
				}
			})
		})
	}
	t.Run("not acquired", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := start(t, memstore.New(), session.Config{})
			id := p.stored(0)
			for range 5 { // one touch for all of them
				p.client(id).begin().end(ok200)
			}
			synctest.Wait()
			if got := p.calls.Counts(); !maps.Equal(got, ops{sessiontest.OpTouch: 1}) {
				t.Errorf("got %v, want one Touch", got)
			}
		})
	})
}
