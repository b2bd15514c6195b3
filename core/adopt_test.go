package session_test

import (
	"context"
	"encoding/hex"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

var adopting = session.Config{AdoptExpiredID: true}

// adopter returns a client with an ID that no store knows.
func (sv *service) adopter() *client {
	c := sv.client()
	c.id = id24('a')
	return c
}

func TestM11_AdoptExpiredID(t *testing.T) {
	for _, mode := range writeModes {
		t.Run(mode.String(), func(t *testing.T) {
			sv := newService(t, adopting)
			c := sv.adopter()
			r := c.begin()
			s := r.acquire(mode)
			if s.ID() != id24('a') || !s.IsNew() || s.Len() != 0 {
				t.Error("not adopted as new")
			}
			sv.check(countKey.Set(s, 1))
			sv.check(r.end(ok200))
			sv.stored(1)
			(&client{t: t, m: sv.Manager, id: id24('a')}).count(1)
		})
	}
}

func TestM11_AdoptedInReadOnlyModesIsNotStored(t *testing.T) {
	for _, mode := range []session.Mode{session.ReadOnly, session.Snapshot} {
		sv := newService(t, adopting)
		c := sv.adopter()
		r := c.begin()
		s := r.acquire(mode)
		if s.ID() != id24('a') {
			t.Error("not adopted")
		}
		wantIs(t, countKey.Set(s, 1), session.ErrReadOnly)
		sv.check(r.end(ok200))
		r.noCookie()
		sv.stored(0)
	}
}

func TestM11_UntouchedAdoptedLeavesNothing(t *testing.T) {
	for _, mode := range writeModes {
		for _, out := range []session.Outcome{ok200, error500} {
			sv := newService(t, adopting)
			r := sv.adopter().begin()
			s := r.acquire(mode)
			if out.Failed() {
				sv.check(countKey.Set(s, 1)) // is discarded
			}
			sv.check(r.end(out))
			r.noCookie()
			sv.stored(0)
		}
	}
}

// Several requests of one client whose session has expired come at once.
func TestM11_AdoptingSideBySide(t *testing.T) {
	inBubble(t, writeModes, func(t *testing.T, mode session.Mode) {
		sv := newService(t, adopting)
		other := newProcess(t, sv.memory, adopting)
		const each = 10
		done := make(chan struct{})
		for i := range 2 * each {
			c := sv.adopter()
			if i%2 == 1 {
				c.m = other.Manager
			}
			go func() {
				defer func() { done <- struct{}{} }()
				err := c.do(mode, func(s *session.Session) {
					sv.check(countKey.Update(s, func(n int) int { return n + 1 }))
					time.Sleep(time.Millisecond)
				})
				sv.check(err)
			}()
		}
		for range 2 * each {
			<-done
		}
		sv.stored(1)
		sv.adopter().count(2 * each)
	})
}

// An adopted session that its request has not used is dropped only as long as
// it is that request's: not when another has got it after a lease.
func TestM11_UntouchedAdoptedIsNotDroppedForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sv := newService(t, adopting)
		other := newProcess(t, sv.memory, adopting)
		stuck := sv.adopter().begin()
		stuck.acquire(session.Exclusive)
		sv.faults.Next("Extend", -1, down)
		time.Sleep(16 * time.Second) // the lease is over

		c := other.adopter()
		sv.check(c.do(session.Exclusive, func(s *session.Session) { sv.check(countKey.Set(s, 5)) }))
		_ = stuck.end(ok200)
		stuck.noCookie()
		c.count(5)
	})
}

// unreported is a store that keeps the key of a session that has ended until
// its end has been reported.
type unreported struct {
	*memstore.Store
	key     string
	creates int
}

func (u *unreported) Create(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, lease time.Duration) error {
	u.creates++
	if hex.EncodeToString(key[:]) == u.key {
		return session.ErrExists
	}
	return u.Store.Create(ctx, key, rec, token, lease)
}

// An ID that cannot be adopted is given up soon for another.
func TestM11_AnIDThatCannotBeAdopted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &unreported{Store: memstore.New()}
		p := start(t, store, adopting)
		p.faults.Rule(func(sessiontest.Call) sessiontest.Fault { return sessiontest.Fault{Delay: time.Millisecond} })
		c := p.client(id24('a'))
		wantErr(t, "a request", c.try(session.Snapshot, func(s *session.Session) {
			key := s.StoreKey()
			store.key = hex.EncodeToString(key[:])
		}), nil)
		begun := time.Now()
		wantErr(t, "Acquire", c.try(session.Exclusive, func(s *session.Session) {
			wantTook(t, "Acquire", begun, 0, 250*time.Millisecond)
			if !s.IsNew() || s.ID() == id24('a') {
				t.Error("it has the ID of the session that has ended")
			}
			set(t, s, 1)
		}), nil)
		if store.creates > 10 {
			t.Errorf("%d calls of Create", store.creates)
		}
		if n := p.count(c.id); n != 1 {
			t.Error(n)
		}
	})
}

// A Concurrent request whose session ended while it ran saves into the next one
// of that ID: whoever is passed the lock by it is told of that one.
func TestM11_AMergeIntoTheNextSessionOfAnID(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := start(t, newWatched(t), session.Config{AdoptExpiredID: true})
		id := p.stored(1)
		r, s := p.client(id).hold(session.Concurrent)
		if err := p.client(id).do(session.Exclusive, func(s *session.Session) { _ = s.Abandon() }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		begun := time.Now()
		if err := p.client(id).do(session.Exclusive, func(s *session.Session) { set(t, s, 5) }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		holder, held := p.client(id).hold(session.Exclusive)
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := r.end(addOne(t, s)); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			err := p.client(id).do(session.Exclusive, func(s *session.Session) {
				if !s.Created().Equal(begun) || get(t, s) != 7 {
					t.Errorf("created %v before this, count %d", begun.Sub(s.Created()), get(t, s))
				}
			})
			if err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		holder.end(addOne(t, held))
		wg.Wait()
	})
}
