package memstore

import (
	"errors"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

func TestS8_CreateReplacesOnlyTheDead(t *testing.T) {
	inBubble(t, func(b *bubble) {
		rec := newRecord("a")
		rec.Owner = "o"
		k := b.create(rec)
		b.is(b.Create(b.Context(), k, newRecord("b"), nobody, 0), session.ErrExists)
		time.Sleep(idle + slack)
		b.is(b.Create(b.Context(), k, newRecord("b"), nobody, 0), nil)
		b.loads(k, "b")
		b.is(b.Remove(b.Context(), k, nobody, session.EndRevoked), nil)
		b.is(b.Create(b.Context(), k, newRecord("c"), nobody, 0), nil)
		b.loads(k, "c")
		b.is(b.Remove(b.Context(), k, nobody, session.EndDelete), nil)
		b.empty()
	})
}

// A record with Events whose key is created anew is still reported, once, and
// its claim does not reach the new record (S12).
func TestS8_CreateKeepsUnreportedEnd(t *testing.T) {
	inBubble(t, func(b *bubble) {
		rec := newRecord("a")
		rec.Events, rec.Owner = true, "o"
		k := b.create(rec)
		b.is(b.Remove(b.Context(), k, nobody, session.EndRevoked), nil)
		b.is(b.Create(b.Context(), k, newRecord("b"), nobody, 0), nil)
		time.Sleep(idle + slack)
		again := newRecord("c")
		again.Events = true
		b.is(b.Create(b.Context(), k, again, nobody, 0), nil) // b had no Events
		lapsed := b.acquire(k)
		time.Sleep(idle + slack)
		b.is(b.Create(b.Context(), k, newRecord("d"), nobody, 0), nil)
		b.is(b.Extend(b.Context(), k, lapsed, lease), session.ErrLockLost) // erased (S5)
		checkIndexes(b, b.Store)

		reasons := map[string]session.EndReason{"a": session.EndRevoked, "c": session.EndExpired}
		for range 2 { // one at a time, see TestS12_OneClaimOfAKeyAtATime
			got, token := b.reap(10)
			if len(got) != 1 || got[0].Key != k {
				b.Fatalf("got %+v", got)
			}
			data := string(got[0].Record.Data)
			if got[0].Reason != reasons[data] || got[0].Attempts != 1 {
				b.Fatalf("got %+v", got)
			}
			delete(reasons, data)
			b.is(b.Extend(b.Context(), k, token, lease), nil)
			b.is(b.Remove(b.Context(), k, token, session.EndDelete), nil)
			b.is(b.Extend(b.Context(), k, token, lease), session.ErrLockLost)
			time.Sleep(time.Millisecond)
		}
		b.loads(k, "d")
		b.is(b.Remove(b.Context(), k, nobody, session.EndDelete), nil)
		b.empty()
	})
}

func TestS9_SwapComparesAndRespectsLocks(t *testing.T) {
	inBubble(t, func(b *bubble) {
		rec := newRecord("a")
		k := b.create(rec)
		b.is(b.Swap(b.Context(), k, newRecord("b"), session.NewWriteID()), session.ErrConflict)
		token := b.acquire(k)
		b.is(b.Swap(b.Context(), k, newRecord("b"), rec.Write), session.ErrLocked)
		b.is(b.Release(b.Context(), k, token), nil)
		b.is(b.Swap(b.Context(), k, newRecord("b"), rec.Write), nil)
		b.loads(k, "b")
	})
}

func TestS10_TouchNeverShortens(t *testing.T) {
	inBubble(t, func(b *bubble) {
		rec := newRecord("a")
		rec.Lifetime = idle + 2*slack
		k := b.create(rec)
		time.Sleep(2 * slack)
		b.is(b.Touch(b.Context(), k), nil)
		if got := b.loads(k, "a").ExpiresIn; got != idle {
			b.Fatalf("expires in %v, want what Lifetime leaves, %v", got, idle)
		}
		b.is(b.Touch(b.Context(), k), nil)
		time.Sleep(idle)
		b.gone(k)
	})
}

func TestS11_MoveLeavesATombstone(t *testing.T) {
	inBubble(t, func(b *bubble) {
		first := newRecord("a")
		k, to := b.create(first), keyOf(1000)
		token := b.acquire(k)
		moved := newRecord("moved")
		moved.Owner = "o"
		how := session.Commit{MoveTo: to, Grace: time.Minute, Keep: lease}
		b.is(b.save(k, moved, token, how), nil)
		checkIndexes(b, b.Store)

		_, err := b.Load(b.Context(), k, false)
		b.is(err, session.ErrRenewed)
		_, err = b.Acquire(b.Context(), k, session.NewToken(), lease)
		b.is(err, session.ErrRenewed)
		b.is(b.Touch(b.Context(), k), session.ErrNotFound)
		b.is(b.Swap(b.Context(), k, newRecord("x"), moved.Write), session.ErrNotFound)
		b.is(b.Create(b.Context(), k, newRecord("x"), nobody, 0), session.ErrExists)
		b.is(b.Remove(b.Context(), k, nobody, session.EndRevoked), session.ErrRenewed)
		b.is(b.save(k, newRecord("x"), token, session.Commit{}), session.ErrLockLost)
		b.is(b.save(k, moved, token, how), nil) // repeats
		b.is(b.Create(b.Context(), k, first, nobody, 0), nil)
		if got := b.loads(to, "moved").Lock; got == nil || got.Holder != token.Holder() {
			b.Fatalf("the lock did not move along: %+v", got)
		}

		time.Sleep(time.Minute)
		b.gone(k)
		b.is(b.save(k, moved, token, how), nil)
		b.purge()
		b.is(b.save(k, moved, token, how), nil) // known at the new key
		b.is(b.save(to, newRecord("b"), token, session.Commit{}), nil)
		b.is(b.Remove(b.Context(), to, nobody, session.EndDelete), nil)
		b.empty()
	})
}

func TestS11_MoveToALiveKeyChangesNothing(t *testing.T) {
	inBubble(t, func(b *bubble) {
		k, to := b.create(newRecord("a")), b.create(newRecord("b"))
		token := b.acquire(k)
		b.is(b.save(k, newRecord("c"), token, session.Commit{MoveTo: to}), session.ErrExists)
		b.is(b.save(k, newRecord("c"), token, session.Commit{MoveTo: k}), session.ErrExists)
		b.loads(to, "b")
		if b.loads(k, "a").Lock == nil {
			b.Fatal("the lock is gone")
		}
		b.is(b.Remove(b.Context(), to, nobody, session.EndRevoked), nil)
		b.is(b.save(k, newRecord("c"), token, session.Commit{MoveTo: to}), nil)
		b.gone(k)
		b.loads(to, "c")

		// A key is in use as long as it says ErrRenewed.
		for _, want := range []error{session.ErrExists, nil} {
			there, other := keyOf(1000), b.create(newRecord("d"))
			if want != nil {
				b.is(b.save(to, newRecord("e"), b.acquire(to), session.Commit{MoveTo: there, Grace: time.Minute}), nil)
			}
			b.is(b.save(other, newRecord("f"), b.acquire(other), session.Commit{MoveTo: to}), want)
			time.Sleep(time.Minute)
		}
		b.loads(to, "f")
	})
}

func TestS12_ReapClaimsOnceAndAgainAfterTheLease(t *testing.T) {
	inBubble(t, func(b *bubble) {
		rec := newRecord("a")
		rec.Events, rec.Owner = true, "o"
		k := b.create(rec)
		time.Sleep(idle + slack)
		b.purge() // is not to touch it
		if got, err := b.Reap(b.Context(), "other", 10, session.NewToken(), lease); err != nil || len(got) != 0 {
			b.Fatalf("another namespace's Reap got %v, %v", got, err)
		}
		if got, _ := b.reap(0); got != nil {
			b.Fatalf("got %v", got)
		}
		var token session.Token
		for attempt := 1; attempt <= 3; attempt++ {
			var got []session.Expired
			got, token = b.reap(10)
			if len(got) != 1 || got[0].Attempts != attempt || got[0].Reason != session.EndExpired ||
				string(got[0].Record.Data) != "a" || got[0].Record.Owner != "o" || got[0].Record.ExpiresIn != 0 {
				b.Fatalf("attempt %d: got %+v", attempt, got)
			}
			b.is(b.Extend(b.Context(), k, token, 2*lease), nil)
			time.Sleep(2*lease - 1)
			if got, _ := b.reap(10); got != nil {
				b.Fatalf("attempt %d: claimed twice", attempt)
			}
			time.Sleep(1)
		}
		b.is(b.Remove(b.Context(), k, token, session.EndAbandoned), nil)
		b.is(b.Remove(b.Context(), k, token, session.EndAbandoned), nil)
		b.empty()
	})
}

func TestS12_RemoveClaimsForItsCaller(t *testing.T) {
	inBubble(t, func(b *bubble) {
		rec := newRecord("a")
		rec.Events = true
		k := b.create(rec)
		token := b.acquire(k)
		for range 2 { // the second is a repeat
			b.is(b.Remove(b.Context(), k, token, session.EndAbandoned), nil)
			b.gone(k)
		}
		if got, _ := b.reap(10); got != nil {
			b.Fatal("it is claimed")
		}
		b.is(b.Remove(b.Context(), k, session.NewToken(), session.EndDelete), nil)
		b.is(b.Remove(b.Context(), k, nobody, session.EndDelete), nil)
		b.is(b.Extend(b.Context(), k, token, lease), nil)
		time.Sleep(lease)
		got, token := b.reap(10)
		if len(got) != 1 || got[0].Attempts != 2 || got[0].Reason != session.EndAbandoned {
			b.Fatalf("got %+v", got)
		}
		b.is(b.Remove(b.Context(), k, token, session.EndDelete), nil)
		b.empty()

		k = b.create(newRecord("b")) // without Events
		token = b.acquire(k)
		b.is(b.Remove(b.Context(), k, token, session.EndAbandoned), nil)
		b.purge()
		b.is(b.Extend(b.Context(), k, token, lease), nil)
		time.Sleep(lease)
		b.purge()
		b.empty()
	})
}

func TestS12_ReapKeepsToItsLimit(t *testing.T) {
	inBubble(t, func(b *bubble) {
		for range 1000 {
			rec := newRecord("a")
			rec.Events = true
			b.create(rec)
		}
		time.Sleep(idle + slack)
		seen := make(map[session.StoreKey]bool)
		for len(seen) < 1000 {
			got, token := b.reap(7)
			if len(got) != min(7, 1000-len(seen)) {
				b.Fatalf("got %d after %d", len(got), len(seen))
			}
			for _, e := range got {
				if seen[e.Key] {
					b.Fatal("claimed twice")
				}
				seen[e.Key] = true
				b.is(b.Remove(b.Context(), e.Key, token, session.EndDelete), nil)
			}
		}
		b.empty()
	})
}

// Two records of one key whose ends are to be reported are not claimed
// together: a key and a token are all that names a claim, and who reports the
// one and removes it must not remove the other.
func TestS12_OneClaimOfAKeyAtATime(t *testing.T) {
	inBubble(t, func(b *bubble) {
		key := keyOf(1)
		first, second := newRecord("first"), newRecord("second")
		first.Events, second.Events = true, true
		for _, rec := range []session.Record{first, second} {
			if err := b.Create(b.Context(), key, rec, nobody, 0); err != nil {
				t.Fatal(err)
			}
			time.Sleep(idle + slack)
		}
		seen := make(map[string]bool)
		for range 2 {
			token := session.NewToken()
			claims, err := b.Reap(b.Context(), "ns", 10, token, lease)
			if err != nil || len(claims) != 1 || claims[0].Attempts != 1 || claims[0].Reason != session.EndExpired {
				t.Fatalf("%d claims: %+v (%v)", len(claims), claims, err)
			}
			seen[string(claims[0].Record.Data)] = true
			if err := b.Touch(b.Context(), key); !errors.Is(err, session.ErrNotFound) {
				t.Errorf("Touch: %v", err)
			}
			if err := b.Extend(b.Context(), key, token, lease); err != nil {
				t.Errorf("Extend: %v", err)
			}
			if err := b.Remove(b.Context(), key, token, session.EndDelete); err != nil {
				t.Errorf("Remove: %v", err)
			}
			time.Sleep(time.Millisecond)
		}
		if !seen["first"] || !seen["second"] {
			t.Errorf("reported were %v", seen)
		}
		if claims, err := b.Reap(b.Context(), "ns", 10, session.NewToken(), lease); err != nil || len(claims) != 0 {
			t.Errorf("%d are left (%v)", len(claims), err)
		}
	})
}
