package sessiontest

import (
	session "github.com/sessionstate/sessionstate/core"
)

// outcomeChecks prove the half of S6 that says what a repeat gets that is not
// known: the plain error where it can be told that the first attempt failed,
// ErrOutcomeUnknown where it cannot, never a false success or loss.
func outcomeChecks() []check {
	return []check{
		{name: "S6/a repeat that was forgotten is never a loss", run: forgotten},
		{name: "S6/an unknown Repeat is ErrOutcomeUnknown after many writes", run: unknownOutcome},
		{name: "S6/an unknown Repeat is the plain error after few writes", run: toldByFewWrites},
		{name: "S6/an unknown write without Repeat is the plain error after many writes", run: plainWithoutRepeat},
		{name: "S6/a Swap can be told as long as old is remembered", run: toldByOld},
		{name: "S6/a Repeat of a Save of an absent record is ErrOutcomeUnknown", run: repeatOfAbsent},
		{name: "S6/a record created anew remembers nothing", run: createdAnewRemembersNothing},
		{name: "S6/a repeated Save with MoveTo is nil without effect", run: repeatedMove},
		{name: "S6/a write from before a move is never a loss", run: repeatFromBeforeMove},
	}
}

// aged stores a record that was written many times, and returns it as it is
// then, unlocked, with the token that wrote it.
func (k *kit) aged() (session.StoreKey, session.Record, session.Token) {
	k.Helper()
	rec := k.record("first")
	key, token := k.locked(rec)
	rec = k.written(key, rec, token, 3*remembered)
	k.must(k.here.Release(key, token))
	return key, rec, token
}

func forgotten(k *kit) {
	created := k.record("first")
	key, token := k.locked(created)
	saved := next(created, "second")
	k.must(k.here.Save(key, saved, token, session.Commit{}))
	swapped := next(created, "third")
	k.must(k.here.Swap(key, swapped, saved.Write))
	other := k.acquired(key)
	last := k.written(key, created, other, 3*remembered)
	k.must(k.here.Release(key, other))

	for _, s := range k.both() {
		k.expect(s.Create(key, repeated(created), token, lease), "Create", nil, session.ErrOutcomeUnknown)
		k.expect(s.Save(key, repeated(saved), token, session.Commit{}), "Save", nil, session.ErrOutcomeUnknown)
		k.expect(s.Swap(key, repeated(swapped), saved.Write), "Swap", nil, session.ErrOutcomeUnknown)
	}
	k.wantStored(key, last)
	k.wantHolder(key, nobody)
}

func unknownOutcome(k *kit) {
	key, rec, token := k.aged()
	for _, s := range k.both() {
		lost := repeated(next(rec, "never arrived"))
		k.expect(s.Save(key, lost, token, session.Commit{}), "Save", session.ErrOutcomeUnknown)
		k.expect(s.Save(key, lost, token, session.Commit{Keep: lease}), "Save with Keep", session.ErrOutcomeUnknown)
		k.expect(s.Save(key, lost, session.NewToken(), session.Commit{}), "Save by another", session.ErrOutcomeUnknown)
		k.expect(s.Swap(key, lost, session.NewWriteID()), "Swap", session.ErrOutcomeUnknown)
		k.expect(s.Create(key, lost, nobody, 0), "Create", session.ErrOutcomeUnknown)
		k.expect(s.Create(key, lost, token, lease), "Create with a token", session.ErrOutcomeUnknown)
	}
	k.wantStored(key, rec)
	k.wantHolder(key, nobody)
}

func toldByFewWrites(k *kit) {
	for _, writes := range []int{0, 1, remembered - 2} { // beside Create, which is one
		rec := k.record("first")
		key, token := k.locked(rec)
		rec = k.written(key, rec, token, writes)
		k.must(k.here.Release(key, token))
		for _, s := range k.both() {
			lost := repeated(next(rec, "never arrived"))
			k.expect(s.Save(key, lost, token, session.Commit{}), "Save", session.ErrLockLost)
			k.expect(s.Swap(key, lost, session.NewWriteID()), "Swap", session.ErrConflict)
			k.expect(s.Create(key, lost, nobody, 0), "Create", session.ErrExists)
		}
		k.wantStored(key, rec)
		k.wantHolder(key, nobody)
	}
}

func plainWithoutRepeat(k *kit) {
	key, rec, token := k.aged()
	for _, s := range k.both() {
		fresh := next(rec, "too late")
		k.expect(s.Save(key, fresh, token, session.Commit{}), "Save", session.ErrLockLost)
		k.expect(s.Save(key, fresh, session.NewToken(), session.Commit{Keep: lease}), "Save by another", session.ErrLockLost)
		k.expect(s.Swap(key, fresh, session.NewWriteID()), "Swap", session.ErrConflict)
		k.expect(s.Create(key, fresh, nobody, 0), "Create", session.ErrExists)
	}
	k.wantStored(key, rec)
	holder := k.acquired(key)
	for _, s := range k.both() {
		k.expect(s.Save(key, next(rec, "too late"), token, session.Commit{}), "Save while another holds", session.ErrLockLost)
		k.wantLocked(s.Swap(key, next(rec, "too late"), rec.Write), "Swap while another holds", holder)
	}
	k.wantStored(key, rec)
}

