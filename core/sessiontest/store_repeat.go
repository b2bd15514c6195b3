package sessiontest

import (
	session "github.com/sessionstate/sessionstate/core"
)

// repeatChecks prove the half of S6 that says which repeats succeed.
func repeatChecks() []check {
	return []check{
		{name: "S6/every call may be repeated", run: everyCallTwice},
		{name: "S6/a repeated Save is nil without effect", run: repeatedSave},
		{name: "S6/a repeated Save that kept the lock is nil without effect", run: repeatedSaveWithKeep},
		{name: "S6/a repeated Save that handed the lock on is nil without effect", run: repeatedHandOff},
		{name: "S6/a repeated Swap is nil without effect", run: repeatedSwap},
		{name: "S6/a repeated Create is nil without effect", run: repeatedCreate},
		{name: "S6/a repeat is known by its WriteID alone", run: knownWithoutRepeat},
		{name: "S6/a repeat may overtake its first attempt", run: overtaken},
		{name: "S6/a Repeat of what never took effect takes effect now", run: firstAttemptLost},
		{name: "S6/a Save that runs twice at once takes effect once", run: overlappingSaves},
		{name: "S6/a Swap that runs twice at once takes effect once", run: overlappingSwaps},
		{name: "S6/a Create that runs twice at once takes effect once", run: overlappingCreates},
		{name: "S6/a Save with MoveTo that runs twice at once takes effect once", run: overlappingMoves},
	}
}

func everyCallTwice(k *kit) {
	for _, s := range k.both() {
		for _, c := range k.calls() {
			for range 2 {
				ctx, cancel := inTime()
				k.expect(c.do(ctx, s.store), c.name, nil)
				cancel()
			}
		}
	}
}

// since is what may have happened between a write and its repeat. Each leaves
// a record unlocked or says who holds it.
var since = []struct {
	what string
	do   func(k *kit, key session.StoreKey) session.Token
}{
	{"at once", func(*kit, session.StoreKey) session.Token { return nobody }},
	{"when another has locked", func(k *kit, key session.StoreKey) session.Token {
		return k.acquired(key)
	}},
	{"when another has written", func(k *kit, key session.StoreKey) session.Token {
		token := k.acquired(key)
		k.must(k.there.Save(key, k.record("another's"), token, session.Commit{}))
		return nobody
	}},
	{"when another has swapped", func(k *kit, key session.StoreKey) session.Token {
		k.must(k.there.Swap(key, k.record("another's"), k.loaded(key).Write))
		return nobody
	}},
	{"after seven other writes", func(k *kit, key session.StoreKey) session.Token {
		token := k.acquired(key)
		k.written(key, k.record(""), token, remembered-1)
		return token
	}},
}

// wantNoEffect repeats a write at either store, with and without Repeat, and
// reports any other answer than nil and any effect. The repeats carry other
// data, which must not be seen.
func (k *kit) wantNoEffect(what string, key session.StoreKey, rec session.Record, holder session.Token, again func(caller, session.Record) error) {
	k.Helper()
	before := k.loaded(key)
	rec.Data, rec.Owner = []byte("repeated"), "repeated"
	for _, s := range k.both() {
		k.expect(again(s, repeated(rec)), what, nil)
		k.expect(again(s, rec), what+", without Repeat", nil)
	}
	k.wantStored(key, before)
	k.wantHolder(key, holder)
	k.wantNear(what+": ExpiresIn", k.loaded(key).ExpiresIn, before.ExpiresIn)
}

func repeatedSave(k *kit) {
	for _, c := range since {
		rec := k.record("first")
		key, token := k.locked(rec)
		saved := next(rec, "second")
		k.must(k.here.Save(key, saved, token, session.Commit{}))
		holder := c.do(k, key)
		k.wantNoEffect("Save repeated "+c.what, key, saved, holder, func(s caller, rec session.Record) error {
			return s.Save(key, rec, token, session.Commit{})
		})
	}
}

