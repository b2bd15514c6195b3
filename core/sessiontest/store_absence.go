package sessiontest

import (
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// absenceChecks prove S1: what is absent, expired or ended is seen by no
// operation, and nothing is so under a live lease.
func absenceChecks() []check {
	return []check{
		{name: "S1/an absent key is ErrNotFound", run: absentKey},
		{name: "S1/a removed record is absent", run: removedRecord},
		{name: "S1/a record lives until its expiry", run: livesUntilExpiry},
		{name: "S1/an expired record is absent though nobody removed it", run: expiredRecord},
		{name: "S1/an expired record with Events is absent and stays to be reported", run: expiredWithEvents},
		{name: "S1/an ended record is absent and stays to be reported", run: endedRecord},
		{name: "S1/a claimed record is seen under the claiming token only", run: claimedRecord},
		{name: "S1/a record does not expire under a live lease", run: livesUnderLease},
		{name: "S1/a record past its Lifetime lives until its lock is given up", run: livesUntilRelease},
		{name: "S1/a record past its expiry is absent when its lease lapses", run: expiresWithLease},
		{name: "S1/a lapsed token cannot bring an expired record back", run: lapsedTokenOfExpired},
	}
}

func absentKey(k *kit) {
	k.wantGone(newKey())
}

func removedRecord(k *kit) {
	free := k.stored(k.record("free"))
	k.must(k.here.Remove(free, nobody, session.EndDelete))
	k.wantGone(free)

	held, token := k.locked(k.record("held"))
	k.must(k.here.Remove(held, token, session.EndDelete))
	k.wantGone(held)

	// A reason changes nothing where there is nothing to report.
	revoked := k.stored(k.record("revoked"))
	k.must(k.here.Remove(revoked, nobody, session.EndRevoked))
	k.wantGone(revoked)
	k.wantNothingToReap()
}

func livesUntilExpiry(k *kit) {
	rec := k.record("alive")
	key := k.stored(rec)
	k.Advance(idle + refresh - 10*time.Second)
	k.wantStored(key, rec)
	k.Advance(20 * time.Second)
	k.wantGone(key)
}

func expiredRecord(k *kit) {
	sliding := k.record("no Lifetime")
	sliding.Lifetime = 0
	absolute := k.record("no IdleTimeout")
	absolute.IdleTimeout, absolute.Refresh, absolute.Lifetime = 0, 0, idle+refresh
	one, two := k.stored(sliding), k.stored(absolute)
	k.Advance(idle + refresh + slack)
	k.wantGone(one)
	k.wantGone(two)
}

func expiredWithEvents(k *kit) {
	rec := k.record("to be reported")
	rec.Events = true
	key := k.stored(rec)
	k.Advance(idle + refresh + slack)
	k.wantGone(key) // tries to remove it too, which must not lose the report
	k.wantReaped(key, rec, session.EndExpired, 1)
	k.wantGone(key)
}

func endedRecord(k *kit) {
	rec := k.record("to be reported")
	rec.Events = true
	key := k.stored(rec)
	k.must(k.here.Remove(key, nobody, session.EndRevoked))
	k.wantGone(key)
	k.wantReaped(key, rec, session.EndRevoked, 1)
	k.wantGone(key)
}

func claimedRecord(k *kit) {
	rec := k.record("to be reported")
	rec.Events = true
	key, token := k.locked(rec)
	k.must(k.here.Remove(key, token, session.EndAbandoned))
	k.wantGone(key)

	_, err := k.there.Acquire(key, token, lease)
	k.expect(err, "Acquire under the claim", session.ErrNotFound)
	_, err = k.there.Load(key)
	k.expect(err, "Load", session.ErrNotFound)
	k.expect(k.there.Save(key, next(rec, "undone"), token, session.Commit{}), "Save under the claim", session.ErrLockLost)

	k.expect(k.there.Extend(key, token, lease), "Extend under the claim", nil)
	k.expect(k.there.Remove(key, token, session.EndDelete), "Remove under the claim", nil)
	k.expect(k.there.Extend(key, token, lease), "Extend when it is deleted", session.ErrLockLost)
}

func livesUnderLease(k *kit) {
	rec := k.record("long work")
	rec.IdleTimeout, rec.Refresh = time.Minute, 0
	key := newKey()
	token := session.NewToken()
	k.must(k.here.Create(key, rec, token, 10*time.Minute))
	k.Advance(5 * time.Minute)

	got, err := k.there.Load(key)
	k.must(err)
	k.wantContent("the locked record", got, rec)
	if got.ExpiresIn <= 0 {
		k.Errorf("ExpiresIn is %v under a live lease, want it positive", got.ExpiresIn)
	}
	_, err = k.there.Acquire(key, session.NewToken(), lease)
	k.wantLocked(err, "Acquire of the locked record", token)

	// Reap does not see it as expired either.
	_, err = k.there.Reap(k.namespace, -1, session.NewToken(), lease)
	k.must(err)

	saved := next(rec, "done")
	k.expect(k.here.Save(key, saved, token, session.Commit{}), "Save", nil)
	k.wantStored(key, saved)
	k.wantExpiresIn(key, rec.IdleTimeout)
}

func livesUntilRelease(k *kit) {
	rec := k.record("long work")
	rec.IdleTimeout, rec.Refresh, rec.Lifetime, rec.Events = 0, 0, 2*time.Minute, true
	key, token := k.locked(rec)
	for range 4 {
		k.Advance(lease / 2)
		k.must(k.here.Extend(key, token, lease))
	}
	k.Advance(lease / 2)
	got, err := k.here.Acquire(key, token, lease)
	k.expect(err, "Acquire by the holder", nil)
	if err == nil && got.ExpiresIn <= 0 {
		k.Errorf("ExpiresIn is %v under a live lease, want it positive", got.ExpiresIn)
	}
	k.wantNothingToReap()
	saved := next(rec, "saved past the Lifetime")
	k.expect(k.here.Save(key, saved, token, session.Commit{Keep: lease}), "Save", nil)
	k.wantStored(key, saved)
	k.must(k.here.Release(key, token))
	k.wantGone(key)
	k.wantReaped(key, saved, session.EndExpired, 1)
}

func expiresWithLease(k *kit) {
	rec := k.record("crashed")
	rec.IdleTimeout, rec.Refresh, rec.Events = lease/2, 0, true
	key, _ := k.locked(rec)
	k.Advance(lease - 10*time.Second)
	k.wantStored(key, rec)
	k.Advance(20 * time.Second)
	k.wantGone(key)
	k.wantReaped(key, rec, session.EndExpired, 1)
}

func lapsedTokenOfExpired(k *kit) {
	rec := k.record("expired")
	key, token := k.locked(rec)
	k.Advance(idle + refresh + slack)
	k.expect(k.here.Save(key, next(rec, "back"), token, session.Commit{}), "Save", session.ErrLockLost)
	k.expect(k.here.Extend(key, token, lease), "Extend", session.ErrLockLost)
	k.expect(k.here.Release(key, token), "Release", nil)
	k.expect(k.here.Remove(key, token, session.EndDelete), "Remove", nil)
	_, err := k.here.Acquire(key, token, lease)
	k.expect(err, "Acquire", session.ErrNotFound)
	k.wantGone(key)
}
