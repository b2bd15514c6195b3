package memstore

// A short proof of each rule of the store contract that this package has to
// obey by itself: here S1 to S7 and S14, in rules_life_test.go S8 to S12. The
// conformance kit has the long ones.

import (
	"context"
	"errors"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

func TestS1_AbsentAndExpiredAreTheSame(t *testing.T) {
	inBubble(t, func(b *bubble) {
		k := b.create(newRecord("a"))
		time.Sleep(idle + slack - 1)
		b.loads(k, "a")
		time.Sleep(1)
		for _, k := range []session.StoreKey{k, keyOf(99)} {
			b.gone(k)
			_, err := b.Acquire(b.Context(), k, session.NewToken(), lease)
			b.is(err, session.ErrNotFound)
			b.is(b.Touch(b.Context(), k), session.ErrNotFound)
			b.is(b.Swap(b.Context(), k, newRecord("b"), session.WriteID{}), session.ErrNotFound)
			b.is(b.Extend(b.Context(), k, session.NewToken(), lease), session.ErrLockLost)
			b.is(b.Remove(b.Context(), k, session.NewToken(), session.EndRevoked), nil)
		}
	})
}

func TestS1_LiveLeaseKeepsFromExpiring(t *testing.T) {
	inBubble(t, func(b *bubble) {
		rec := newRecord("a")
		rec.IdleTimeout, rec.Lifetime = 0, time.Second
		k := b.create(rec)
		token := b.acquire(k)
		time.Sleep(lease - 1)
		b.purge()
		if rec := b.loads(k, "a"); rec.ExpiresIn != 1 || rec.Lock.Left != 1 {
			b.Fatalf("expires in %v, lease left %v", rec.ExpiresIn, rec.Lock.Left)
		}
		b.is(b.Release(b.Context(), k, token), nil)
		b.gone(k)
		b.purge()
		b.empty()
	})
}

func TestS2_AcquireExtendsWhenDue(t *testing.T) {
	inBubble(t, func(b *bubble) {
		k := b.create(newRecord("a"))
		time.Sleep(slack) // idle is left: not due
		token := session.NewToken()
		rec, err := b.Acquire(b.Context(), k, token, lease)
		b.is(err, nil)
		if rec.ExpiresIn != idle || rec.Lock != nil || rec.Repeat {
			b.Fatalf("got %+v", rec)
		}
		b.is(b.Release(b.Context(), k, token), nil)
		time.Sleep(1)
		rec, err = b.Acquire(b.Context(), k, session.NewToken(), lease)
		b.is(err, nil)
		if rec.ExpiresIn != idle+slack {
			b.Fatalf("expires in %v", rec.ExpiresIn)
		}
	})
}

func TestS3_LockedSaysByWhom(t *testing.T) {
	inBubble(t, func(b *bubble) {
		k := b.create(newRecord("a"))
		token := b.acquire(k)
		time.Sleep(time.Second)
		_, err := b.Acquire(b.Context(), k, session.NewToken(), lease)
		var locked *session.LockedError
		if !errors.As(err, &locked) {
			b.Fatal(err)
		}
		want := session.LockInfo{Holder: token.Holder(), Age: time.Second, Left: lease - time.Second}
		if locked.LockInfo != want {
			b.Fatalf("got %+v, want %+v", locked.LockInfo, want)
		}
		if got := b.loads(k, "a").Lock; got == nil || *got != want {
			b.Fatalf("Load: got %+v, want %+v", got, want)
		}
	})
}

func TestS4_AcquireAgain(t *testing.T) {
	inBubble(t, func(b *bubble) {
		k := b.create(newRecord("a"))
		token := b.acquire(k)
		time.Sleep(time.Second)
		_, err := b.Acquire(b.Context(), k, token, lease)
		b.is(err, nil)
		if got := b.loads(k, "a").Lock; got.Left != lease || got.Age != time.Second {
			b.Fatalf("got %+v", got)
		}
	})
}

func TestS5_LapsedTokenHoldsUntilTaken(t *testing.T) {
	take := map[string]func(b *bubble, k session.StoreKey){
		"acquire": func(b *bubble, k session.StoreKey) {
			b.is(b.Release(b.Context(), k, b.acquire(k)), nil)
		},
		"swap": func(b *bubble, k session.StoreKey) {
			b.is(b.Swap(b.Context(), k, newRecord("b"), b.loads(k, "a").Write), nil)
		},
		"create": func(b *bubble, k session.StoreKey) {
			time.Sleep(idle + slack)
			b.is(b.Create(b.Context(), k, newRecord("b"), nobody, 0), nil)
		},
		"reap": func(b *bubble, k session.StoreKey) {
			time.Sleep(idle + slack)
			if got, _ := b.reap(1); len(got) != 1 {
				b.Fatal("nothing to reap")
			}
		},
	}
	for name, take := range take {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bubble) {
				rec := newRecord("a")
				rec.Events = name == "reap"
				k := b.create(rec)
				token := b.acquire(k)
				time.Sleep(lease)
				b.is(b.Extend(b.Context(), k, token, lease), nil)
				time.Sleep(lease)
				take(b, k)
				b.is(b.save(k, newRecord("c"), token, session.Commit{}), session.ErrLockLost)
				b.is(b.Extend(b.Context(), k, token, lease), session.ErrLockLost)
				b.is(b.Release(b.Context(), k, token), nil)
			})
		})
	}
	inBubble(t, func(b *bubble) {
		k := b.create(newRecord("a"))
		token := b.acquire(k)
		time.Sleep(2 * lease)
		b.is(b.save(k, newRecord("b"), token, session.Commit{}), nil)
		b.is(b.Remove(b.Context(), k, session.NewToken(), session.EndDelete), session.ErrLockLost)
		b.loads(k, "b")
	})
}

