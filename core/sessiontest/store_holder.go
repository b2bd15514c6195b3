package sessiontest

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// holderChecks prove S5: what a token can do that holds the lock, has let it
// lapse, or has lost it.
func holderChecks() []check {
	return []check{
		{name: "S5/another token than the holder's changes nothing", run: foreignToken},
		{name: "S5/no token holds a free record", run: freeRecordHasNoHolder},
		{name: "S5/a token that has saved and let go holds no more", run: tokenAfterSave},
		{name: "S5/a lapsed token still holds", run: lapsedTokenHolds},
		{name: "S5/a lapsed token is erased by Acquire for good", run: erasedByAcquire},
		{name: "S5/a lapsed token is erased by Swap", run: erasedBySwap},
		{name: "S5/a lapsed token is erased by Create", run: erasedByCreate},
		{name: "S5/a lapsed token is erased by Reap", run: erasedByReap},
		{name: "S5/Release of a lock that is not held is nil and without effect", run: releaseNotHeld},
		{name: "S5/Remove without a token ends the record whoever holds it", run: removeByNobody},
		{name: "S5/Save and Remove of an absent record are ErrLockLost and nil", run: absentForHolder},
		{name: "S5/Extend makes the lease last from now", run: extendFromNow},
		{name: "S5/no update is lost among holders", run: countHolders},
		{name: "S5/no update is lost when locks lapse and are stolen", run: countThieves},
	}
}

// wantNotHeld reports a token under which something can be done to the record
// want, which is not gone.
func (k *kit) wantNotHeld(key session.StoreKey, token session.Token, want session.Record) {
	k.Helper()
	for _, s := range k.both() {
		k.expect(s.Save(key, next(want, "stolen"), token, session.Commit{}), "Save", session.ErrLockLost)
		k.expect(s.Save(key, next(want, "stolen"), token, session.Commit{Keep: lease}), "Save with Keep", session.ErrLockLost)
		k.expect(s.Extend(key, token, lease), "Extend", session.ErrLockLost)
		k.expect(s.Release(key, token), "Release", nil)
		if token != nobody { // whom Remove lets remove anything
			k.expect(s.Remove(key, token, session.EndDelete), "Remove", session.ErrLockLost)
			k.expect(s.Remove(key, token, session.EndAbandoned), "Remove with a reason", session.ErrLockLost)
		}
	}
	k.wantStored(key, want)
}

func foreignToken(k *kit) {
	rec := k.record("content")
	key, token := k.locked(rec)
	k.Advance(lease / 2)
	k.wantNotHeld(key, session.NewToken(), rec)
	k.wantNotHeld(key, nobody, rec)
	k.wantHolder(key, token)
	if lock := k.loaded(key).Lock; lock != nil {
		k.wantNear("the holder's lease left", lock.Left, lease/2)
	}
	k.expect(k.here.Save(key, next(rec, "saved"), token, session.Commit{}), "Save by the holder", nil)
}

func freeRecordHasNoHolder(k *kit) {
	rec := k.record("content")
	key := k.stored(rec)
	k.wantNotHeld(key, session.NewToken(), rec)
	k.wantNotHeld(key, nobody, rec) // the zero Token is nobody's, not a free record's
	k.wantHolder(key, nobody)

	token := k.acquired(key)
	k.must(k.here.Release(key, token))
	k.wantNotHeld(key, token, rec)
	k.wantNotHeld(key, nobody, rec)
	k.wantHolder(key, nobody)
}

func tokenAfterSave(k *kit) {
	rec := k.record("content")
	key, token := k.locked(rec)
	saved := next(rec, "saved")
	k.must(k.here.Save(key, saved, token, session.Commit{}))
	k.wantNotHeld(key, token, saved)
}

