package sessiontest

import (
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// lockChecks prove S2, S3 and S4: who gets the lock, and what the others see.
func lockChecks() []check {
	return []check{
		{name: "S2/a free record is locked and returned", run: acquireFree},
		{name: "S2/a lock taken at one store is seen at the other", run: lockIsShared},
		{name: "S2/a lease lasts as long as it was asked for", run: leaseLasts},
		{name: "S2/a lapsed lease is taken over", run: takeOver},
		{name: "S2/a released record is free at once", run: acquireReleased},
		{name: "S2/Acquire extends the expiry if due", run: acquireExtends},
		{name: "S2/of many who ask at once one gets the lock", run: oneGetsTheLock},
		{name: "S3/a held record is a LockedError with holder, age and lease left", run: heldRecord},
		{name: "S3/a refused Acquire changes nothing visible", run: refusedAcquire},
		{name: "S3/renewals change what is left and not the age", run: ageAndLeft},
		{name: "S3/the holder changes when the lock changes hands", run: holderChanges},
		{name: "S3/Load shows the lock, returns the record and changes nothing", run: loadLocked},
		{name: "S4/Acquire under the holding token succeeds and restarts the lease", run: acquireAgain},
		{name: "S4/Acquire under the holding token returns what it saved", run: acquireAgainReturns},
		{name: "S4/Acquire under the own lapsed token succeeds", run: acquireOwnLapsed},
	}
}

func acquireFree(k *kit) {
	rec := k.record("content")
	rec.Events = true
	key := k.stored(rec)
	token := session.NewToken()
	got, err := k.here.Acquire(key, token, lease)
	k.must(err)
	k.wantContent("the acquired record", got, rec)
	k.wantNear("ExpiresIn", got.ExpiresIn, idle+refresh)
	if got.Lock != nil {
		k.Errorf("Acquire returned a lock that somebody else would hold: %+v", *got.Lock)
	}
	if got.Created.IsZero() {
		k.Error("Acquire returned no Created")
	}
	k.wantHolder(key, token)
}

func lockIsShared(k *kit) {
	key := k.stored(k.record("content"))
	for i, s := range k.both() {
		token := session.NewToken()
		_, err := s.Acquire(key, token, lease)
		k.must(err)
		_, err = k.both()[1-i].Acquire(key, session.NewToken(), lease)
		k.wantLocked(err, "Acquire at the other store", token)
		k.must(k.both()[1-i].Release(key, token))
	}
}

func leaseLasts(k *kit) {
	for _, lease := range []time.Duration{time.Minute, 7 * time.Minute} {
		key, token := k.stored(k.record("content")), session.NewToken()
		_, err := k.here.Acquire(key, token, lease)
		k.must(err)
		k.Advance(lease - 10*time.Second)
		_, err = k.there.Acquire(key, session.NewToken(), lease)
		info := k.wantLocked(err, "Acquire within the lease", token)
		k.wantNear("the lease left", info.Left, 10*time.Second)
		k.Advance(20 * time.Second)
		_, err = k.there.Acquire(key, session.NewToken(), lease)
		k.expect(err, "Acquire after the lease", nil)
	}
}

func takeOver(k *kit) {
	rec := k.record("content")
	key, old := k.locked(rec)
	k.Advance(lease + slack)
	k.wantHolder(key, nobody) // a lapsed lock is none
	token := session.NewToken()
	got, err := k.there.Acquire(key, token, lease)
	k.must(err)
	k.wantContent("the acquired record", got, rec)
	_, err = k.here.Acquire(key, old, lease)
	info := k.wantLocked(err, "Acquire by the former holder", token)
	k.wantNear("the new lock's age", info.Age, 0)
	k.wantNear("the new lease", info.Left, lease)
}

func acquireReleased(k *kit) {
	key, token := k.locked(k.record("content"))
	k.must(k.there.Release(key, token))
	k.wantHolder(key, nobody)
	_, err := k.here.Acquire(key, session.NewToken(), lease)
	k.expect(err, "Acquire after Release", nil)
}

func acquireExtends(k *kit) {
	key := k.stored(k.record("content"))
	k.Advance(refresh / 2)
	got, err := k.here.Acquire(key, session.NewToken(), time.Second)
	k.must(err)
	k.wantNear("ExpiresIn before it is due", got.ExpiresIn, idle+refresh/2)
	k.Advance(refresh)
	got, err = k.here.Acquire(key, session.NewToken(), lease)
	k.must(err)
	k.wantNear("ExpiresIn when it was due", got.ExpiresIn, idle+refresh)
	k.wantExpiresIn(key, idle+refresh)
}

func oneGetsTheLock(k *kit) {
	const callers = 16
	for range 5 {
		key := k.stored(k.record("content"))
		var tokens [callers]session.Token
		var got [callers]bool
		k.together(callers, func(i int) {
			tokens[i] = session.NewToken()
			_, err := k.both()[i%2].Acquire(key, tokens[i], lease)
			k.expect(err, "Acquire", nil, session.ErrLocked)
			got[i] = err == nil
		})
		winners := 0
		for i := range callers {
			if got[i] {
				winners++
				k.wantHolder(key, tokens[i])
			}
		}
		if winners != 1 {
			k.Fatalf("%d callers got the lock, want 1", winners)
		}
	}
}

func heldRecord(k *kit) {
	key, token := k.locked(k.record("content"))
	k.Advance(lease / 4)
	for _, s := range k.both() {
		got, err := s.Acquire(key, session.NewToken(), lease)
		info := k.wantLocked(err, "Acquire", token)
		k.wantNear("the lock's age", info.Age, lease/4)
		k.wantNear("the lease left", info.Left, lease*3/4)
		if len(got.Data) != 0 {
			k.Error("a refused Acquire returned data")
		}
	}
}

func refusedAcquire(k *kit) {
	rec := k.record("content")
	key := k.stored(rec)
	token := session.NewToken()
	_, err := k.here.Acquire(key, token, 10*time.Minute)
	k.must(err)
	k.Advance(5 * time.Minute) // the expiry is due by now
	for range 3 {
		for _, s := range k.both() {
			_, err := s.Acquire(key, session.NewToken(), time.Hour)
			k.wantLocked(err, "Acquire", token)
		}
	}
	got := k.loaded(key)
	k.wantContent("the record", got, rec)
	k.wantNear("ExpiresIn", got.ExpiresIn, idle+refresh-5*time.Minute)
	if got.Lock != nil {
		k.wantNear("the lock's age", got.Lock.Age, 5*time.Minute)
		k.wantNear("the lease left", got.Lock.Left, 5*time.Minute)
	}
	k.wantHolder(key, token)
	k.expect(k.here.Save(key, next(rec, "saved"), token, session.Commit{}), "Save by the holder", nil)
}

func ageAndLeft(k *kit) {
	rec := k.record("content")
	key, token := k.locked(rec)
	k.Advance(lease / 2)
	k.must(k.here.Extend(key, token, lease))
	k.Advance(lease / 2)
	_, err := k.there.Acquire(key, session.NewToken(), lease)
	info := k.wantLocked(err, "Acquire after Extend", token)
	k.wantNear("the lock's age", info.Age, lease)
	k.wantNear("the lease left", info.Left, lease/2)

	k.must(k.here.Save(key, next(rec, "kept"), token, session.Commit{Keep: lease}))
	k.Advance(lease / 2)
	_, err = k.there.Acquire(key, session.NewToken(), lease)
	info = k.wantLocked(err, "Acquire after Save with Keep", token)
	k.wantNear("the lock's age", info.Age, lease*3/2)
	k.wantNear("the lease left", info.Left, lease/2)
}

func holderChanges(k *kit) {
	key, first := k.locked(k.record("content"))
	_, err := k.there.Acquire(key, session.NewToken(), lease)
	before := k.wantLocked(err, "Acquire", first)
	k.Advance(lease / 2)
	k.must(k.here.Release(key, first))
	second := k.acquired(key)
	_, err = k.there.Acquire(key, session.NewToken(), lease)
	after := k.wantLocked(err, "Acquire", second)
	if before.Holder == after.Holder {
		k.Error("two holders have one name")
	}
	k.wantNear("the second lock's age", after.Age, 0)
}

func loadLocked(k *kit) {
	rec := k.record("content")
	key := k.stored(rec)
	token := session.NewToken()
	_, err := k.here.Acquire(key, token, 10*time.Minute)
	k.must(err)
	k.Advance(5 * time.Minute) // the expiry is due by now
	for _, s := range k.both() {
		for _, load := range []func(session.StoreKey) (session.Record, error){s.Load, s.LoadWaiting} {
			got, err := load(key)
			k.must(err)
			k.wantContent("the loaded record", got, rec)
			k.wantLock("Load", got.Lock, token)
			if got.Lock != nil {
				k.wantNear("the lock's age", got.Lock.Age, 5*time.Minute)
				k.wantNear("the lease left", got.Lock.Left, 5*time.Minute)
			}
			k.wantNear("ExpiresIn", got.ExpiresIn, idle+refresh-5*time.Minute)
		}
	}
	k.must(k.here.Release(key, token))
	k.wantHolder(key, nobody)
	k.wantExpiresIn(key, idle+refresh-5*time.Minute)

	k.acquired(key)
	k.Advance(lease + slack)
	k.wantHolder(key, nobody) // a lapsed lock is none
}

func acquireAgain(k *kit) {
	rec := k.record("content")
	key, token := k.locked(rec)
	k.Advance(lease * 3 / 4)
	got, err := k.there.Acquire(key, token, lease)
	k.must(err)
	k.wantContent("the acquired record", got, rec)
	if got.Lock != nil {
		k.Error("Acquire returned its caller's own lock as another's")
	}
	k.Advance(lease * 3 / 4)
	_, err = k.here.Acquire(key, session.NewToken(), lease)
	info := k.wantLocked(err, "Acquire by another", token)
	k.wantNear("the lease left", info.Left, lease/4)
}

func acquireAgainReturns(k *kit) {
	rec := k.record("content")
	key, token := k.locked(rec)
	saved := next(rec, "saved")
	k.must(k.here.Save(key, saved, token, session.Commit{Keep: lease}))
	got, err := k.there.Acquire(key, token, lease)
	k.must(err)
	k.wantContent("the acquired record", got, saved)
}

func acquireOwnLapsed(k *kit) {
	rec := k.record("content")
	key, token := k.locked(rec)
	k.Advance(lease + slack)
	_, err := k.here.Acquire(key, token, lease)
	k.expect(err, "Acquire", nil)
	k.wantHolder(key, token)
	k.expect(k.here.Save(key, next(rec, "saved"), token, session.Commit{}), "Save", nil)
}
