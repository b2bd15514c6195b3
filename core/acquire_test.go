package session_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
)

var modes = []session.Mode{session.Snapshot, session.ReadOnly, session.Concurrent, session.Exclusive} // weakest first

func TestAcquireAgain(t *testing.T) {
	for i, first := range modes {
		for j, second := range modes {
			bubble(t, func(t *testing.T) {
				p := start(t, memstore.New(), session.Config{})
				r, s := p.client(p.stored(3)).hold(first)
				again, err := session.Acquire(r.ctx, second)
				switch {
				case err != nil:
					t.Errorf("%v, then %v: %v", first, second, err)
				case j <= i:
					if again != s || again.Mode() != first {
						t.Errorf("%v, then %v: another session", first, second)
					}
				default:
					_, err := countKey.Get(s)
					wantErr(t, "the session of before", err, session.ErrReleased)
					if again.Mode() != second || get(t, again) != 3 || session.From(r.ctx) != again {
						t.Errorf("%v, then %v: not a session of its own", first, second)
					}
				}
				if err := r.end(ok200); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestAcquireStrongerWithUnsavedChanges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, memstore.New(), session.Config{})
		for _, id := range []string{p.stored(0), ""} {
			c := p.client(id)
			r, s := c.hold(session.Concurrent)
			set(t, s, 1)
			if _, err := session.Acquire(r.ctx, session.Exclusive); err == nil {
				t.Error("the unsaved change was passed over")
			}
			if get(t, s) != 1 {
				t.Error("the refusal cost the session")
			}
			if err := s.Save(r.ctx); err != nil {
				t.Error(err)
			}
			s, err := session.Acquire(r.ctx, session.Exclusive)
			if err != nil || get(t, s) != 1 {
				t.Fatal(err)
			}
			set(t, s, 2)
			if err := r.end(ok200); err != nil {
				t.Error(err)
			}
			if n := p.count(c.id); n != 2 {
				t.Error(n)
			}
		}
	})
}

func TestAcquireAfterRelease(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, memstore.New(), session.Config{})
		for _, id := range []string{p.stored(0), ""} { // a new one is found again, under its new ID
			c := p.client(id)
			r, s := c.hold(session.Exclusive)
			set(t, s, 1)
			if err := s.Release(r.ctx); err != nil {
				t.Error(err)
			}
			again, err := session.Acquire(r.ctx)
			if err != nil || again == s || again.IsNew() || get(t, again) != 1 {
				t.Fatal(err)
			}
			if err := again.Abandon(); err != nil {
				t.Error(err)
			}
			if err := again.Release(r.ctx); err != nil {
				t.Error(err)
			}
			third, err := session.Acquire(r.ctx)
			if err != nil || !third.IsNew() {
				t.Error(err)
			}
			if err := r.end(ok200); err != nil {
				t.Error(err)
			}
		}
	})
}

// The goroutines of one handler get one session, whoever comes first.
func TestAcquireFromManyGoroutines(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := memstore.New()
		p, q := start(t, store, session.Config{}), start(t, store, session.Config{})
		id := p.stored(0)
		other, _ := q.client(id).hold(session.Exclusive)
		r := p.client(id).begin()
		got := make(chan *session.Session, 20)
		for range cap(got) {
			go func() {
				s, err := session.Acquire(r.ctx)
				if err != nil {
					t.Error(err)
				}
				add(s)
				got <- s
			}()
		}
		synctest.Wait()
		other.end(ok200)
		first := <-got
		for range cap(got) - 1 {
			if s := <-got; s != first {
				t.Error("two sessions")
			}
		}
		if err := r.end(ok200); err != nil {
			t.Error(err)
		}
		if n := p.count(id); n != cap(got) {
			t.Error(n)
		}
	})
}

// A goroutine whose own context ends does not wait for another's Acquire.
func TestAcquireLeavesTheOtherGoroutineAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, memstore.New(), session.Config{})
		id := p.stored(0)
		other, _ := p.client(id).hold(session.Exclusive)
		r := p.client(id).begin()
		got := make(chan error)
		go func() {
			_, err := session.Acquire(r.ctx)
			got <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(r.ctx, time.Second)
		defer cancel()
		_, err := session.Acquire(ctx)
		wantErr(t, "the impatient goroutine", err, context.DeadlineExceeded)
		other.end(ok200)
		if err := <-got; err != nil {
			t.Error(err)
		}
		if err := r.end(ok200); err != nil {
			t.Error(err)
		}
	})
}

func TestNestedMiddlewareIsOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, memstore.New(), session.Config{})
		r := p.client(p.stored(0)).begin()
		inner, ctx := p.Begin(r.ctx, r.ex)
		if inner != nil || ctx != r.ctx {
			t.Error("a second Request")
		}
		s, err := session.Acquire(ctx)
		if err != nil || p.From(r.ctx) != s {
			t.Error(err)
		}
		r.end(ok200)
	})
}

func TestTwoManagersInOneRequest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := memstore.New()
		outer := start(t, store, session.Config{Namespace: "outer"})
		inner := start(t, store, session.Config{Namespace: "inner", ID: session.Cookie{Name: "inner"}})
		outerClient := outer.client(outer.stored(1))
		r := outerClient.begin()
		rq, ctx := inner.Begin(r.ctx, r.ex)
		again, _ := outer.Begin(ctx, r.ex)
		if again != nil {
			t.Error("the outer Manager began twice")
		}
		a, err := outer.Acquire(ctx)
		if err != nil || get(t, a) != 1 {
			t.Fatal(err)
		}
		b, err := session.Acquire(ctx) // of the innermost
		if err != nil || !b.IsNew() || inner.From(ctx) != b || session.From(ctx) != b || outer.From(ctx) != a {
			t.Fatal(err)
		}
		if inner.From(r.ctx) != nil {
			t.Error("the inner session is seen outside")
		}
		if _, err := inner.Acquire(r.ctx); err == nil {
			t.Error("the inner Manager works outside of its middleware")
		}
		set(t, a, 2)
		set(t, b, 5)
		if err := rq.Finish(ctx, ok200); err != nil {
			t.Error(err)
		}
		if get(t, a) != 2 {
			t.Error("the outer session ended with the inner request")
		}
		if err := r.end(ok200); err != nil {
			t.Error(err)
		}
		if n := outer.count(outerClient.id); n != 2 {
			t.Error(n)
		}
		if len(r.ex.reply.Values("Set-Cookie")) != 1 {
			t.Errorf("cookies: %v", r.ex.reply)
		}
	})
}

func TestM22_CloseDrainsAndRefuses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := memstore.New()
		p, q := start(t, store, session.Config{AcquireTimeout: -1}), start(t, store, session.Config{})
		id := p.stored(0)
		r, s := p.client(id).hold(session.Exclusive)
		var served bool
		go p.client(id).do(session.Exclusive, func(*session.Session) { served = true })
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- p.Close(context.Background()) }()
		synctest.Wait()
		wantErr(t, "Acquire while closing", p.client(id).try(session.Exclusive, func(*session.Session) {}), session.ErrUnavailable)
		wantErr(t, "of a new session", p.client("").try(session.Exclusive, func(*session.Session) {}), session.ErrUnavailable)
		wantErr(t, "Ping", p.Ping(context.Background()), session.ErrUnavailable)
		time.Sleep(time.Minute) // and its lock is still renewed
		set(t, s, 4)
		select {
		case <-closed:
			t.Error("Close did not wait")
		default:
		}
		if err := r.end(ok200); err != nil {
			t.Error(err)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if !served {
			t.Error("the one in line was not served")
		}
		if n := q.count(id); n != 4 {
			t.Error(n)
		}
		if err := p.Close(context.Background()); err != nil {
			t.Errorf("closed again: %v", err)
		}
	})
}

func TestM22_CloseGivesUpAtItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := memstore.New()
		p := start(t, store, session.Config{})
		id := p.stored(0)
		r, s := p.client(id).hold(session.Exclusive)
		set(t, s, 1)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		begun := time.Now()
		wantErr(t, "Close", p.Close(ctx), context.DeadlineExceeded)
		wantTook(t, "Close", begun, time.Second, time.Second)
		if err := r.end(ok200); err != nil { // what is under way still ends well
			t.Error(err)
		}
		if n := start(t, store, session.Config{}).count(id); n != 1 {
			t.Error(n)
		}
	})
}

// Goroutines of one handler that acquire and release side by side get no
// session that the end of the request does not know of.
func TestM22_AcquireMeetsReleaseInOneRequest(t *testing.T) {
	sv := newService(t, session.Config{})
	for range 100 {
		r := sv.client().begin()
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for range 500 {
					s, err := session.Acquire(r.ctx, session.Concurrent)
					if err != nil {
						t.Error(err)
						return
					}
					if i%2 == 0 {
						s.Release(r.ctx)
					}
				}
			})
		}
		wg.Wait()
		sv.check(r.end(ok200))
	}
	if left := sv.Leftovers(); left != "" {
		t.Error(left)
	}
}