func lapsedTokenHolds(k *kit) {
	rec := k.record("content")

	key, token := k.locked(rec)
	k.Advance(lease + slack)
	saved := next(rec, "saved late")
	k.expect(k.there.Save(key, saved, token, session.Commit{}), "Save", nil)
	k.wantStored(key, saved)

	key, token = k.locked(rec)
	k.Advance(lease + slack)
	k.loaded(key)
	k.must(k.there.Touch(key)) // neither takes the record
	k.expect(k.there.Extend(key, token, lease), "Extend", nil)
	k.wantHolder(key, token)

	k.Advance(lease + slack)
	k.expect(k.there.Release(key, token), "Release", nil)
	k.wantNotHeld(key, token, rec)

	key, token = k.locked(rec)
	k.Advance(lease + slack)
	k.expect(k.there.Remove(key, token, session.EndDelete), "Remove", nil)
	k.wantGone(key)
}

func erasedByAcquire(k *kit) {
	rec := k.record("content")
	key, token := k.locked(rec)
	k.Advance(lease + slack)
	thief := session.NewToken()
	_, err := k.there.Acquire(key, thief, lease)
	k.must(err)
	k.wantNotHeld(key, token, rec)
	k.wantHolder(key, thief)
	k.must(k.there.Release(key, thief))
	k.wantNotHeld(key, token, rec)

	key, token = k.locked(rec)
	k.Advance(lease + slack)
	_, err = k.there.Acquire(key, thief, lease)
	k.must(err)
	k.Advance(lease + slack) // the thief's lease has lapsed as well
	k.wantNotHeld(key, token, rec)
	k.expect(k.there.Save(key, next(rec, "the thief's"), thief, session.Commit{}), "Save by the last holder", nil)
}

func erasedBySwap(k *kit) {
	rec := k.record("content")
	key, token := k.locked(rec)
	k.Advance(lease + slack)
	swapped := next(rec, "swapped")
	k.must(k.there.Swap(key, swapped, rec.Write))
	k.wantNotHeld(key, token, swapped)
	k.wantHolder(key, nobody)
}

func erasedByCreate(k *kit) {
	rec := k.record("content")
	key, token := k.locked(rec)
	k.Advance(idle + refresh + slack)
	created := k.record("created anew")
	k.must(k.there.Create(key, created, nobody, 0))
	k.wantNotHeld(key, token, created)

	key, token = k.locked(rec)
	k.Advance(idle + refresh + slack)
	holder := session.NewToken()
	k.must(k.there.Create(key, created, holder, lease))
	k.wantNotHeld(key, token, created)
	k.wantHolder(key, holder)
}

func erasedByReap(k *kit) {
	rec := k.record("content")
	rec.Events = true
	key, token := k.locked(rec)
	k.Advance(idle + refresh + slack)
	claim := k.wantReaped(key, rec, session.EndExpired, 1)
	k.expect(k.here.Save(key, next(rec, "late"), token, session.Commit{}), "Save", session.ErrLockLost)
	k.expect(k.here.Extend(key, token, lease), "Extend", session.ErrLockLost)
	k.expect(k.here.Release(key, token), "Release", nil)
	k.expect(k.here.Extend(key, claim, lease), "Extend under the claim", nil)
}

func releaseNotHeld(k *kit) {
	rec := k.record("content")
	token := session.NewToken()
	k.expect(k.here.Release(newKey(), token), "Release of an absent record", nil)

	key, holder := k.locked(rec)
	k.expect(k.here.Release(key, token), "Release by another", nil)
	k.expect(k.here.Release(key, nobody), "Release by nobody", nil)
	k.wantHolder(key, holder)

	k.Advance(lease + slack)
	thief := k.acquired(key)
	k.expect(k.here.Release(key, holder), "Release by the former holder", nil)
	k.wantHolder(key, thief)
}

func removeByNobody(k *kit) {
	for _, reason := range []session.EndReason{session.EndDelete, session.EndRevoked} {
		rec := k.record("content")
		key, token := k.locked(rec)
		k.expect(k.there.Remove(key, nobody, reason), "Remove", nil)
		k.expect(k.here.Save(key, next(rec, "late"), token, session.Commit{}), "Save by the holder", session.ErrLockLost)
		k.expect(k.here.Extend(key, token, lease), "Extend by the holder", session.ErrLockLost)
		k.expect(k.here.Release(key, token), "Release by the holder", nil)
		k.expect(k.here.Remove(key, token, session.EndAbandoned), "Remove by the holder", nil)
		k.wantGone(key)
	}
}

