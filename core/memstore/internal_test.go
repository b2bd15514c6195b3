package memstore

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unsafe"

	session "github.com/sessionstate/sessionstate/core"
)

func TestRecordKeepsToItsSizeClass(t *testing.T) {
	if size := unsafe.Sizeof(record{}); size > 176 {
		t.Errorf("a record takes %d bytes: the next size class of the allocator", size)
	}
	if size := unsafe.Sizeof(shard{}); size%64 != 0 && unsafe.Sizeof(uintptr(0)) == 8 {
		t.Errorf("a shard takes %d bytes: it shares cache lines with its neighbour", size)
	}
}

// filedAt returns when k's record comes up in its queue.
func (b *bubble) filedAt(k session.StoreKey) instant {
	b.Helper()
	s := b.shard(k)
	r := s.get(k)
	if r.pos < 0 {
		return never
	}
	return s.queues[r.queueID()].entries[r.pos].at
}

func TestQueue_UseCostsNothingUntilTheOldTimeComes(t *testing.T) {
	inBubble(t, func(b *bubble) {
		k := b.create(newRecord("a"))
		filed := b.filedAt(k)
		for range 10 { // used all the time, until its first expiry
			time.Sleep((idle + slack) / 10)
			token := b.acquire(k)
			b.is(b.save(k, newRecord("a"), token, session.Commit{}), nil)
			b.is(b.Touch(b.Context(), k), nil)
			if b.filedAt(k) != filed {
				b.Fatal("filed anew by its use")
			}
		}
		b.purge()
		if got := b.filedAt(k); got != b.shard(k).get(k).expires || got == filed {
			b.Fatalf("filed at %v, before at %v", got, filed)
		}
		time.Sleep(idle + slack)
		b.purge()
		b.empty()
	})
}

func TestQueue_ChangesOfTheExpiry(t *testing.T) {
	inBubble(t, func(b *bubble) {
		k := b.create(newRecord("a"))
		set := func(idle, lifetime time.Duration, events bool) {
			rec := newRecord("a")
			rec.IdleTimeout, rec.Refresh, rec.Lifetime, rec.Events = idle, 0, lifetime, events
			b.is(b.Swap(b.Context(), k, rec, b.loads(k, "a").Write), nil)
			checkIndexes(b, b.Store)
		}
		set(time.Minute, 0, false)
		if got := b.filedAt(k).sub(b.now()); got != time.Minute {
			b.Fatalf("shortened to a minute, filed in %v", got)
		}
		set(0, 0, false) // never expires: the old entry goes when its time comes
		time.Sleep(time.Minute)
		b.purge()
		if b.filedAt(k) != never || b.loads(k, "a").ExpiresIn != 0 {
			b.Fatal("a record that never expires is filed")
		}
		set(0, time.Hour, true)
		time.Sleep(time.Hour - time.Minute)
		b.purge()
		if got, _ := b.reap(-1); got != nil {
			b.Fatal("deleted though it has Events")
		}
		got, token := b.reap(1)
		if len(got) != 1 {
			b.Fatal("Lifetime counts from Created")
		}
		b.is(b.Remove(b.Context(), k, token, session.EndDelete), nil)
		b.empty()
	})
}

func TestQueue_LeaseThatOutlivesTheExpiry(t *testing.T) {
	inBubble(t, func(b *bubble) {
		rec := newRecord("a")
		rec.IdleTimeout, rec.Refresh = time.Second, 0
		rec.Lifetime = 2 * time.Second
		k := b.create(rec)
		token := session.NewToken()
		_, err := b.Acquire(b.Context(), k, token, time.Minute)
		b.is(err, nil)
		time.Sleep(3 * time.Second)
		b.purge() // files it for the lease's end
		if got := b.filedAt(k).sub(b.now()); got != time.Minute-3*time.Second {
			b.Fatalf("filed in %v", got)
		}
		b.is(b.Release(b.Context(), k, token), nil)
		b.purge()
		b.empty()
	})
}

// keysOfOneShard returns keys that differ in their last bytes only.
func keysOfOneShard(n int) []session.StoreKey {
	keys := make([]session.StoreKey, n)
	for i := range keys {
		keys[i] = session.StoreKey{7, 30: byte(i >> 8), 31: byte(i)}
		keys[i][8] = byte(i)
		keys[i][9] = byte(i >> 8)
	}
	return keys
}

func TestReap_HoldsAShardForABatchAtMost(t *testing.T) {
	inBubble(t, func(b *bubble) {
		keys := keysOfOneShard(3*batch + 1)
		for _, k := range keys {
			b.is(b.Create(b.Context(), k, newRecord("a"), nobody, 0), nil)
		}
		time.Sleep(idle)
		for _, k := range keys[:batch] {
			b.is(b.Touch(b.Context(), k), nil)
		}
		time.Sleep(slack)

		s, id := b.shard(keys[0]), queueID{"ns", false}
		total := 0
		for more := true; more; {
			taken := 0
			before := len(s.recs)
			more = s.collect(id, b.now(), func(r *record) bool {
				taken++
				b.drop(s, r)
				return true
			})
			if taken > batch || before-len(s.recs) != taken {
				b.Fatalf("took %d records in one batch", taken)
			}
			total += taken
			checkIndexes(b, b.Store)
		}
		if total != 2*batch+1 || len(s.recs) != batch {
			b.Fatalf("took %d records, %d are left", total, len(s.recs))
		}
		for _, k := range keys[:batch] {
			b.loads(k, "a")
		}
		time.Sleep(idle + slack)
		b.purge()
		b.empty()
	})
}

