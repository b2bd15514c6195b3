package sessiontest

import (
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// createAndSwapChecks prove S8 and S9.
func createAndSwapChecks() []check {
	return []check{
		{name: "S8/Create of a live key is ErrExists and changes nothing", run: createExisting},
		{name: "S8/Create of an expired key replaces the record", run: createExpired},
		{name: "S8/Create of a removed key starts anew", run: createRemoved},
		{name: "S8/Create locks under a token and not without one", run: createLocks},
		{name: "S8/of many who create one key one does", run: createRace},
		{name: "S8/of many who replace an expired record one does", run: createRaceExpired},
		{name: "S9/Swap replaces the record if its last write is old", run: swapReplaces},
		{name: "S9/Swap with another last write is ErrConflict and changes nothing", run: swapConflict},
		{name: "S9/Swap of a locked record is a LockedError and changes nothing", run: swapLocked},
		{name: "S9/Swap goes through a lapsed lock and leaves none", run: swapLapsed},
		{name: "S9/every kind of write makes an old one old", run: swapAfterWrites},
		{name: "S9/no update is lost among swappers", run: countSwappers},
		{name: "S9/no update is lost between swappers and holders", run: countBoth},
	}
}

func createExisting(k *kit) {
	rec := k.record("first")
	free := k.stored(rec)
	held, token := k.locked(rec)
	k.Advance(lease / 2)
	for _, s := range k.both() {
		for _, key := range []session.StoreKey{free, held} {
			k.expect(s.Create(key, k.record("second"), nobody, 0), "Create", session.ErrExists)
			k.expect(s.Create(key, k.record("second"), session.NewToken(), lease), "Create", session.ErrExists)
			k.expect(s.Create(key, k.record("second"), token, 2*lease), "Create", session.ErrExists)
			k.wantStored(key, rec)
		}
	}
	k.wantHolder(free, nobody)
	k.wantHolder(held, token)
	if lock := k.loaded(held).Lock; lock != nil {
		k.wantNear("the holder's lease left", lock.Left, lease/2)
	}

	k.Advance(lease) // a lapsed lock makes no difference
	k.expect(k.here.Create(held, k.record("second"), nobody, 0), "Create", session.ErrExists)
	k.expect(k.here.Save(held, next(rec, "saved"), token, session.Commit{}), "Save by the lapsed holder", nil)
}

func createExpired(k *kit) {
	old := k.record("old")
	old.IdleTimeout, old.Refresh, old.Lifetime = 0, 0, 10*time.Minute
	key := k.stored(old)
	k.Advance(11 * time.Minute)
	rec := k.record("new")
	rec.Namespace = k.namespace + "-other"
	rec.Owner = "somebody else"
	k.expect(k.there.Create(key, rec, nobody, 0), "Create", nil)
	k.wantStored(key, rec)
	k.wantExpiresIn(key, idle+refresh)
	k.wantHolder(key, nobody)
	// A repeat of the old record's Create is none of the new record's.
	k.expect(k.here.Create(key, old, nobody, 0), "Create with the old record's WriteID", session.ErrExists)
	k.wantStored(key, rec)
}

func createRemoved(k *kit) {
	old := k.record("old")
	key, token := k.locked(old)
	k.must(k.here.Remove(key, token, session.EndDelete))
	rec := k.record("new")
	k.expect(k.there.Create(key, rec, nobody, 0), "Create", nil)
	k.wantStored(key, rec)
	k.wantNotHeld(key, token, rec)
}

func createLocks(k *kit) {
	rec := k.record("content")
	key, token := k.locked(rec)
	k.wantHolder(key, token)
	k.wantStored(key, rec)
	k.wantExpiresIn(key, idle+refresh)
	_, err := k.there.Acquire(key, session.NewToken(), lease)
	info := k.wantLocked(err, "Acquire", token)
	k.wantNear("the lease left", info.Left, lease)
	k.expect(k.here.Save(key, next(rec, "saved"), token, session.Commit{}), "Save", nil)

	k.wantHolder(k.stored(rec), nobody)
}

func createRace(k *kit) {
	for range 10 {
		k.raceToCreate(newKey())
	}
}

func createRaceExpired(k *kit) {
	var keys []session.StoreKey
	for range 10 {
		keys = append(keys, k.stored(k.record("old")))
	}
	k.Advance(idle + refresh + slack)
	for _, key := range keys {
		k.raceToCreate(key)
	}
}

func (k *kit) raceToCreate(key session.StoreKey) {
	k.Helper()
	const callers = 16
	var recs [callers]session.Record
	var tokens [callers]session.Token
	var won [callers]bool
	k.together(callers, func(i int) {
		recs[i], tokens[i] = k.record(strconv.Itoa(i)), session.NewToken()
		err := k.both()[i%2].Create(key, recs[i], tokens[i], lease)
		k.expect(err, "Create", nil, session.ErrExists)
		won[i] = err == nil
	})
	winners := 0
	for i := range callers {
		if won[i] {
			winners++
			k.wantStored(key, recs[i])
			k.wantHolder(key, tokens[i])
		}
	}
	if winners != 1 {
		k.Fatalf("%d callers created the record, want 1", winners)
	}
}

func swapReplaces(k *kit) {
	rec := k.record("first")
	key := k.stored(rec)
	created := k.loaded(key).Created
	for _, s := range k.both() {
		swapped := next(rec, "swapped")
		swapped.Owner, swapped.Events = "somebody else", !rec.Events
		passed := swapped
		passed.Namespace = k.namespace + "-other" // is kept as it was
		k.expect(s.Swap(key, passed, rec.Write), "Swap", nil)
		k.wantStored(key, swapped)
		rec = swapped
	}
	k.wantHolder(key, nobody)
	if got := k.loaded(key).Created; !got.Equal(created) {
		k.Errorf("Created is %v after Swap, was %v", got, created)
	}
}

func swapConflict(k *kit) {
	rec := k.record("first")
	key := k.stored(rec)
	for _, s := range k.both() {
		for _, old := range []session.WriteID{session.NewWriteID(), {}} {
			k.expect(s.Swap(key, next(rec, "second"), old), "Swap", session.ErrConflict)
			k.wantStored(key, rec)
		}
	}
	k.wantExpiresIn(key, idle+refresh)
}

func swapLocked(k *kit) {
	rec := k.record("first")
	key, token := k.locked(rec)
	k.Advance(lease / 4)
	for _, s := range k.both() {
		err := s.Swap(key, next(rec, "second"), rec.Write)
		info := k.wantLocked(err, "Swap", token)
		k.wantNear("the lock's age", info.Age, lease/4)
		k.wantNear("the lease left", info.Left, lease*3/4)
		err = s.Swap(key, next(rec, "second"), session.NewWriteID())
		k.expect(err, "Swap of a locked record with another last write", session.ErrLocked, session.ErrConflict)
	}
	k.wantStored(key, rec)
	k.wantHolder(key, token)
}

func swapLapsed(k *kit) {
	rec := k.record("first")
	key, token := k.locked(rec)
	k.Advance(lease + slack)
	k.expect(k.there.Swap(key, next(rec, "conflict"), session.NewWriteID()), "Swap", session.ErrConflict)
	swapped := next(rec, "second")
	k.expect(k.there.Swap(key, swapped, rec.Write), "Swap", nil)
	k.wantHolder(key, nobody)
	k.wantNotHeld(key, token, swapped)
}

func swapAfterWrites(k *kit) {
	first := k.record("first")
	key := k.stored(first)

	second := next(first, "second")
	k.must(k.here.Save(key, second, k.acquired(key), session.Commit{}))
	k.expect(k.there.Swap(key, next(first, "x"), first.Write), "Swap after a Save", session.ErrConflict)

	third := next(first, "third")
	k.must(k.here.Swap(key, third, second.Write))
	k.expect(k.there.Swap(key, next(first, "x"), second.Write), "Swap after a Swap", session.ErrConflict)

	// What is no write makes nothing old.
	k.must(k.here.Touch(key))
	k.must(k.here.Release(key, k.acquired(key)))
	k.expect(k.there.Swap(key, next(first, "fourth"), third.Write), "Swap after Touch, Acquire and Release", nil)
}

func countSwappers(k *kit) {
	rec := k.record("0")
	key := k.stored(rec)
	var saved atomic.Int64
	k.together(16, func(i int) {
		for range 8 {
			if k.swapOnce(k.both()[i%2], key) {
				saved.Add(1)
			}
		}
	})
	if got := string(k.loaded(key).Data); got != strconv.FormatInt(saved.Load(), 10) {
		k.Errorf("the counter is %s after %d swaps", got, saved.Load())
	}
}

func countBoth(k *kit) {
	rec := k.record("0")
	key := k.stored(rec)
	var saved atomic.Int64
	k.together(16, func(i int) {
		s := k.both()[i%2]
		for range 5 {
			if i%4 != 0 {
				if k.swapOnce(s, key) {
					saved.Add(1)
				}
				continue
			}
			token := session.NewToken()
			got, ok := k.turn(s, key, token, lease)
			if !ok {
				return
			}
			n, _ := strconv.Atoi(string(got.Data))
			pause()
			err := s.Save(key, next(rec, strconv.Itoa(n+1)), token, session.Commit{})
			k.expect(err, "Save", nil)
			saved.Add(1)
		}
	})
	if got := string(k.loaded(key).Data); got != strconv.FormatInt(saved.Load(), 10) {
		k.Errorf("the counter is %s after %d writes", got, saved.Load())
	}
}

// swapOnce adds one to the counter under key, again until it succeeds.
func (k *kit) swapOnce(s caller, key session.StoreKey) bool {
	for start := time.Now(); time.Since(start) < turnTimeout; pause() {
		rec, err := s.Load(key)
		k.expect(err, "Load", nil)
		n, _ := strconv.Atoi(string(rec.Data))
		err = s.Swap(key, next(rec, strconv.Itoa(n+1)), rec.Write)
		if err == nil {
			return true
		}
		if !errors.Is(err, session.ErrConflict) && !errors.Is(err, session.ErrLocked) {
			k.Errorf("Swap: %v", err)
			return false
		}
	}
	k.Errorf("no Swap succeeded in %v", turnTimeout)
	return false
}
