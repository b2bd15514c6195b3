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
				b.waits(k)
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

// waits has somebody be told that k is locked.
func (b *bubble) waits(k session.StoreKey) {
	_, err := b.Acquire(b.Context(), k, session.NewToken(), lease)
	b.is(err, session.ErrLocked)
}

// Who watches learns from the silence that nobody waits.
func TestWatch_WakesOnlyIfSomebodyWaits(t *testing.T) {
	inBubble(t, func(b *bubble) {
		k := b.create(newRecord("a"))
		wake, stop := b.Watch(k)
		defer stop()
		released := func(waits func()) bool {
			token := b.acquire(k)
			waits()
			b.is(b.save(k, newRecord("b"), token, session.Commit{}), nil)
			return woken(wake)
		}
		if released(func() {}) {
			b.Error("woken though nobody waits")
		}
		if !released(func() { b.waits(k) }) {
			b.Error("not woken though an Acquire waits")
		}
		if released(func() {}) {
			b.Error("woken again though nobody waits any more")
		}
		if released(func() { b.Load(b.Context(), k, false) }) {
			b.Error("woken though a Load does not wait")
		}
		if !released(func() { b.Load(b.Context(), k, true) }) {
			b.Error("not woken though a Load waits")
		}
		// A move wakes those under the old key, and leaves nobody waiting under
		// the new one.
		token, to := b.acquire(k), keyOf(1000)
		b.waits(k)
		b.is(b.save(k, newRecord("c"), token, session.Commit{Keep: lease, MoveTo: to}), nil)
		if !woken(wake) {
			b.Error("not woken by a move")
		}
		moved, stopMoved := b.Watch(to)
		defer stopMoved()
		b.is(b.Release(b.Context(), to, token), nil)
		if woken(moved) {
			b.Error("woken under the new key though nobody waits there")
		}
	})
}

func TestWatch_MergesWakesAndLeavesNothing(t *testing.T) {
	inBubble(t, func(b *bubble) {
		k := b.create(newRecord("a"))
		one, stopOne := b.Watch(k)
		two, stopTwo := b.Watch(k)
		released := func() {
			token := b.acquire(k)
			b.waits(k)
			b.is(b.Release(b.Context(), k, token), nil)
		}
		for range 3 { // nobody reads: must not block
			released()
		}
		if !woken(one) || woken(one) {
			b.Fatal("three releases are not one value")
		}
		stopOne()
		stopOne()
		released()
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
