package sessiontest

import (
	"bytes"
	"sync/atomic"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// writeChecks prove S7: what Save stores, and what becomes of the lock.
func writeChecks() []check {
	return []check{
		{name: "S7/Save stores the bytes as given", run: bytesAsGiven},
		{name: "S7/bytes handed out do not change", run: bytesStay},
		{name: "S7/Save replaces all but Namespace and Created", run: saveReplaces},
		{name: "S7/what the store fills in is ignored in what a caller passes", run: filledInIgnored},
		{name: "S7/too much data is ErrTooLarge and changes nothing", run: tooLarge},
		{name: "S7/Save releases the lock", run: saveReleases},
		{name: "S7/Save with Keep keeps the lock for that long from now", run: saveKeeps},
		{name: "S7/Save with Next hands the lock on", run: saveHandsOn},
		{name: "S7/a hand-off leaves no moment without a lock", run: handOffIsAtomic},
		{name: "S7/a reader never sees half a save", run: noHalfSaves},
		{name: "S7/a write that has returned is seen at the other store", run: seenAtTheOther},
	}
}

// largest is the most data that must work.
func (k *kit) largest() int {
	if k.MaxSize > 0 {
		return k.MaxSize
	}
	return 1 << 20
}

func bytesAsGiven(k *kit) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	rec := k.record("")
	key, token := k.locked(rec)
	k.wantStored(key, rec)
	for _, data := range [][]byte{
		nil, {}, {0}, []byte("{}"), all, bytes.Repeat(all, 8)[:2047], bytes.Repeat([]byte{0xff}, k.largest()), {},
	} {
		rec = next(rec, string(data))
		k.expect(k.here.Save(key, rec, token, session.Commit{Keep: lease}), "Save", nil)
		k.wantStored(key, rec)
	}
	k.must(k.here.Release(key, token))
	swapped := next(rec, string(bytes.Repeat(all, k.largest()/256)))
	k.expect(k.here.Swap(key, swapped, rec.Write), "Swap", nil)
	k.wantStored(key, swapped)
	k.wantStored(k.stored(swapped), swapped)
}

func bytesStay(k *kit) {
	rec := k.record("first")
	key, token := k.locked(rec)
	loaded := k.loaded(key)
	acquired, err := k.here.Acquire(key, token, lease)
	k.must(err)
	k.must(k.here.Save(key, next(rec, "SECOND"), token, session.Commit{}))
	second := k.loaded(key)
	k.must(k.here.Swap(key, next(rec, "third!"), second.Write))
	if string(loaded.Data) != "first" || string(acquired.Data) != "first" || string(second.Data) != "SECOND" {
		k.Errorf("bytes changed after they were handed out: %q, %q, %q", loaded.Data, acquired.Data, second.Data)
	}
}

func saveReplaces(k *kit) {
	key, token := k.locked(k.record("first"))
	created := k.loaded(key).Created
	if created.IsZero() {
		k.Error("Load returned no Created")
	}
	rec := session.Record{
		Data:        []byte("second"),
		Namespace:   k.namespace + "-other",
		Owner:       "somebody else",
		Events:      true,
		IdleTimeout: 2 * idle,
		Refresh:     3 * refresh,
		Lifetime:    4 * lifetime,
		Write:       session.NewWriteID(),
	}
	want := rec
	want.Namespace = k.namespace
	k.must(k.here.Save(key, rec, token, session.Commit{Keep: lease}))
	k.wantStored(key, want)
	got, err := k.there.Acquire(key, token, lease)
	k.must(err)
	k.wantContent("the acquired record", got, want)
	if !got.Created.Equal(created) {
		k.Errorf("Created is %v after Save, was %v", got.Created, created)
	}

	// And back, so that what was set can be unset.
	back := next(rec, "third")
	back.Owner, back.Events, back.IdleTimeout, back.Refresh, back.Lifetime = "", false, 0, 0, 0
	k.must(k.here.Save(key, back, token, session.Commit{}))
	back.Namespace = k.namespace
	k.wantStored(key, back)
	if got := k.loaded(key); got.ExpiresIn != 0 || !got.Created.Equal(created) {
		k.Errorf("ExpiresIn is %v and Created %v, want 0 and %v", got.ExpiresIn, got.Created, created)
	}
}