func repeatedSaveWithKeep(k *kit) {
	rec := k.record("first")
	key, token := k.locked(rec)
	saved := next(rec, "second")
	k.must(k.here.Save(key, saved, token, session.Commit{Keep: lease}))
	again := func(s caller, rec session.Record) error {
		return s.Save(key, rec, token, session.Commit{Keep: lease})
	}
	k.wantNoEffect("Save repeated by the holder", key, saved, token, again)

	// A late repeat does not undo the holder's later writes.
	k.written(key, rec, token, remembered-1)
	k.wantNoEffect("Save repeated by the holder after seven other writes", key, saved, token, again)

	// Nor does it lock for whom has let go.
	k.must(k.here.Release(key, token))
	k.wantNoEffect("Save repeated after Release", key, saved, nobody, again)
	other := k.acquired(key)
	k.wantNoEffect("Save repeated when another has locked", key, saved, other, again)
}

func repeatedHandOff(k *kit) {
	rec := k.record("first")
	key, token := k.locked(rec)
	heir := session.NewToken()
	saved := next(rec, "second")
	how := session.Commit{Keep: lease, Next: heir}
	again := func(s caller, rec session.Record) error { return s.Save(key, rec, token, how) }
	k.must(k.here.Save(key, saved, token, how))
	k.wantNoEffect("Save with Next repeated", key, saved, heir, again)
	k.must(k.here.Save(key, next(rec, "the heir's"), heir, session.Commit{}))
	k.wantNoEffect("Save with Next repeated when the heir has saved", key, saved, nobody, again)
}

func repeatedSwap(k *kit) {
	for _, c := range since {
		rec := k.record("first")
		key := k.stored(rec)
		swapped := next(rec, "second")
		k.must(k.here.Swap(key, swapped, rec.Write))
		holder := c.do(k, key)
		k.wantNoEffect("Swap repeated "+c.what, key, swapped, holder, func(s caller, again session.Record) error {
			return s.Swap(key, again, rec.Write)
		})
	}
}

func repeatedCreate(k *kit) {
	for _, c := range since {
		rec := k.record("first")
		key := k.stored(rec)
		holder := c.do(k, key)
		k.wantNoEffect("Create repeated "+c.what, key, rec, holder, func(s caller, rec session.Record) error {
			return s.Create(key, rec, nobody, 0)
		})
	}

	rec := k.record("first")
	key, token := k.locked(rec)
	again := func(s caller, rec session.Record) error { return s.Create(key, rec, token, lease) }
	k.wantNoEffect("Create with a token repeated", key, rec, token, again)
	k.must(k.here.Save(key, next(rec, "second"), token, session.Commit{}))
	k.wantNoEffect("Create with a token repeated after the holder's Save", key, rec, nobody, again)
}

// knownWithoutRepeat: the first attempt itself may arrive twice, by a retry
// that its caller does not know of.
func knownWithoutRepeat(k *kit) {
	rec := k.record("first")
	key, token := k.locked(rec)
	writes := []session.Record{rec}
	for range remembered - 1 {
		rec = next(rec, "another write")
		k.must(k.here.Save(key, rec, token, session.Commit{Keep: lease}))
		writes = append(writes, rec)
	}
	k.must(k.here.Release(key, token))
	for _, w := range writes {
		k.expect(k.there.Save(key, w, token, session.Commit{}), "Save with a remembered WriteID", nil)
		k.expect(k.there.Swap(key, w, session.NewWriteID()), "Swap with a remembered WriteID", nil)
		k.expect(k.there.Create(key, w, nobody, 0), "Create with a remembered WriteID", nil)
	}
	k.wantStored(key, rec)
}

func overtaken(k *kit) {
	rec := k.record("first")
	key, token := k.locked(rec)
	saved := next(rec, "second")
	k.expect(k.here.Save(key, repeated(saved), token, session.Commit{}), "the repeat of a Save", nil)
	k.wantStored(key, saved)
	last := next(rec, "another's")
	k.must(k.here.Save(key, last, k.acquired(key), session.Commit{}))
	k.expect(k.there.Save(key, saved, token, session.Commit{}), "its first attempt, late", nil)
	k.wantStored(key, last)

	swapped := next(rec, "third")
	k.expect(k.here.Swap(key, repeated(swapped), last.Write), "the repeat of a Swap", nil)
	k.wantStored(key, swapped)
	newest := next(rec, "another's again")
	k.must(k.here.Swap(key, newest, swapped.Write))
	k.expect(k.there.Swap(key, swapped, last.Write), "its first attempt, late", nil)
	k.wantStored(key, newest)

	created := k.record("created")
	fresh := newKey()
	k.expect(k.here.Create(fresh, repeated(created), nobody, 0), "the repeat of a Create", nil)
	k.wantStored(fresh, created)
	k.expect(k.there.Create(fresh, created, nobody, 0), "its first attempt, late", nil)
	k.wantStored(fresh, created)
}

