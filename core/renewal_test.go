package session_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// A new session that Save has stored is locked like any other until its
// request ends, however long that takes.
func TestM8_ANewSessionIsHeldFromItsFirstSaveOn(t *testing.T) {
	for _, early := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			store := memstore.New()
			p, q := start(t, store, session.Config{AcquireTimeout: -1}), start(t, store, session.Config{AcquireTimeout: -1})
			r, s := p.client("").hold(session.Exclusive)
			ctx := s.Context()
			set(t, s, 1)
			if early {
				if err := r.BeforeReply(r.ctx, ok200); err != nil {
					t.Error(err)
				}
			} else if err := s.Save(r.ctx); err != nil {
				t.Error(err)
			}
			r.keepCookie()
			var served atomic.Int32
			for _, other := range []*process{p, q} {
				go other.client(r.c.id).do(session.Exclusive, func(s *session.Session) {
					if n := get(t, s); n != 2 {
						t.Errorf("found %d", n)
					}
					served.Add(1)
				})
			}
			time.Sleep(time.Minute)
			if served.Load() > 0 || ctx.Err() != nil {
				t.Error("it is not held")
			}
			add(s)
			if err := r.end(ok200); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			if served.Load() != 2 {
				t.Errorf("%d of 2 were served", served.Load())
			}
		})
	}
}

// One renewal that hangs must not use up a lease that is shorter than
// StoreTimeout.
func TestM8_ARenewalThatHangsCostsAThirdOfTheLease(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := memstore.New()
		cfg := session.Config{LockLease: 3 * time.Second, StoreTimeout: 5 * time.Second}
		p, q := start(t, store, cfg), start(t, store, cfg)
		id := p.stored(0)
		r, s := p.client(id).hold(session.Exclusive)
		add(s)
		p.faults.Next(sessiontest.OpExtend, 1, hangs)
		go q.client(id).do(session.Exclusive, func(s *session.Session) { add(s) })
		time.Sleep(20 * time.Second)
		if err := r.end(ok200); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if n := p.count(id); n != 2 {
			t.Error(n)
		}
	})
}

// The lease counts from before the store was asked: an answer that comes late
// leaves less time for the first renewal.
func TestM8_ALateAnswerIsRenewedInTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := memstore.New()
		cfg := session.Config{LockLease: 6 * time.Second, StoreTimeout: 6 * time.Second}
		p, q := start(t, late{store, 5 * time.Second}, cfg), start(t, store, cfg)
		id := q.stored(0)
		r, s := p.client(id).hold(session.Exclusive)
		add(s)
		go q.client(id).do(session.Exclusive, func(s *session.Session) { add(s) })
		time.Sleep(20 * time.Second)
		if err := r.end(ok200); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if n := q.count(id); n != 2 {
			t.Error(n)
		}
	})
}

// late takes its time to tell who got the lock.
type late struct {
	session.Store
	by time.Duration
}

func (l late) Acquire(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) (session.Record, error) {
	rec, err := l.Store.Acquire(ctx, key, token, lease)
	time.Sleep(l.by)
	return rec, err
}

// A session that was renewed and kept is held under its new ID, and a renewal
// of the lease that still went to the old one is no loss.
func TestM8_ARenewedSessionIsHeldUnderItsNewID(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := memstore.New()
		p, q := start(t, store, session.Config{AcquireTimeout: -1}), start(t, store, session.Config{AcquireTimeout: -1})
		old := p.stored(0)
		r, s := p.client(old).hold(session.Exclusive)
		ctx := s.Context()
		inLine := make(chan error, 2)
		for _, other := range []*process{p, q} {
			go func() { inLine <- other.client(old).try(session.Exclusive, func(*session.Session) {}) }()
		}
		p.faults.Next(sessiontest.OpExtend, 1, sessiontest.Fault{Delay: time.Second})
		time.Sleep(5*time.Second + time.Millisecond)
		if err := s.Renew(); err != nil {
			t.Error(err)
		}
		begun := time.Now()
		if err := s.Save(r.ctx); err != nil {
			t.Error(err)
		}
		for range 2 {
			wantErr(t, "who waited under the old ID", <-inLine, session.ErrRenewed)
		}
		wantTook(t, "telling them", begun, 0, 0)
		r.keepCookie()
		var served atomic.Int32
		for _, other := range []*process{p, q} {
			go other.client(s.ID()).do(session.Exclusive, func(s *session.Session) {
				if n := get(t, s); n < 7 {
					t.Errorf("found %d", n)
				}
				served.Add(1)
			})
		}
		time.Sleep(time.Minute)
		if served.Load() > 0 || ctx.Err() != nil {
			t.Error("it is not held")
		}
		set(t, s, 7)
		if err := r.end(ok200); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if served.Load() != 2 {
			t.Errorf("%d of 2 were served", served.Load())
		}
	})
}