func TestS6_RepeatsAreKnown(t *testing.T) {
	inBubble(t, func(b *bubble) {
		first := newRecord("first")
		k := b.create(first)
		b.is(b.Create(b.Context(), k, first, nobody, 0), nil)
		saved := newRecord("saved")
		token := b.acquire(k)
		b.is(b.save(k, saved, token, session.Commit{Keep: lease}), nil)
		b.is(b.save(k, saved, token, session.Commit{Keep: lease}), nil)
		b.is(b.save(k, newRecord("again"), token, session.Commit{}), nil)
		b.is(b.save(k, saved, token, session.Commit{}), nil)
		b.is(b.Create(b.Context(), k, first, nobody, 0), nil)
		swapped := newRecord("swapped")
		b.is(b.Swap(b.Context(), k, swapped, b.loads(k, "again").Write), nil)
		b.is(b.Swap(b.Context(), k, swapped, session.WriteID{}), nil)
		b.loads(k, "swapped")
	})
}

func TestS6_OutcomeUnknownAfterTooManyWrites(t *testing.T) {
	inBubble(t, func(b *bubble) {
		k := b.create(newRecord("a"))
		lost := newRecord("lost")
		lost.Repeat = true
		last := func() session.WriteID { return b.loads(k, "a").Write }
		for n := 1; n <= remembered; n++ { // n writes so far
			b.is(b.save(k, lost, session.NewToken(), session.Commit{}), session.ErrLockLost)
			b.is(b.Create(b.Context(), k, lost, nobody, 0), session.ErrExists)
			b.is(b.Swap(b.Context(), k, lost, session.WriteID{}), session.ErrConflict)
			b.is(b.Swap(b.Context(), k, newRecord("a"), last()), nil)
		}
		b.is(b.save(k, lost, session.NewToken(), session.Commit{}), session.ErrOutcomeUnknown)
		b.is(b.Create(b.Context(), k, lost, nobody, 0), session.ErrOutcomeUnknown)
		b.is(b.Swap(b.Context(), k, lost, session.WriteID{}), session.ErrOutcomeUnknown)
		old := last()
		b.is(b.Swap(b.Context(), k, newRecord("a"), old), nil)
		b.is(b.Swap(b.Context(), k, lost, old), session.ErrConflict) // old is remembered
		b.is(b.save(keyOf(99), lost, session.NewToken(), session.Commit{}), session.ErrOutcomeUnknown)
		b.is(b.Swap(b.Context(), keyOf(99), lost, old), session.ErrOutcomeUnknown)
		lost.Repeat = false
		b.is(b.save(k, lost, session.NewToken(), session.Commit{}), session.ErrLockLost)
		b.is(b.save(keyOf(99), lost, session.NewToken(), session.Commit{}), session.ErrLockLost)
	})
}

