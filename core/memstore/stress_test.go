package memstore

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// expected are the errors that a loser of a race gets.
var expected = []error{
	session.ErrNotFound, session.ErrExists, session.ErrLocked, session.ErrLockLost,
	session.ErrConflict, session.ErrRenewed,
}

func (b *bubble) lost(err error) bool {
	b.Helper()
	for _, want := range expected {
		if errors.Is(err, want) {
			return true
		}
	}
	if err != nil {
		b.Errorf("got %v", err)
	}
	return false
}

// Everybody does everything at once with a few records, while leases lapse and
// records expire; then the indexes must agree, and when all has ended nothing
// may be left.
func TestConcurrent_IndexesAgreeAndNothingIsLeft(t *testing.T) {
	inBubble(t, func(b *bubble) {
		const workers, steps, keys = 16, 1500, 24
		ctx := b.Context()
		together(workers, func(worker int) {
			rng := rand.New(rand.NewPCG(uint64(worker), 5))
			key := func() session.StoreKey {
				k := keyOf(uint64(rng.IntN(keys)))
				k[0] %= 4 // moves within a shard, too
				return k
			}
			record := func() session.Record {
				rec := newRecord("a")
				rec.Events = rng.IntN(3) == 0
				rec.Owner = []string{"", "o", "p"}[rng.IntN(3)]
				rec.IdleTimeout = time.Duration(rng.IntN(3)) * 20 * time.Millisecond
				rec.Refresh = time.Millisecond
				rec.Lifetime = time.Duration(rng.IntN(200)) * time.Millisecond
				if rec.IdleTimeout == 0 {
					rec.Lifetime++ // so that everything ends at last
				}
				return rec
			}
			for range steps {
				k, token := key(), session.NewToken()
				switch rng.IntN(14) {
				case 0, 1:
					b.lost(b.Create(ctx, k, record(), []session.Token{token, {}}[rng.IntN(2)], time.Millisecond))
				case 2, 3, 4, 5:
					if _, err := b.Acquire(ctx, k, token, 3*time.Millisecond); b.lost(err) {
						continue
					}
					time.Sleep(time.Duration(rng.IntN(4)) * time.Millisecond)
					how := session.Commit{Keep: time.Duration(rng.IntN(2)) * time.Millisecond}
					switch rng.IntN(3) {
					case 0:
						how.MoveTo, how.Grace = key(), time.Duration(rng.IntN(5))*time.Millisecond
					case 1:
						how.Next, how.Keep = session.NewToken(), time.Millisecond
					}
					b.lost(b.Save(ctx, k, record(), token, how))
				case 6:
					if rec, err := b.Load(ctx, k, true); !b.lost(err) {
						b.lost(b.Swap(ctx, k, record(), rec.Write))
					}
				case 7:
					b.lost(b.Touch(ctx, k))
				case 8:
					if _, err := b.Acquire(ctx, k, token, time.Millisecond); !b.lost(err) {
						b.lost(b.Extend(ctx, k, token, 2*time.Millisecond))
						b.lost(b.Remove(ctx, k, token, session.EndReason(rng.IntN(4))))
					}
				case 9:
					b.lost(b.Remove(ctx, k, nobody, session.EndReason(rng.IntN(4))))
				case 10:
					claims, err := b.Reap(ctx, "ns", 1+rng.IntN(4), token, time.Millisecond)
					b.lost(err)
					for _, e := range claims {
						if rng.IntN(2) == 0 {
							b.lost(b.Remove(ctx, e.Key, token, session.EndDelete))
						}
					}
				case 11:
					b.purge()
				case 12:
					if rng.IntN(4) == 0 {
						_, err := b.RemoveOwner(ctx, "ns", "o", session.EndRevoked, key())
						b.lost(err)
					}
					_, err := b.ListOwner(ctx, "ns", "p")
					b.lost(err)
					seen := make(map[session.StoreKey]bool)
					for info, err := range b.All(ctx, "ns") {
						if b.lost(err); seen[info.Key] {
							b.Errorf("seen twice")
						}
						seen[info.Key] = true
					}
				case 13:
					_, stop := b.Watch(k)
					time.Sleep(time.Millisecond)
					b.lost(b.Release(ctx, k, token))
					stop()
					stop()
				}
			}
		})
		checkIndexes(b, b.Store)
		time.Sleep(time.Second)
		b.purge()
		checkIndexes(b, b.Store)
		for claims, token := b.reap(100); len(claims) > 0; claims, token = b.reap(100) {
			for _, e := range claims {
				b.is(b.Remove(ctx, e.Key, token, session.EndDelete), nil)
			}
			time.Sleep(time.Nanosecond) // what shares a key with a claim is due only then
		}
		b.empty()
	})
}

// Of all who count at once, by lock or by compare-and-swap, no step is lost,
// though the session changes its ID all the time (M1, M4).
func TestConcurrent_NoUpdateIsLost(t *testing.T) {
	inBubble(t, func(b *bubble) {
		const workers, steps = 8, 300
		ctx := b.Context()
		count := func(rec session.Record) uint64 { return binary.BigEndian.Uint64(rec.Data) }
		plusOne := func(rec session.Record) session.Record {
			rec.Data = binary.BigEndian.AppendUint64(nil, count(rec)+1)
			rec.Write = session.NewWriteID()
			return rec
		}
		first := newRecord("\x00\x00\x00\x00\x00\x00\x00\x00")
		var mu sync.Mutex // protects k
		k := b.create(first)
		var keys, done atomic.Uint64
		keys.Store(100)
		together(workers, func(worker int) {
			for n := 0; n < steps; {
				mu.Lock()
				k0 := k
				mu.Unlock()
				var err error
				if worker%2 == 0 {
					var rec session.Record
					if rec, err = b.Load(ctx, k0, false); err == nil {
						err = b.Swap(ctx, k0, plusOne(rec), rec.Write)
					}
				} else {
					token := session.NewToken()
					var rec session.Record
					if rec, err = b.Acquire(ctx, k0, token, lease); err == nil {
						how := session.Commit{}
						if n%10 == 0 {
							how.MoveTo, how.Grace = keyOf(keys.Add(1)), time.Minute
						}
						if err = b.Save(ctx, k0, plusOne(rec), token, how); err == nil && n%10 == 0 {
							mu.Lock()
							k = how.MoveTo
							mu.Unlock()
						}
					}
				}
				if !b.lost(err) {
					n++
					done.Add(1)
				}
			}
		})
		rec, err := b.Load(ctx, k, false)
		b.is(err, nil)
		if got := count(rec); got != done.Load() || got != workers*steps {
			b.Fatalf("counted %d of %d", got, done.Load())
		}
	})
}

// Sessions that move in opposite directions between two shards do not wait for
// each other's locks.
func TestConcurrent_MovesInOppositeDirections(t *testing.T) {
	inBubble(t, func(b *bubble) {
		together(2, func(worker int) {
			here := session.StoreKey{0: byte(worker), 31: byte(worker + 1)}
			there := session.StoreKey{0: byte(1 - worker), 31: byte(worker + 1)}
			b.lost(b.Create(b.Context(), here, newRecord("a"), nobody, 0))
			for range 20000 {
				token := session.NewToken()
				_, err := b.Acquire(b.Context(), here, token, lease)
				if b.lost(err) || b.lost(b.Save(b.Context(), here, newRecord("a"), token, session.Commit{MoveTo: there})) {
					b.Errorf("the move was refused")
					return
				}
				here, there = there, here
			}
		})
	})
}