// A dead record that others have to collect does not get in the way of a
// Reap that does not want it, however many there are.
func TestReap_PassesOverWhatIsNotAskedFor(t *testing.T) {
	inBubble(t, func(b *bubble) {
		keys := keysOfOneShard(100)
		for i, k := range keys {
			rec := newRecord("a")
			rec.Events = i%2 == 0
			if i%4 >= 2 {
				rec.Namespace = "other"
			}
			b.is(b.Create(b.Context(), k, rec, nobody, 0), nil)
		}
		time.Sleep(idle + slack)
		s := b.shard(keys[0])
		for _, namespace := range []string{"other", "ns"} {
			seen := 0
			s.collect(queueID{namespace, false}, b.now(), func(r *record) bool {
				seen++
				b.drop(s, r)
				return true
			})
			if seen != 25 {
				b.Fatalf("saw %d", seen)
			}
		}
		if got, _ := b.reap(1000); len(got) != 25 {
			b.Fatalf("claimed %d", len(got))
		}
	})
}

func TestReap_LeaseOfNothingClaimsEachOnce(t *testing.T) {
	inBubble(t, func(b *bubble) {
		rec := newRecord("a")
		rec.Events = true
		b.create(rec)
		time.Sleep(idle + slack)
		got, err := b.Reap(b.Context(), "ns", 10, session.NewToken(), 0)
		b.is(err, nil)
		if len(got) != 1 {
			b.Fatalf("claimed %d times", len(got))
		}
	})
}

// Keys that agree in the bytes by which they are found are kept apart.
func TestShard_KeysWithTheSamePrefix(t *testing.T) {
	inBubble(t, func(b *bubble) {
		const n = 8
		var keys [n]session.StoreKey
		for i := range keys {
			keys[i] = session.StoreKey{7, 31: byte(i)}
		}
		live := make(map[int]string)
		rng := rand.New(rand.NewPCG(1, 2))
		for step := range 2000 {
			i := rng.IntN(n)
			if _, ok := live[i]; ok {
				b.is(b.Remove(b.Context(), keys[i], nobody, session.EndDelete), nil)
				delete(live, i)
			} else {
				live[i] = string(rune('a' + step%26))
				b.is(b.Create(b.Context(), keys[i], newRecord(live[i]), nobody, 0), nil)
			}
			for i, k := range keys {
				if want, ok := live[i]; ok {
					b.loads(k, want)
				} else {
					b.gone(k)
				}
			}
		}
		checkIndexes(b, b.Store)
		seen := 0
		for _, err := range b.All(b.Context(), "ns") {
			b.is(err, nil)
			seen++
		}
		if seen != len(live) {
			b.Fatalf("listed %d of %d", seen, len(live))
		}
		time.Sleep(idle + slack)
		b.purge()
		b.empty()
	})
}

func TestQueue_OrderUnderRandomChanges(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var q queue
	var in []*record
	for range 5000 {
		switch at := instant(rng.IntN(100)); {
		case len(in) == 0 || rng.IntN(3) == 0:
			r := &record{pos: -1}
			q.push(entry{at, r})
			in = append(in, r)
		case rng.IntN(2) == 0:
			r := in[rng.IntN(len(in))]
			q.place(int(r.pos), entry{at, r})
		default:
			i := rng.IntN(len(in))
			q.remove(int(in[i].pos))
			in = slices.Delete(in, i, i+1)
		}
		for i, e := range q.entries {
			if int(e.r.pos) != i || i > 0 && q.entries[(i-1)/2].at > e.at {
				t.Fatalf("no heap at %d", i)
			}
		}
		if len(q.entries) != len(in) {
			t.Fatalf("%d entries, want %d", len(q.entries), len(in))
		}
	}
}

func TestExpiry_OfHugeTimesIsNever(t *testing.T) {
	inBubble(t, func(b *bubble) {
		time.Sleep(time.Hour)
		for _, rec := range []session.Record{
			{Lifetime: math.MaxInt64},
			{IdleTimeout: math.MaxInt64, Refresh: math.MaxInt64},
			{IdleTimeout: time.Hour, Refresh: math.MaxInt64},
			{},
		} {
			rec.Write = session.NewWriteID()
			k := b.create(rec)
			_, err := b.Acquire(b.Context(), k, session.NewToken(), math.MaxInt64)
			b.is(err, nil)
			if got := b.loads(k, ""); got.ExpiresIn != 0 {
				b.Fatalf("%+v expires in %v", rec, got.ExpiresIn)
			}
		}
	})
}

// A receiver may append to what it got without a write to what others have.
func TestData_HasNoRoomToAppend(t *testing.T) {
	inBubble(t, func(b *bubble) {
		rec := newRecord("")
		rec.Data = make([]byte, 3, 100)
		k := b.create(rec)
		if got := b.loads(k, "\x00\x00\x00"); cap(got.Data) != 3 {
			b.Fatalf("cap is %d", cap(got.Data))
		}
	})
}
