package memstore

import (
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

func woken(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestWatch_WakesWhenAWaiterMayGoOn(t *testing.T) {
	tests := []struct {
		name string
		do   func(b *bubble, k session.StoreKey, token session.Token)
		want bool
	}{
		{"release", func(b *bubble, k session.StoreKey, token session.Token) {
			b.is(b.Release(b.Context(), k, token), nil)
		}, true},
		{"save", func(b *bubble, k session.StoreKey, token session.Token) {
			b.is(b.save(k, newRecord("b"), token, session.Commit{}), nil)
		}, true},
		{"hand on", func(b *bubble, k session.StoreKey, token session.Token) {
			b.is(b.save(k, newRecord("b"), token, session.Commit{Next: session.NewToken(), Keep: lease}), nil)
		}, true},
		{"move", func(b *bubble, k session.StoreKey, token session.Token) {
			b.is(b.save(k, newRecord("b"), token, session.Commit{Keep: lease, MoveTo: keyOf(1000)}), nil)
		}, true},
		{"remove", func(b *bubble, k session.StoreKey, token session.Token) {
			b.is(b.Remove(b.Context(), k, token, session.EndDelete), nil)
		}, true},
		{"end", func(b *bubble, k session.StoreKey, token session.Token) {
			b.is(b.Remove(b.Context(), k, nobody, session.EndRevoked), nil)
		}, true},
		{"remove owner", func(b *bubble, k session.StoreKey, token session.Token) {
			if n, err := b.RemoveOwner(b.Context(), "ns", "o", session.EndRevoked); n != 1 || err != nil {
				b.Fatal(n, err)
			}
		}, true},
		{"acquire of a lapsed one", func(b *bubble, k session.StoreKey, token session.Token) {
			time.Sleep(lease)
			b.acquire(k)
		}, true},
		{"swap of a lapsed one", func(b *bubble, k session.StoreKey, token session.Token) {
			time.Sleep(lease)
			b.is(b.Swap(b.Context(), k, newRecord("b"), b.loads(k, "a").Write), nil)
		}, true},
		{"save that keeps", func(b *bubble, k session.StoreKey, token session.Token) {
			b.is(b.save(k, newRecord("b"), token, session.Commit{Keep: lease}), nil)
		}, false},
		{"refusals", func(b *bubble, k session.StoreKey, token session.Token) {
			_, err := b.Acquire(b.Context(), k, session.NewToken(), lease)
			b.is(err, session.ErrLocked)
			b.is(b.Release(b.Context(), k, session.NewToken()), nil)
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(b *bubble) {
				rec := newRecord("a")
				rec.Owner = "o"
				k := b.create(rec)
				// Keys of the same shard are watched, too.
				neighbour := k
				neighbour[31] = 1
				token := b.acquire(k)
				one, stopOne := b.Watch(k)
				two, stopTwo := b.Watch(k)
				other, stopOther := b.Watch(neighbour)
				tt.do(b, k, token)
				if woken(one) != tt.want || woken(two) != tt.want || woken(other) {
					b.Errorf("woken, or not, against expectation %v", tt.want)
				}
				stopOne()
				stopTwo()
				stopOther()
			})
		})
	}
}

func TestWatch_MergesWakesAndLeavesNothing(t *testing.T) {
	inBubble(t, func(b *bubble) {
		k := b.create(newRecord("a"))
		one, stopOne := b.Watch(k)
		two, stopTwo := b.Watch(k)
		for range 3 { // nobody reads: must not block
			b.is(b.Release(b.Context(), k, b.acquire(k)), nil)
		}
		if !woken(one) || woken(one) {
			b.Fatal("three releases are not one value")
		}
		stopOne()
		stopOne()
		b.is(b.Release(b.Context(), k, b.acquire(k)), nil)
		if woken(one) || !woken(two) {
			b.Fatal("the wrong one was stopped")
		}
		stopTwo()
		stopTwo()
		b.is(b.Remove(b.Context(), k, nobody, session.EndDelete), nil)
		b.empty()
	})
}

func TestWatch_HandsOverWithoutATimer(t *testing.T) {
	inBubble(t, func(b *bubble) {
		k := b.create(newRecord("a"))
		token := b.acquire(k)
		start := time.Now()
		done := make(chan struct{})
		go func() { // ends with its one successful Acquire
			defer close(done)
			wake, stop := b.Watch(k)
			defer stop()
			for {
				if _, err := b.Acquire(b.Context(), k, session.NewToken(), lease); err == nil {
					return
				}
				<-wake
			}
		}()
		synctest.Wait()
		b.is(b.save(k, newRecord("b"), token, session.Commit{}), nil)
		<-done
		if waited := time.Since(start); waited != 0 {
			b.Fatalf("waited %v", waited)
		}
	})
}
