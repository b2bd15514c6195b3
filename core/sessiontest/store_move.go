package sessiontest

import (
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// moveChecks prove S11: a Save with MoveTo.
func moveChecks() []check {
	return []check{
		{name: "S11/the record lives under the new key", run: movedRecord},
		{name: "S11/for Grace the old key is ErrRenewed and admits nothing", run: oldKeyInGrace},
		{name: "S11/after Grace the old key is absent and free", run: oldKeyAfterGrace},
		{name: "S11/without Grace the old key is absent at once", run: noGrace},
		{name: "S11/MoveTo a live key is ErrExists and changes nothing", run: moveToLive},
		{name: "S11/a move by another than the holder changes nothing", run: moveByAnother},
		{name: "S11/a lock that is kept moves along", run: moveKeepsLock},
		{name: "S11/a lock that is handed on moves along", run: moveHandsOn},
		{name: "S11/a move keeps Created and so the Lifetime", run: moveKeepsCreated},
		{name: "S11/a move extends the expiry if due", run: moveExtends},
		{name: "S11/nothing of the old key is listed", run: oldKeyNotListed},
		{name: "S11/nothing of the old key is reported", run: oldKeyNotReaped},
		{name: "S11/a record can move again and again", run: moveChain},
		{name: "S11/the end of the new key leaves the old one renewed", run: endAfterMove},
		{name: "S11/who asks during a move is refused or sent on", run: askDuringMove},
	}
}

// moved stores a record, moves it with the times above, and returns the old
// key with its former token, the new key, and the record, which is unlocked.
func (k *kit) moved() (old session.StoreKey, token session.Token, to session.StoreKey, rec session.Record) {
	k.Helper()
	old, token = k.locked(k.record("first"))
	to, rec = newKey(), k.record("moved")
	k.must(k.here.Save(old, rec, token, session.Commit{MoveTo: to, Grace: grace}))
	return old, token, to, rec
}

// wantRenewed reports a key that does not say at both stores that its record
// has moved.
func (k *kit) wantRenewed(key session.StoreKey) {
	k.Helper()
	for _, s := range k.both() {
		_, err := s.Acquire(key, session.NewToken(), lease)
		k.expect(err, "Acquire of the old key", session.ErrRenewed)
		_, err = s.Load(key)
		k.expect(err, "Load of the old key", session.ErrRenewed)
		_, err = s.LoadWaiting(key)
		k.expect(err, "Load of the old key with wait", session.ErrRenewed)
	}
}

func movedRecord(k *kit) {
	rec := k.record("first")
	key, token := k.locked(rec)
	to := newKey()
	moved := next(rec, "moved")
	moved.Owner, moved.Events = "somebody else", true
	k.must(k.here.Save(key, moved, token, session.Commit{MoveTo: to, Grace: grace}))
	k.wantStored(to, moved)
	k.wantHolder(to, nobody)
	k.wantRenewed(key)

	second := session.NewToken()
	got, err := k.there.Acquire(to, second, lease)
	k.must(err)
	k.wantContent("the acquired record", got, moved)
	saved := next(moved, "saved")
	k.expect(k.there.Save(to, saved, second, session.Commit{}), "Save under the new key", nil)
	k.expect(k.here.Swap(to, next(saved, "swapped"), saved.Write), "Swap under the new key", nil)
	k.expect(k.here.Touch(to), "Touch of the new key", nil)
	k.wantRenewed(key)
}

func oldKeyInGrace(k *kit) {
	key, token, to, rec := k.moved()
	k.Advance(grace - 10*time.Second)
	k.wantRenewed(key)
	for _, s := range k.both() {
		late := next(rec, "late")
		_, err := s.Acquire(key, token, lease)
		k.expect(err, "Acquire by the former holder", session.ErrRenewed)
		k.expect(s.Touch(key), "Touch", session.ErrNotFound)
		k.expect(s.Swap(key, late, rec.Write), "Swap", session.ErrNotFound)
		k.expect(s.Create(key, late, nobody, 0), "Create", session.ErrExists)
		k.expect(s.Create(key, late, session.NewToken(), lease), "Create with a token", session.ErrExists)
		k.expect(s.Save(key, late, token, session.Commit{}), "Save by the former holder", session.ErrLockLost)
		k.expect(s.Save(key, late, token, session.Commit{MoveTo: newKey(), Grace: grace}), "a second move", session.ErrLockLost)
		k.expect(s.Save(key, late, session.NewToken(), session.Commit{}), "Save by another", session.ErrLockLost)
		k.expect(s.Extend(key, token, lease), "Extend by the former holder", session.ErrLockLost)
		k.expect(s.Release(key, token), "Release by the former holder", nil)
		k.expect(s.Remove(key, token, session.EndDelete), "Remove by the former holder", session.ErrRenewed)
		k.expect(s.Remove(key, nobody, session.EndRevoked), "Remove by nobody", session.ErrRenewed)
	}
	k.wantRenewed(key)
	k.wantStored(to, rec)
	k.wantHolder(to, nobody)
}

func oldKeyAfterGrace(k *kit) {
	key, _, to, rec := k.moved()
	k.Advance(grace + slack)
	k.wantGone(key)
	created := k.record("created anew")
	k.expect(k.here.Create(key, created, nobody, 0), "Create of the old key", nil)
	k.wantStored(key, created)
	k.wantStored(to, rec)
	k.must(k.here.Remove(key, nobody, session.EndDelete))
	k.wantStored(to, rec)
}

func noGrace(k *kit) {
	rec := k.record("first")
	key, token := k.locked(rec)
	to := newKey()
	moved := next(rec, "moved")
	k.must(k.here.Save(key, moved, token, session.Commit{MoveTo: to}))
	k.wantGone(key)
	k.wantStored(to, moved)
}

func moveToLive(k *kit) {
	occupant := k.record("occupant")
	free := k.stored(occupant)
	held, holder := k.locked(occupant)
	rec := k.record("first")
	key, token := k.locked(rec)
	k.Advance(lease / 2)
	for _, s := range k.both() {
		for _, to := range []session.StoreKey{free, held} {
			for _, how := range []session.Commit{
				{MoveTo: to, Grace: grace},
				{MoveTo: to, Grace: grace, Keep: lease},
				{MoveTo: to, Grace: grace, Keep: lease, Next: session.NewToken()},
			} {
				k.expect(s.Save(key, next(rec, "moved"), token, how), "Save", session.ErrExists)
			}
			k.wantStored(to, occupant)
		}
	}
	k.wantStored(key, rec)
	k.wantHolder(key, token)
	k.wantHolder(free, nobody)
	k.wantHolder(held, holder)
	if lock := k.loaded(key).Lock; lock != nil {
		k.wantNear("the lease left", lock.Left, lease/2)
	}
	to, moved := newKey(), next(rec, "moved")
	k.expect(k.here.Save(key, moved, token, session.Commit{MoveTo: to, Grace: grace}), "Save to a free key", nil)
	k.wantStored(to, moved)
}

func moveByAnother(k *kit) {
	rec := k.record("first")
	free := k.stored(rec)
	held, holder := k.locked(rec)
	live := k.stored(rec)
	for _, s := range k.both() {
		for _, key := range []session.StoreKey{free, held} {
			for _, token := range []session.Token{session.NewToken(), nobody} {
				to := newKey()
				k.expect(s.Save(key, next(rec, "moved"), token, session.Commit{MoveTo: to, Grace: grace}),
					"Save", session.ErrLockLost)
				k.wantGone(to)
				k.expect(s.Save(key, next(rec, "moved"), token, session.Commit{MoveTo: live, Grace: grace}),
					"Save to a live key", session.ErrLockLost, session.ErrExists)
			}
			k.wantStored(key, rec)
		}
	}
	k.wantStored(live, rec)
	k.wantHolder(free, nobody)
	k.wantHolder(held, holder)
}

func moveKeepsLock(k *kit) {
	rec := k.record("first")
	key, token := k.locked(rec)
	to := newKey()
	moved := next(rec, "moved")
	k.must(k.here.Save(key, moved, token, session.Commit{MoveTo: to, Grace: grace, Keep: 2 * lease}))
	k.wantRenewed(key)
	k.wantStored(to, moved)
	k.wantHolder(to, token)
	_, err := k.there.Acquire(to, session.NewToken(), lease)
	info := k.wantLocked(err, "Acquire of the new key", token)
	k.wantNear("the lease left", info.Left, 2*lease)
	k.expect(k.there.Extend(to, token, lease), "Extend under the new key", nil)
	k.expect(k.there.Save(to, next(rec, "saved"), token, session.Commit{}), "Save under the new key", nil)
	k.wantHolder(to, nobody)
}

func moveHandsOn(k *kit) {
	rec := k.record("first")
	key, token := k.locked(rec)
	to, heir := newKey(), session.NewToken()
	moved := next(rec, "moved")
	k.must(k.here.Save(key, moved, token, session.Commit{MoveTo: to, Grace: grace, Keep: lease, Next: heir}))
	k.wantStored(to, moved)
	k.wantHolder(to, heir)
	k.wantNotHeld(to, token, moved)
	k.expect(k.there.Save(to, next(rec, "saved"), heir, session.Commit{}), "Save by the heir", nil)
}

func moveKeepsCreated(k *kit) {
	rec := k.record("first")
	rec.IdleTimeout, rec.Refresh, rec.Lifetime = 0, 0, time.Hour
	key, token := k.locked(rec)
	created := k.loaded(key).Created
	to := newKey()
	moved := next(rec, "moved")
	moved.Namespace = k.namespace + "-other"
	k.must(k.here.Save(key, moved, token, session.Commit{MoveTo: to, Grace: grace}))
	got := k.loaded(to)
	if !got.Created.Equal(created) {
		k.Errorf("Created is %v after the move, was %v", got.Created, created)
	}
	if got.Namespace != rec.Namespace {
		k.Errorf("Namespace is %q after the move, was %q", got.Namespace, rec.Namespace)
	}

	rec.Write = session.NewWriteID()
	key, token = k.locked(rec)
	k.Advance(20 * time.Minute)
	to = newKey()
	k.must(k.here.Save(key, next(rec, "moved"), token, session.Commit{MoveTo: to, Grace: grace}))
	k.wantExpiresIn(to, 40*time.Minute)
}

func moveExtends(k *kit) {
	rec := k.record("first")
	key, token := k.locked(rec)
	k.Advance(refresh + idle/2)
	to := newKey()
	k.must(k.here.Save(key, next(rec, "moved"), token, session.Commit{MoveTo: to, Grace: grace}))
	k.wantExpiresIn(to, idle+refresh)
}

func oldKeyNotListed(k *kit) {
	key, _, to, _ := k.moved()
	k.wantListed(to)
	k.wantUnlisted(key)
	k.Advance(grace + slack)
	k.wantListed(to)
	k.wantUnlisted(key)
}

func oldKeyNotReaped(k *kit) {
	rec := k.record("first")
	rec.Events = true
	key, token := k.locked(rec)
	to := newKey()
	moved := next(rec, "moved")
	k.must(k.here.Save(key, moved, token, session.Commit{MoveTo: to, Grace: grace}))
	k.wantNothingToReap()
	_, err := k.here.Reap(k.namespace, -1, session.NewToken(), lease)
	k.must(err)
	k.wantRenewed(key) // a tombstone in its Grace is no left-over

	k.Advance(grace + slack)
	k.wantNothingToReap()
	k.Advance(idle + refresh)
	k.wantReaped(to, moved, session.EndExpired, 1)
	k.wantNothingToReap()
}

func moveChain(k *kit) {
	rec := k.record("first")
	key, token := k.locked(rec)
	keys := []session.StoreKey{key}
	for range 3 {
		to := newKey()
		rec = next(rec, "moved again")
		k.must(k.here.Save(keys[len(keys)-1], rec, token, session.Commit{MoveTo: to, Grace: grace, Keep: lease}))
		keys = append(keys, to)
	}
	last := keys[len(keys)-1]
	for _, old := range keys[:len(keys)-1] {
		k.wantRenewed(old)
	}
	k.wantStored(last, rec)
	k.wantHolder(last, token)
	k.Advance(grace + slack)
	for _, old := range keys[:len(keys)-1] {
		k.wantGone(old)
	}
	k.wantStored(last, rec)
}

func endAfterMove(k *kit) {
	key, _, to, _ := k.moved()
	k.must(k.here.Remove(to, nobody, session.EndDelete))
	k.wantGone(to)
	k.wantRenewed(key)
	k.Advance(grace + slack)
	k.wantGone(key)
}

func askDuringMove(k *kit) {
	for range 5 {
		rec := k.record("first")
		key, token := k.locked(rec)
		to := newKey()
		moved := next(rec, "moved")
		k.together(8, func(i int) {
			if i == 0 {
				k.expect(k.here.Save(key, moved, token, session.Commit{MoveTo: to, Grace: grace}), "Save", nil)
				k.wantStored(to, moved)
				return
			}
			s := k.both()[i%2]
			_, err := s.Acquire(key, session.NewToken(), lease)
			k.expect(err, "Acquire of the old key", session.ErrLocked, session.ErrRenewed)
			got, err := s.Load(key)
			k.expect(err, "Load of the old key", nil, session.ErrRenewed)
			if err == nil {
				k.wantContent("Load of the old key", got, rec)
			}
		})
		k.wantRenewed(key)
		k.wantStored(to, moved)
		k.wantHolder(to, nobody)
	}
}