func TestS7_SaveReplacesAndReleases(t *testing.T) {
	inBubble(t, func(b *bubble) {
		k := b.create(newRecord("a"))
		created := b.loads(k, "a").Created
		time.Sleep(time.Second)
		rec := newRecord("")
		rec.Data, rec.Owner, rec.Events, rec.Namespace = []byte{}, "o", true, "other"
		rec.IdleTimeout, rec.Lifetime, rec.Refresh = time.Minute, time.Hour, time.Second
		token := b.acquire(k)
		b.is(b.save(k, rec, token, session.Commit{}), nil)
		got := b.loads(k, "")
		if got.Data == nil || got.Owner != "o" || !got.Events || got.Namespace != "ns" || !got.Created.Equal(created) ||
			got.Write != rec.Write || got.ExpiresIn != time.Minute+time.Second || got.Lock != nil {
			b.Fatalf("got %+v", got)
		}

		token, next := b.acquire(k), session.NewToken()
		b.is(b.save(k, newRecord("b"), token, session.Commit{Next: next, Keep: lease}), nil)
		if got := b.loads(k, "b").Lock; got == nil || got.Holder != next.Holder() || got.Age != 0 {
			b.Fatalf("got %+v", got)
		}
		b.is(b.save(k, newRecord("c"), token, session.Commit{}), session.ErrLockLost)
		b.is(b.save(k, newRecord("c"), next, session.Commit{}), nil)
		b.loads(k, "c")
	})
}

func TestS14_EndedContext(t *testing.T) {
	inBubble(t, func(b *bubble) {
		k := b.create(newRecord("a"))
		ctx, cancel := context.WithCancel(b.Context())
		cancel()
		token := session.NewToken()
		calls := map[string]func() error{
			"acquire":      func() error { _, err := b.Acquire(ctx, k, token, lease); return err },
			"load":         func() error { _, err := b.Load(ctx, k, false); return err },
			"create":       func() error { return b.Create(ctx, keyOf(99), newRecord("b"), nobody, 0) },
			"save":         func() error { return b.Save(ctx, k, newRecord("b"), token, session.Commit{}) },
			"swap":         func() error { return b.Swap(ctx, k, newRecord("b"), session.WriteID{}) },
			"release":      func() error { return b.Release(ctx, k, token) },
			"extend":       func() error { return b.Extend(ctx, k, token, lease) },
			"touch":        func() error { return b.Touch(ctx, k) },
			"remove":       func() error { return b.Remove(ctx, k, nobody, session.EndDelete) },
			"reap":         func() error { _, err := b.Reap(ctx, "ns", 1, token, lease); return err },
			"list owner":   func() error { _, err := b.ListOwner(ctx, "ns", "o"); return err },
			"remove owner": func() error { _, err := b.RemoveOwner(ctx, "ns", "o", session.EndRevoked); return err },
			"ping":         func() error { return b.Ping(ctx) },
			"all": func() error {
				for _, err := range b.All(ctx, "ns") {
					return err
				}
				return nil
			},
		}
		for name, call := range calls {
			if err := call(); !errors.Is(err, context.Canceled) {
				b.Errorf("%s: got %v", name, err)
			}
		}
		b.loads(k, "a")
		b.is(b.Ping(b.Context()), nil)
	})
}

// What the contract leaves open: a caller's mistake is an error, not a lock
// that nobody holds.
func TestS5_ZeroTokenHoldsNothing(t *testing.T) {
	inBubble(t, func(b *bubble) {
		k := b.create(newRecord("a"))
		_, err := b.Acquire(b.Context(), k, nobody, lease)
		b.is(err, errZeroToken)
		_, err = b.Reap(b.Context(), "ns", 1, nobody, lease)
		b.is(err, errZeroToken)
		b.is(b.save(k, newRecord("b"), nobody, session.Commit{}), session.ErrLockLost)
		b.is(b.Extend(b.Context(), k, nobody, lease), session.ErrLockLost)
		token := b.acquire(k)
		b.is(b.save(k, newRecord("b"), token, session.Commit{Next: session.NewToken()}), errNextWithoutKeep)
		if b.loads(k, "a").Lock == nil {
			b.Fatal("the lock is gone")
		}
	})
}