func firstAttemptLost(k *kit) {
	rec := k.record("first")
	key, token := k.locked(rec)
	k.written(key, rec, token, 2*remembered)
	saved := next(rec, "saved")
	k.expect(k.here.Save(key, repeated(saved), token, session.Commit{Keep: lease}), "Save", nil)
	k.wantStored(key, saved)
	k.wantHolder(key, token)

	k.must(k.here.Release(key, token))
	swapped := next(rec, "swapped")
	k.expect(k.here.Swap(key, repeated(swapped), saved.Write), "Swap", nil)
	k.wantStored(key, swapped)

	created := k.record("created")
	fresh := newKey()
	k.expect(k.here.Create(fresh, repeated(created), token, lease), "Create", nil)
	k.wantStored(fresh, created)
	k.wantHolder(fresh, token)
}

// twice runs a write twice at once, at the two stores, one of them marked as
// a repeat, and a third party besides. Both attempts must be nil.
func (k *kit) twice(what string, rec session.Record, write func(caller, session.Record) error, third func()) {
	k.Helper()
	k.together(3, func(i int) {
		switch i {
		case 0:
			k.expect(write(k.here, rec), what, nil)
		case 1:
			k.expect(write(k.there, repeated(rec)), what+", repeated", nil)
		case 2:
			third()
		}
	})
}

const overlaps = 25 // how often each write is run twice at once

func overlappingSaves(k *kit) {
	for range overlaps {
		rec := k.record("first")
		key, token := k.locked(rec)
		saved, last := next(rec, "second"), next(rec, "the next holder's")
		k.twice("Save", saved, func(s caller, rec session.Record) error {
			return s.Save(key, rec, token, session.Commit{})
		}, func() {
			// Whatever of the two comes after this must not undo it.
			other := session.NewToken()
			if got, ok := k.turn(k.there, key, other, lease); ok {
				k.wantContent("what the next holder got", got, saved)
				k.expect(k.there.Save(key, last, other, session.Commit{}), "Save by the next holder", nil)
			}
		})
		k.wantStored(key, last)
		k.wantHolder(key, nobody)
	}
}

func overlappingSwaps(k *kit) {
	for range overlaps {
		rec := k.record("first")
		key := k.stored(rec)
		swapped, last := next(rec, "second"), next(rec, "another's")
		k.twice("Swap", swapped, func(s caller, again session.Record) error {
			return s.Swap(key, again, rec.Write)
		}, func() {
			for k.loadedAt(k.here, key).Write == rec.Write && !k.Failed() {
				pause()
			}
			k.expect(k.here.Swap(key, last, swapped.Write), "Swap by another", nil)
		})
		k.wantStored(key, last)
	}
}

// loadedAt is loaded for goroutines, which may not end the check.
func (k *kit) loadedAt(s caller, key session.StoreKey) session.Record {
	rec, err := s.Load(key)
	k.expect(err, "Load", nil)
	return rec
}

func overlappingCreates(k *kit) {
	for range overlaps {
		rec := k.record("first")
		key, token := newKey(), session.NewToken()
		last := next(rec, "the holder's")
		k.twice("Create", rec, func(s caller, rec session.Record) error {
			return s.Create(key, rec, token, lease)
		}, func() {})
		k.wantStored(key, rec)
		k.wantHolder(key, token)
		k.expect(k.here.Save(key, last, token, session.Commit{}), "Save by the creator", nil)
		k.wantStored(key, last)
	}
}

func overlappingMoves(k *kit) {
	for range overlaps {
		rec := k.record("first")
		key, token := k.locked(rec)
		to := newKey()
		moved := next(rec, "moved")
		k.twice("Save with MoveTo", moved, func(s caller, rec session.Record) error {
			return s.Save(key, rec, token, session.Commit{MoveTo: to, Grace: grace})
		}, func() {
			_, err := k.there.Acquire(key, session.NewToken(), lease)
			k.expect(err, "Acquire of the old key", session.ErrLocked, session.ErrRenewed)
		})
		k.wantStored(to, moved)
		k.wantHolder(to, nobody)
		_, err := k.here.Load(key)
		k.expect(err, "Load of the old key", session.ErrRenewed)
	}
}