func toldByOld(k *kit) {
	key, old, token := k.aged()
	_, err := k.here.Acquire(key, token, lease)
	k.must(err)
	last := k.written(key, old, token, remembered-2)
	k.must(k.here.Release(key, token))
	for _, s := range k.both() {
		k.expect(s.Swap(key, repeated(next(old, "never arrived")), old.Write), "Swap", session.ErrConflict)
	}
	holder := k.acquired(key)
	for _, s := range k.both() {
		err := s.Swap(key, repeated(next(old, "never arrived")), last.Write)
		k.wantLocked(err, "Swap of the locked record", holder)
	}
	k.wantStored(key, last)
}

func repeatOfAbsent(k *kit) {
	for _, s := range k.both() {
		rec := k.record("content")
		k.expect(s.Save(newKey(), repeated(rec), session.NewToken(), session.Commit{}),
			"Save of a key that never was", session.ErrOutcomeUnknown)

		key, token := k.locked(rec)
		saved := next(rec, "saved")
		k.must(s.Save(key, saved, token, session.Commit{}))
		k.must(s.Remove(key, nobody, session.EndDelete))
		k.expect(s.Save(key, repeated(saved), token, session.Commit{}), "Save of a removed record", session.ErrOutcomeUnknown)
		k.expect(s.Save(key, next(rec, "late"), token, session.Commit{}), "the same without Repeat", session.ErrLockLost)
		k.wantGone(key)
	}
}

func createdAnewRemembersNothing(k *kit) {
	rec := k.record("first")
	key, token := k.locked(rec)
	saved := next(rec, "second")
	k.must(k.here.Save(key, saved, token, session.Commit{}))
	k.must(k.here.Remove(key, nobody, session.EndDelete))
	created := k.record("created anew")
	k.must(k.here.Create(key, created, nobody, 0))
	k.expect(k.there.Save(key, saved, token, session.Commit{}), "Save of the former record", session.ErrLockLost)
	k.expect(k.there.Create(key, rec, nobody, 0), "Create of the former record", session.ErrExists)
	k.expect(k.there.Swap(key, saved, rec.Write), "Swap of the former record", session.ErrConflict)
	k.wantStored(key, created)
}

func repeatedMove(k *kit) {
	for _, keep := range []bool{false, true} {
		rec := k.record("first")
		key, token := k.locked(rec)
		to := newKey()
		how := session.Commit{MoveTo: to, Grace: grace}
		holder := nobody
		if keep {
			how.Keep, holder = lease, token
		}
		moved := next(rec, "moved")
		k.must(k.here.Save(key, moved, token, how))
		again := func(s caller, rec session.Record) error { return s.Save(key, rec, token, how) }
		k.wantNoEffect("Save with MoveTo repeated", to, moved, holder, again)

		if !keep {
			holder = k.acquired(to)
		}
		k.written(to, rec, holder, remembered-1)
		k.wantNoEffect("Save with MoveTo repeated after seven other writes", to, moved, holder, again)

		k.Advance(grace + slack)
		k.must(k.here.Extend(to, holder, lease)) // lapsed, it still holds
		k.wantNoEffect("Save with MoveTo repeated after the Grace", to, moved, holder, again)

		_, err := k.here.Reap(k.namespace, -1, session.NewToken(), lease)
		k.must(err)
		k.wantNoEffect("Save with MoveTo repeated after the left-overs are gone", to, moved, holder, again)
		k.wantGone(key)
	}

	// Where the record is gone, nobody can tell any more.
	rec := k.record("first")
	key, token := k.locked(rec)
	to := newKey()
	how := session.Commit{MoveTo: to}
	moved := next(rec, "moved")
	k.must(k.here.Save(key, moved, token, how))
	k.must(k.here.Remove(to, nobody, session.EndDelete))
	k.expect(k.there.Save(key, repeated(moved), token, how), "Save with MoveTo repeated when the record is gone",
		nil, session.ErrOutcomeUnknown)
	k.wantGone(to)
	k.wantGone(key)
}

func repeatFromBeforeMove(k *kit) {
	rec := k.record("first")
	key, token := k.locked(rec)
	before := next(rec, "before the move")
	k.must(k.here.Save(key, before, token, session.Commit{Keep: lease}))
	moved := next(rec, "moved")
	to := newKey()
	k.must(k.here.Save(key, moved, token, session.Commit{MoveTo: to, Grace: grace}))
	for range 2 {
		for _, s := range k.both() {
			k.expect(s.Save(key, repeated(before), token, session.Commit{Keep: lease}), "Save", nil, session.ErrOutcomeUnknown)
		}
		k.wantStored(to, moved)
		k.wantHolder(to, nobody)
		k.Advance(grace + slack)
	}
	k.wantGone(key)
}