func filledInIgnored(k *kit) {
	meddled := func(rec session.Record) session.Record {
		rec.Created = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)
		rec.ExpiresIn = time.Second
		rec.Lock = &session.LockInfo{Age: time.Hour, Left: time.Hour}
		return rec
	}
	rec := k.record("first")
	key, token := k.locked(meddled(rec))
	fresh := k.loaded(k.stored(rec))
	want := func(what string) {
		k.Helper()
		got := k.loaded(key)
		if age := fresh.Created.Sub(got.Created); age < -slack || age > slack {
			k.Errorf("%s: Created is %v, want about %v", what, got.Created, fresh.Created)
		}
		k.wantNear(what+": ExpiresIn", got.ExpiresIn, idle+refresh)
	}
	want("Create")
	k.wantHolder(key, token)
	rec = next(rec, "second")
	k.must(k.here.Save(key, meddled(rec), token, session.Commit{}))
	want("Save")
	k.wantHolder(key, nobody)
	k.must(k.here.Swap(key, meddled(next(rec, "third")), rec.Write))
	want("Swap")
	k.wantHolder(key, nobody)
}

func tooLarge(k *kit) {
	if k.MaxSize == 0 {
		return // bytesAsGiven has shown that 1 MiB works
	}
	tooMuch := string(bytes.Repeat([]byte("x"), k.MaxSize+1))
	rec := k.record("small")
	big := next(rec, tooMuch)
	absent := newKey()
	k.expect(k.here.Create(absent, big, nobody, 0), "Create", session.ErrTooLarge)
	k.expect(k.here.Create(absent, big, session.NewToken(), lease), "Create", session.ErrTooLarge)
	k.wantGone(absent)

	key, token := k.locked(rec)
	for _, how := range []session.Commit{{}, {Keep: 2 * lease}, {MoveTo: absent, Grace: grace}} {
		k.expect(k.here.Save(key, big, token, how), "Save", session.ErrTooLarge)
		k.wantStored(key, rec)
		k.wantHolder(key, token)
		k.wantGone(absent)
	}
	k.must(k.here.Release(key, token))
	k.expect(k.here.Swap(key, big, rec.Write), "Swap", session.ErrTooLarge)
	k.wantStored(key, rec)
}

func saveReleases(k *kit) {
	rec := k.record("first")
	key, token := k.locked(rec)
	saved := next(rec, "second")
	k.must(k.here.Save(key, saved, token, session.Commit{}))
	k.wantStored(key, saved)
	k.wantHolder(key, nobody)
	got, err := k.there.Acquire(key, session.NewToken(), lease)
	k.must(err)
	k.wantContent("what the next holder got", got, saved)
}

func saveKeeps(k *kit) {
	rec := k.record("first")
	key, token := k.locked(rec)
	k.Advance(lease / 2)
	saved := next(rec, "second")
	k.must(k.here.Save(key, saved, token, session.Commit{Keep: 3 * lease}))
	k.wantStored(key, saved)
	k.Advance(2 * lease)
	_, err := k.there.Acquire(key, session.NewToken(), lease)
	info := k.wantLocked(err, "Acquire", token)
	k.wantNear("the lease left", info.Left, lease)

	// Keep counts from now, so it can shorten the lease as well.
	k.must(k.here.Save(key, next(rec, "third"), token, session.Commit{Keep: lease / 2}))
	k.Advance(lease/2 + slack)
	_, err = k.there.Acquire(key, session.NewToken(), lease)
	k.expect(err, "Acquire after what was kept", nil)
}