func absentForHolder(k *kit) {
	rec := k.record("content")
	key, token := k.locked(rec)
	k.must(k.there.Remove(key, token, session.EndDelete))
	k.expect(k.here.Save(key, next(rec, "late"), token, session.Commit{}), "Save", session.ErrLockLost)
	k.expect(k.here.Save(key, next(rec, "late"), token, session.Commit{Keep: lease}), "Save with Keep", session.ErrLockLost)
	k.expect(k.here.Remove(key, token, session.EndDelete), "Remove", nil)
	k.expect(k.here.Remove(key, token, session.EndExpired), "Remove with a reason", nil)
	k.wantGone(key)
}

func extendFromNow(k *kit) {
	key, token := k.locked(k.record("content"))
	k.must(k.here.Extend(key, token, 10*lease))
	k.Advance(9 * lease)
	_, err := k.there.Acquire(key, session.NewToken(), lease)
	info := k.wantLocked(err, "Acquire", token)
	k.wantNear("the lease left", info.Left, lease)
	k.must(k.here.Extend(key, token, lease/2))
	k.Advance(lease/2 + slack)
	_, err = k.there.Acquire(key, session.NewToken(), lease)
	k.expect(err, "Acquire after the lease", nil)
}

func countHolders(k *kit) { k.count(lease, 0) }

// countThieves lets every fourth holder sleep until its lease has lapsed. It
// saves then, and whether that is stored decides who came between.
func countThieves(k *kit) { k.count(200*time.Millisecond, 4) }

// count has 16 callers at two stores add to one counter and compares it with
// the number of saves that were answered by nil. One in stalls holders lets
// its lease lapse before it saves; 0: none does.
func (k *kit) count(lease time.Duration, stalls int) {
	const callers, rounds = 16, 8
	rec := k.record("0")
	key := k.stored(rec)
	var saved atomic.Int64
	k.together(callers, func(i int) {
		s := k.both()[i%2]
		for range rounds {
			token := session.NewToken()
			got, ok := k.turn(s, key, token, lease)
			if !ok {
				return
			}
			n, err := strconv.Atoi(string(got.Data))
			k.expect(err, "the counter", nil)
			if stalls > 0 && rand.N(stalls) == 0 {
				k.Advance(lease * 3 / 2)
			} else {
				pause() // with the lock, so that others ask for it
			}
			err = s.Save(key, next(rec, strconv.Itoa(n+1)), token, session.Commit{})
			if err == nil {
				saved.Add(1)
			} else if stalls == 0 {
				k.Errorf("Save: %v", err)
			} else {
				k.expect(err, "Save by a holder that had slept", session.ErrLockLost)
			}
		}
	})
	if got := string(k.loaded(key).Data); got != strconv.FormatInt(saved.Load(), 10) {
		k.Errorf("the counter is %s after %d saves", got, saved.Load())
	}
}

// turn acquires key as soon as it is free. It reports any other failure than
// the lock's being held, and a turn that never comes.
func (k *kit) turn(s caller, key session.StoreKey, token session.Token, lease time.Duration) (session.Record, bool) {
	for start := time.Now(); time.Since(start) < turnTimeout; pause() {
		rec, err := s.Acquire(key, token, lease)
		if err == nil {
			return rec, true
		}
		if !errors.Is(err, session.ErrLocked) {
			k.Errorf("Acquire: %v", err)
			return session.Record{}, false
		}
	}
	k.Errorf("no turn came in %v", turnTimeout)
	return session.Record{}, false
}

// pause lets others go first, as one who polls does.
func pause() {
	time.Sleep(time.Millisecond + rand.N(4*time.Millisecond))
}
