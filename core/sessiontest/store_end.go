package sessiontest

import (
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// endChecks prove what S12 says of Remove and of claims.
func endChecks() []check {
	return []check{
		{name: "S12/Remove with EndDelete deletes and nothing is reported", run: deleteReportsNothing},
		{name: "S12/Remove with a reason keeps the record for Reap", run: removeKeeps},
		{name: "S12/Remove with a token claims the record for the rest of its lease", run: removeClaims},
		{name: "S12/Remove with a reason without Events reports nothing", run: removeWithoutEvents},
		{name: "S12/a repeated Remove keeps the first reason and the report", run: removeTwice},
		{name: "S12/Extend makes a claim last from now", run: extendClaim},
		{name: "S12/Remove under the claim deletes", run: removeUnderClaim},
		{name: "S12/who does not hold the claim cannot end it", run: foreignClaim},
		{name: "S12/a key created anew does not lose the old record's report", run: createOverEnded},
	}
}

// reported returns a record with Events.
func (k *kit) reported(data string) session.Record {
	rec := k.record(data)
	rec.Events = true
	return rec
}

func deleteReportsNothing(k *kit) {
	free := k.stored(k.reported("free"))
	k.must(k.here.Remove(free, nobody, session.EndDelete))
	held, token := k.locked(k.reported("held"))
	k.must(k.here.Remove(held, token, session.EndDelete))
	k.wantNothingToReap()
	k.Advance(idle + refresh + slack)
	k.wantNothingToReap()
	k.wantGone(free)
	k.wantGone(held)
}

func removeKeeps(k *kit) {
	for _, reason := range []session.EndReason{session.EndExpired, session.EndAbandoned, session.EndRevoked} {
		rec := k.reported("free " + reason.String())
		key := k.stored(rec)
		k.must(k.here.Remove(key, nobody, reason))
		claim := k.wantReaped(key, rec, reason, 1)
		k.must(k.here.Remove(key, claim, session.EndDelete))

		// A lock is no claim, if its holder is not who removes.
		rec = next(rec, "held "+reason.String())
		key, _ = k.locked(rec)
		k.must(k.here.Remove(key, nobody, reason))
		claim = k.wantReaped(key, rec, reason, 1)
		k.must(k.here.Remove(key, claim, session.EndDelete))
	}
	k.wantNothingToReap()
}

func removeClaims(k *kit) {
	rec := k.reported("content")
	key, token := k.locked(rec)
	saved := next(rec, "as last stored")
	k.must(k.here.Save(key, saved, token, session.Commit{Keep: lease}))
	k.Advance(lease / 2)
	k.must(k.here.Remove(key, token, session.EndAbandoned))
	k.wantGone(key)
	k.wantNothingToReap()
	k.Advance(lease/2 - 10*time.Second)
	k.wantNothingToReap()
	k.Advance(20 * time.Second)
	k.wantReaped(key, saved, session.EndAbandoned, 2)
}

func removeWithoutEvents(k *kit) {
	free := k.stored(k.record("free"))
	k.must(k.here.Remove(free, nobody, session.EndRevoked))
	held, token := k.locked(k.record("held"))
	k.must(k.here.Remove(held, token, session.EndAbandoned))
	k.wantGone(free)
	k.wantGone(held)
	k.Advance(lease + slack)
	k.wantNothingToReap()
}

func removeTwice(k *kit) {
	// The answer to the first Remove was lost: its repeat must not delete
	// what is still to be reported.
	rec := k.reported("under a token")
	key, token := k.locked(rec)
	k.must(k.here.Remove(key, token, session.EndAbandoned))
	k.expect(k.there.Remove(key, token, session.EndAbandoned), "Remove again", nil)
	k.wantNothingToReap()
	k.Advance(lease + slack)
	claim := k.wantReaped(key, rec, session.EndAbandoned, 2)
	k.must(k.here.Remove(key, claim, session.EndDelete))

	rec = k.reported("by nobody")
	key = k.stored(rec)
	k.must(k.here.Remove(key, nobody, session.EndRevoked))
	k.expect(k.there.Remove(key, nobody, session.EndRevoked), "Remove again", nil)
	k.expect(k.there.Remove(key, nobody, session.EndAbandoned), "Remove with another reason", nil)
	k.expect(k.there.Remove(key, nobody, session.EndDelete), "Remove with EndDelete", nil)
	k.wantReaped(key, rec, session.EndRevoked, 1)
}

func extendClaim(k *kit) {
	rec := k.reported("content")
	key := k.stored(rec)
	k.Advance(idle + refresh + slack)
	claim := k.wantReaped(key, rec, session.EndExpired, 1)
	k.Advance(lease / 2)
	k.expect(k.here.Extend(key, claim, 2*lease), "Extend", nil)
	k.Advance(lease * 3 / 2)
	k.wantNothingToReap()
	k.Advance(lease/2 + slack)
	second := k.wantReaped(key, rec, session.EndExpired, 2)
	k.expect(k.here.Extend(key, claim, lease), "Extend by the former claimant", session.ErrLockLost)
	k.expect(k.here.Extend(key, second, lease), "Extend by the second claimant", nil)

	key, token := k.locked(rec)
	k.must(k.here.Remove(key, token, session.EndAbandoned))
	k.expect(k.there.Extend(key, token, 3*lease), "Extend after Remove", nil)
	k.must(k.there.Remove(key, token, session.EndDelete))
	k.expect(k.there.Extend(key, token, lease), "Extend when it is deleted", session.ErrLockLost)
}

func removeUnderClaim(k *kit) {
	rec := k.reported("content")
	expired, ended := k.stored(rec), newKey()
	k.Advance(idle + refresh + slack)
	claim := k.wantReaped(expired, rec, session.EndExpired, 1)
	k.expect(k.here.Remove(expired, claim, session.EndDelete), "Remove of an expired record", nil)
	k.expect(k.here.Remove(expired, claim, session.EndDelete), "Remove again", nil)

	token := session.NewToken()
	k.must(k.here.Create(ended, rec, token, lease))
	k.must(k.here.Remove(ended, token, session.EndAbandoned))
	k.expect(k.there.Remove(ended, token, session.EndDelete), "Remove of an ended record", nil)
	k.expect(k.there.Remove(ended, token, session.EndDelete), "Remove again", nil)

	k.Advance(2 * lease)
	k.wantNothingToReap()
	k.wantGone(expired)
	k.wantGone(ended)
}

func foreignClaim(k *kit) {
	rec := k.reported("content")
	key := k.stored(rec)
	k.must(k.here.Remove(key, nobody, session.EndRevoked))
	claim := k.wantReaped(key, rec, session.EndRevoked, 1)
	for _, s := range k.both() {
		for _, token := range []session.Token{session.NewToken(), nobody} {
			k.expect(s.Extend(key, token, lease), "Extend", session.ErrLockLost)
			k.expect(s.Release(key, token), "Release", nil)
			k.expect(s.Remove(key, token, session.EndDelete), "Remove", nil)
		}
	}
	k.wantNothingToReap()
	k.Advance(lease + slack)
	second := k.wantReaped(key, rec, session.EndRevoked, 2)
	k.expect(k.here.Remove(key, claim, session.EndDelete), "Remove by the former claimant", nil, session.ErrLockLost)
	k.Advance(lease + slack)
	claim = k.wantReaped(key, rec, session.EndRevoked, 3)
	k.expect(k.here.Remove(key, second, session.EndDelete), "Remove by the former claimant", nil, session.ErrLockLost)
	k.expect(k.here.Extend(key, claim, lease), "Extend by the claimant", nil)
}

// createOverEnded accepts that Create waits until the end has been reported
// (ErrExists), or that it goes ahead; the report is due in both cases.
func createOverEnded(k *kit) {
	expired, ended, claimed := k.reported("expired"), k.reported("ended"), k.reported("claimed")
	expiredKey := k.stored(expired)
	k.Advance(idle + refresh + slack)
	endedKey := k.stored(ended)
	k.must(k.here.Remove(endedKey, nobody, session.EndRevoked))
	claimedKey, claim := k.locked(claimed)
	k.must(k.here.Remove(claimedKey, claim, session.EndAbandoned))

	want := map[session.WriteID]session.EndReason{
		expired.Write: session.EndExpired,
		ended.Write:   session.EndRevoked,
	}
	created := make(map[session.StoreKey]session.Record)
	for _, key := range []session.StoreKey{expiredKey, endedKey, claimedKey} {
		rec := k.reported("created anew")
		err := k.there.Create(key, rec, nobody, 0)
		k.expect(err, "Create", nil, session.ErrExists)
		if err == nil {
			created[key] = rec
		}
	}
	k.expect(k.here.Extend(claimedKey, claim, lease), "Extend under the claim", nil)

	wantReports := func() {
		k.Helper()
		got, token := k.reaped(k.there)
		for _, e := range got {
			reason, ok := want[e.Record.Write]
			delete(want, e.Record.Write)
			if !ok || reason != e.Reason {
				k.Errorf("Reap reported an end that was not due: %v", e.Reason)
			}
			k.expect(k.here.Remove(e.Key, token, session.EndDelete), "Remove under the claim", nil)
		}
		if len(want) > 0 {
			k.Errorf("%d ends were not reported", len(want))
		}
	}
	wantReports()
	want = map[session.WriteID]session.EndReason{claimed.Write: session.EndAbandoned}
	k.Advance(lease + slack)
	wantReports()
	k.wantNothingToReap()
	for key, rec := range created {
		k.wantStored(key, rec) // its predecessor's end is not its own
	}
}