func saveHandsOn(k *kit) {
	rec := k.record("first")
	key, token := k.locked(rec)
	k.Advance(lease / 2)
	heir := session.NewToken()
	saved := next(rec, "second")
	k.must(k.here.Save(key, saved, token, session.Commit{Keep: 2 * lease, Next: heir}))
	k.wantStored(key, saved)
	_, err := k.there.Acquire(key, token, lease)
	info := k.wantLocked(err, "Acquire by the former holder", heir)
	k.wantNear("the heir's lock's age", info.Age, 0)
	k.wantNear("the heir's lease left", info.Left, 2*lease)
	k.wantNotHeld(key, token, saved)

	got, err := k.there.Acquire(key, heir, lease)
	k.expect(err, "Acquire by the heir", nil)
	k.wantContent("what the heir got", got, saved)
	k.expect(k.there.Extend(key, heir, lease), "Extend by the heir", nil)
	k.expect(k.there.Save(key, next(saved, "third"), heir, session.Commit{}), "Save by the heir", nil)
	k.wantHolder(key, nobody)
}

func handOffIsAtomic(k *kit) {
	rec := k.record("content")
	key, token := k.locked(rec)
	var done atomic.Bool
	k.together(4, func(i int) {
		if i > 0 {
			for !done.Load() {
				_, err := k.both()[i%2].Acquire(key, session.NewToken(), lease)
				k.expect(err, "Acquire between two hand-offs", session.ErrLocked)
				pause()
			}
			return
		}
		defer done.Store(true)
		for range 20 {
			heir := session.NewToken()
			rec = next(rec, "handed on")
			k.expect(k.here.Save(key, rec, token, session.Commit{Keep: lease, Next: heir}), "Save", nil)
			token = heir
			pause()
		}
	})
}

func noHalfSaves(k *kit) {
	// Data is a repetition of the WriteID, and as long as the IdleTimeout has minutes.
	build := func(n int) session.Record {
		rec := k.record("")
		rec.IdleTimeout = time.Duration(100+n*50) * time.Minute
		rec.Data = bytes.Repeat(rec.Write[:], 100+n*50)
		return rec
	}
	key, token := k.locked(build(0))
	var done atomic.Bool
	k.together(4, func(i int) {
		if i > 0 {
			for !done.Load() {
				got, err := k.both()[i%2].Load(key)
				k.expect(err, "Load", nil)
				if !bytes.Equal(got.Data, bytes.Repeat(got.Write[:], int(got.IdleTimeout/time.Minute))) {
					k.Error("a reader saw half a save")
				}
				pause()
			}
			return
		}
		defer done.Store(true)
		for n := range 30 {
			k.expect(k.here.Save(key, build(n), token, session.Commit{Keep: lease}), "Save", nil)
			pause()
		}
	})
}

func seenAtTheOther(k *kit) {
	rec := k.record("0")
	key := newKey()
	for i := range 20 {
		s, other := k.both()[i%2], k.both()[1-i%2]
		token := session.NewToken()
		if i == 0 {
			k.must(s.Create(key, rec, token, lease))
		} else {
			_, err := s.Acquire(key, token, lease)
			k.expect(err, "Acquire right after a save elsewhere", nil)
		}
		rec = next(rec, "saved")
		k.must(s.Save(key, rec, token, session.Commit{}))
		got, err := other.Load(key)
		k.must(err)
		k.wantContent("Load right after a save elsewhere", got, rec)

		swapped := next(rec, "swapped")
		k.expect(other.Swap(key, swapped, rec.Write), "Swap right after a save elsewhere", nil)
		got, err = s.Load(key)
		k.must(err)
		k.wantContent("Load right after a swap elsewhere", got, swapped)
		rec = swapped
	}
	k.must(k.here.Remove(key, nobody, session.EndDelete))
	_, err := k.there.Load(key)
	k.expect(err, "Load right after a removal elsewhere", session.ErrNotFound)
}
