package memstore

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// benchKey returns keys that are spread like hashes.
func benchKey(n uint64) (k session.StoreKey) {
	for i := range 4 {
		n = n*0x9e3779b97f4a7c15 + 0x1234567
		n ^= n >> 29
		binary.LittleEndian.PutUint64(k[8*i:], n)
	}
	return k
}

// fill returns a store of n records with 300 bytes each that were written
// writes times.
func fill(tb testing.TB, n, writes int, events bool) *Store {
	ctx, st := context.Background(), New()
	for i := range n {
		rec := newRecord("")
		rec.Data, rec.Events, rec.Lifetime = make([]byte, 300), events, 24*time.Hour
		k := benchKey(uint64(i))
		if err := st.Create(ctx, k, rec, nobody, 0); err != nil {
			tb.Fatal(err)
		}
		for range writes - 1 {
			old := rec.Write
			rec.Write = session.NewWriteID()
			if err := st.Swap(ctx, k, rec, old); err != nil {
				tb.Fatal(err)
			}
		}
	}
	return st
}

// acquireSave is the nth cycle under a token.
func acquireSave(tb testing.TB, st *Store, k session.StoreKey, token session.Token, n uint64) {
	ctx := context.Background()
	rec, err := st.Acquire(ctx, k, token, lease)
	if err != nil {
		tb.Error(err)
		return
	}
	// Cheaper than a random WriteID, and no other cycle's either.
	binary.LittleEndian.PutUint64(rec.Write[:], binary.LittleEndian.Uint64(token[:])+n)
	if err := st.Save(ctx, k, rec, token, session.Commit{}); err != nil {
		tb.Error(err)
	}
}

// BenchmarkAcquireSave is what an Exclusive request costs in the store: to
// compare, with a thousand sessions stored and with a million.
func BenchmarkAcquireSave(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		st := fill(b, n, 1, false)
		runtime.GC()
		b.Run(fmt.Sprintf("serial/sessions=%d", n), func(b *testing.B) {
			token := session.NewToken()
			b.ReportAllocs()
			var i uint64
			for b.Loop() {
				i++
				acquireSave(b, st, benchKey(i*7919%uint64(n)), token, i)
			}
		})
		b.Run(fmt.Sprintf("parallel/sessions=%d", n), func(b *testing.B) {
			var worker atomic.Uint64
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				// Each has sessions of its own: this is about the store's
				// locks, not about theirs.
				const most = 100
				w, token := worker.Add(1)-1, session.NewToken()
				for i := uint64(1); pb.Next(); i++ {
					k := i * 7919 % (uint64(n) / most)
					acquireSave(b, st, benchKey(k*most+w%most), token, i)
				}
			})
		})
	}
}

// BenchmarkReapMillionIdle reports what a million idle sessions of 300 bytes
// take, what a Reap among them costs of which none is due, and, when all are
// due at once, for how long a shard is locked at most.
func BenchmarkReapMillionIdle(b *testing.B) {
	const n = 1_000_000
	for _, writes := range []int{1, remembered + 1} {
		b.Run(fmt.Sprintf("writes=%d", writes), func(b *testing.B) {
			before := heap()
			st := fill(b, n, writes, false)
			size := float64(heap()-before) / n
			ctx := context.Background()

			b.ReportAllocs()
			for b.Loop() {
				if _, err := st.Reap(ctx, "ns", -1, nobody, 0); err != nil {
					b.Fatal(err)
				}
			}

			// The first hour ends, but they were all used meanwhile; then the
			// second, and they were not.
			age(st, idle)
			for i := range uint64(n) {
				if err := st.Touch(ctx, benchKey(i)); err != nil {
					b.Fatal(err)
				}
			}
			age(st, slack)
			reportHolds(b, "refile", reapBatches(b, st, n))
			age(st, idle+slack)
			reportHolds(b, "delete", reapBatches(b, st, 0))
			b.ReportMetric(size, "B/session")
		})
	}
}

// reportHolds reports for how long shards were locked. The longest time says
// more of the machine than of the store if others use it, too.
func reportHolds(b *testing.B, what string, holds []time.Duration) {
	slices.Sort(holds)
	us := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	b.ReportMetric(us(holds[len(holds)-1]), what+"-µs-max")
	b.ReportMetric(us(holds[len(holds)*999/1000]), what+"-µs-p99.9")
	b.ReportMetric(us(holds[len(holds)/2]), what+"-µs-p50")
}

// age makes every record of st older by d.
func age(st *Store, d time.Duration) { st.base = st.base.Add(-d) }

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// reapBatches does what Reap does, and returns for how long it held a shard's
// lock each time. left is how many records are to be left.
func reapBatches(b *testing.B, st *Store, left int) (holds []time.Duration) {
	cutoff := st.now()
	n := 0
	for i := range st.shards {
		s := &st.shards[i]
		for more := true; more; {
			start := time.Now()
			more = s.collect(queueID{"ns", false}, cutoff, func(r *record) bool {
				st.drop(s, r)
				return true
			})
			holds = append(holds, time.Since(start))
		}
		n += len(s.recs)
	}
	if n != left {
		b.Fatalf("%d records are left, want %d", n, left)
	}
	return holds
}
