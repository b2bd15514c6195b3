package memstore

import (
	"context"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

func TestAll_ListsTheLiveOfANamespace(t *testing.T) {
	inBubble(t, func(b *bubble) {
		want := make(map[session.StoreKey]bool)
		for range 1000 {
			want[b.create(newRecord("a"))] = true
		}
		ended := b.create(newRecord("b"))
		b.is(b.Remove(b.Context(), ended, nobody, session.EndRevoked), nil)
		other := newRecord("c")
		other.Namespace = "other"
		b.create(other)
		for info, err := range b.All(b.Context(), "ns") {
			b.is(err, nil)
			if !want[info.Key] || info.Size != 1 || info.ExpiresIn != idle+slack || info.Locked {
				b.Fatalf("got %+v", info)
			}
			delete(want, info.Key)
			// The loop may use the store.
			b.is(b.Remove(b.Context(), info.Key, nobody, session.EndDelete), nil)
		}
		if len(want) != 0 {
			b.Fatalf("%d were not listed", len(want))
		}
		for range b.All(b.Context(), "other") {
			break
		}
		b.is(b.Touch(b.Context(), ended), session.ErrNotFound) // nothing is locked still
	})
}

// Every session moves to another key, and a new one comes, whenever one is
// seen: still none is seen twice, and the listing ends.
func TestAll_SeesNoSessionTwice(t *testing.T) {
	inBubble(t, func(b *bubble) {
		const n = 600
		where := make(map[string]session.StoreKey, n)
		for i := range n {
			name := string(rune(0x4e00 + i))
			where[name] = b.create(newRecord(name))
		}
		next := uint64(10000)
		seen := 0
		for info, err := range b.All(b.Context(), "ns") {
			b.is(err, nil)
			seen++
			if seen > n {
				b.Fatal("more were seen than there were")
			}
			for name, k := range where { // any one, and the one just seen
				if k == info.Key || seen%50 == 0 {
					next++
					to := keyOf(next * 7919)
					b.is(b.save(k, newRecord(name), b.acquire(k), session.Commit{MoveTo: to}), nil)
					where[name] = to
				}
			}
			b.create(newRecord("new"))
		}
		again := 0
		for _, err := range b.All(b.Context(), "ns") {
			b.is(err, nil)
			again++
		}
		if again != n+seen {
			b.Fatalf("the next listing saw %d, want %d", again, n+seen)
		}
	})
}

func TestAll_EndsWithTheContext(t *testing.T) {
	inBubble(t, func(b *bubble) {
		for range 600 {
			b.create(newRecord("a"))
		}
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		seen, failed := 0, 0
		for _, err := range b.All(ctx, "ns") {
			if err != nil {
				failed++
				b.is(err, context.Canceled)
				continue
			}
			seen++
			cancel()
		}
		if failed != 1 || seen == 0 || seen > batch {
			b.Fatalf("saw %d and %d errors", seen, failed)
		}
	})
}

func TestAll_GenerationsMayWrap(t *testing.T) {
	inBubble(t, func(b *bubble) {
		b.gen.Store(1<<32 - 2)
		for range 4 {
			b.create(newRecord("a"))
			time.Sleep(1)
		}
		for range 4 {
			n := 0
			for range b.All(b.Context(), "ns") {
				n++
			}
			if n != 4 {
				b.Fatalf("saw %d", n)
			}
		}
	})
}
