package sessiontest

import (
	"strconv"
	"sync"

	session "github.com/sessionstate/sessionstate/core"
)

// reapChecks prove what S12 says of Reap.
func reapChecks() []check {
	return []check{
		{name: "S12/Reap returns what has expired, with its record and attempts", run: reapExpired},
		{name: "S12/Reap leaves what lives alone", run: reapLeavesLive},
		{name: "S12/Reap keeps to its namespace", run: reapNamespace},
		{name: "S12/Reap claims no more than its limit", run: reapLimit},
		{name: "S12/Reap with limit 0 does nothing", run: reapNothing},
		{name: "S12/Reap goes by the Events stored last", run: reapLatestEvents},
		{name: "S12/Reap in bulk deletes what has no Events and nothing else", run: reapInBulk},
		{name: "S12/each end goes to one caller only", run: reapTogether},
		{name: "S12/a claim that lapses goes to one caller again", run: reapTogetherAgain},
		{name: "S12/a call of Reap claims one end of a key", run: reapOneOfAKey},
	}
}

func reapExpired(k *kit) {
	rec := k.reported("first")
	key := k.stored(rec)
	created := k.loaded(key).Created
	saved := next(rec, "as last stored")
	saved.Owner = "somebody else"
	k.must(k.here.Save(key, saved, k.acquired(key), session.Commit{}))
	k.wantNothingToReap()
	k.Advance(idle + refresh + slack)
	for attempt := 1; attempt <= 3; attempt++ {
		k.wantReaped(key, saved, session.EndExpired, attempt)
		k.wantNothingToReap()
		k.Advance(lease + slack)
	}
	got, _ := k.reaped(k.here)
	if len(got) != 1 {
		k.Fatalf("Reap returned %d records, want 1", len(got))
	}
	// Created has aged with the rest by Advance, if it has not stood still.
	if now := k.loaded(k.stored(rec)).Created; !got[0].Record.Created.Before(now) || got[0].Record.Created.After(created) {
		k.Errorf("the claimed record was created at %v, want %v or as much before it as it has aged",
			got[0].Record.Created, created)
	}
}

func reapLeavesLive(k *kit) {
	free := k.reported("free")
	freeKey := k.stored(free)
	k.Advance(idle)
	held := k.reported("held")
	heldKey, holder := newKey(), session.NewToken()
	held.IdleTimeout, held.Refresh = lease, 0
	k.must(k.here.Create(heldKey, held, holder, 10*lease))
	k.Advance(refresh / 2)
	k.wantNothingToReap()
	k.must(k.here.Touch(freeKey))
	k.Advance(2 * lease) // the held record is past its expiry now
	k.wantNothingToReap()
	k.wantStored(freeKey, free)
	k.wantStored(heldKey, held)
	k.wantHolder(heldKey, holder)
}

func reapNamespace(k *kit) {
	rec := k.reported("content")
	rec.Namespace = k.namespace + "-other"
	key := k.stored(rec)
	mine := k.reported("mine")
	mineKey := k.stored(mine)
	k.Advance(idle + refresh + slack)
	k.wantReaped(mineKey, mine, session.EndExpired, 1)
	got, err := k.here.Reap("", 100, session.NewToken(), lease)
	k.must(err)
	if len(got) != 0 {
		k.Errorf("Reap of the empty namespace returned %d records of others", len(got))
	}
	got, err = k.here.Reap(rec.Namespace, 100, session.NewToken(), lease)
	k.must(err)
	if len(got) != 1 || got[0].Key != key || got[0].Attempts != 1 {
		k.Errorf("Reap of the other namespace returned %d records, want its own one, claimed once", len(got))
	}
}

func reapLimit(k *kit) {
	const records = 7
	for range records {
		k.stored(k.reported("content"))
	}
	k.Advance(idle + refresh + slack)
	seen := make(map[session.StoreKey]bool)
	for i, want := range []int{1, 3, 3, 0} {
		limit := max(want, 1)
		got, err := k.both()[i%2].Reap(k.namespace, limit, session.NewToken(), lease)
		k.must(err)
		if len(got) != want {
			k.Errorf("Reap with limit %d returned %d records, want %d", limit, len(got), want)
		}
		for _, e := range got {
			if seen[e.Key] {
				k.Error("Reap returned a record twice")
			}
			seen[e.Key] = true
		}
	}
}

func reapNothing(k *kit) {
	rec := k.reported("content")
	key := k.stored(rec)
	k.Advance(idle + refresh + slack)
	got, err := k.here.Reap(k.namespace, 0, session.NewToken(), lease)
	k.must(err)
	if len(got) != 0 {
		k.Errorf("Reap with limit 0 returned %d records", len(got))
	}
	k.wantReaped(key, rec, session.EndExpired, 1)
}

func reapLatestEvents(k *kit) {
	rec := k.record("on")
	on := k.stored(rec)
	withEvents := k.reported("on")
	k.must(k.here.Save(on, withEvents, k.acquired(on), session.Commit{}))
	off := k.stored(k.reported("off"))
	k.must(k.here.Save(off, k.record("off"), k.acquired(off), session.Commit{}))
	k.Advance(idle + refresh + slack)
	k.wantReaped(on, withEvents, session.EndExpired, 1)
}

func reapInBulk(k *kit) {
	reported, revoked, elsewhere := k.reported("expired"), k.reported("revoked"), k.reported("elsewhere")
	elsewhere.Namespace = k.namespace + "-other"
	reportedKey, elsewhereKey := k.stored(reported), k.stored(elsewhere)
	var expired []session.StoreKey
	for i := range 20 {
		expired = append(expired, k.stored(k.record(strconv.Itoa(i))))
	}
	k.Advance(idle + refresh + slack)
	revokedKey := k.stored(revoked)
	k.must(k.here.Remove(revokedKey, nobody, session.EndRevoked))
	live := k.record("live")
	liveKey := k.stored(live)
	oldKey, _, to, moved := k.moved()

	// One that lives past its expiry because it is locked.
	held := k.record("held")
	held.IdleTimeout, held.Refresh = lease, 0
	heldKey, holder := newKey(), session.NewToken()
	k.must(k.here.Create(heldKey, held, holder, 4*lease))
	k.Advance(2 * lease)

	for _, s := range k.both() {
		for _, limit := range []int{-1, -1000} {
			got, err := s.Reap(k.namespace, limit, session.NewToken(), lease)
			k.must(err)
			if len(got) != 0 {
				k.Errorf("Reap with limit %d returned %d records, want none", limit, len(got))
			}
		}
	}
	for _, key := range expired {
		k.expect(k.here.Touch(key), "Touch of an expired record", session.ErrNotFound)
	}
	k.wantStored(liveKey, live)
	k.wantStored(heldKey, held)
	k.wantHolder(heldKey, holder)
	k.wantRenewed(oldKey)
	k.wantStored(to, moved)
	got, _ := k.reaped(k.here)
	if len(got) != 2 {
		k.Errorf("Reap returned %d records with Events after the bulk removal, want 2", len(got))
	}
	for _, e := range got {
		if e.Key != reportedKey && e.Key != revokedKey || e.Attempts != 1 {
			k.Errorf("Reap returned another record than those with Events, or not for the first time")
		}
	}
	// What is claimed stays as well.
	_, err := k.there.Reap(k.namespace, -1, session.NewToken(), lease)
	k.must(err)
	k.Advance(lease + slack)
	if got, _ := k.reaped(k.here); len(got) != 2 {
		k.Errorf("Reap returned %d records with Events after the bulk removal, want 2", len(got))
	}
	got, err = k.here.Reap(elsewhere.Namespace, 10, session.NewToken(), lease)
	k.must(err)
	if len(got) != 1 || got[0].Key != elsewhereKey {
		k.Errorf("Reap returned %d records of the other namespace, want 1", len(got))
	}
}

func reapTogether(k *kit) {
	k.storeEnds(40)
	k.reapAll(40, 1)
	k.wantNothingToReap()
}

func reapTogetherAgain(k *kit) {
	k.storeEnds(40)
	k.reapAll(40, 1)
	k.Advance(lease + slack)
	k.reapAll(40, 2)
	k.wantNothingToReap()
}

// reapOneOfAKey ends several records that were stored under one key, one after
// the other, if the store takes the next while an end is still to be reported.
func reapOneOfAKey(k *kit) {
	key := newKey()
	want := make(map[session.WriteID]bool)
	for i := range 4 {
		rec := k.reported(strconv.Itoa(i))
		err := k.both()[i%2].Create(key, rec, nobody, 0)
		k.expect(err, "Create", nil, session.ErrExists)
		if err != nil {
			break
		}
		k.must(k.here.Remove(key, nobody, session.EndRevoked))
		want[rec.Write] = true
	}
	for i := 0; len(want) > 0 && i < 10; i++ {
		token, claimed := session.NewToken(), make(map[session.WriteID]bool)
		for range 2 { // a repeat claims no other
			got, err := k.both()[i%2].Reap(k.namespace, 100, token, lease)
			k.must(err)
			for _, e := range got {
				claimed[e.Record.Write] = true
				if e.Key != key || !want[e.Record.Write] {
					k.Errorf("Reap returned an end that was not due")
				}
			}
		}
		if len(claimed) != 1 {
			k.Errorf("one token has claimed %d ends of a key, want 1", len(claimed))
		}
		k.expect(k.there.Extend(key, token, lease), "Extend under the claim", nil)
		k.expect(k.here.Remove(key, token, session.EndDelete), "Remove under the claim", nil)
		for write := range claimed {
			delete(want, write)
		}
		k.Advance(slack) // what one call left alone is due at the next moment
	}
	if len(want) > 0 {
		k.Errorf("%d ends were not reported", len(want))
	}
	k.wantNothingToReap()
}

// storeEnds makes n records, half of them expired and half of them ended.
func (k *kit) storeEnds(n int) {
	k.Helper()
	for range n / 2 {
		k.stored(k.reported("expired"))
	}
	k.Advance(idle + refresh + slack)
	for range n / 2 {
		k.must(k.here.Remove(k.stored(k.reported("ended")), nobody, session.EndRevoked))
	}
}

// reapAll has eight callers claim until nothing is left, and reports unless
// each of n records went to one of them, as that attempt.
func (k *kit) reapAll(n, attempt int) {
	k.Helper()
	var mu sync.Mutex
	claims := make(map[session.StoreKey]int)
	k.together(8, func(i int) {
		for range n + 1 { // and not for ever, should a store never run dry
			got, err := k.both()[i%2].Reap(k.namespace, 3, session.NewToken(), lease)
			k.expect(err, "Reap", nil)
			if len(got) == 0 {
				return
			}
			mu.Lock()
			for _, e := range got {
				claims[e.Key]++
				if e.Attempts != attempt {
					k.Errorf("a record was claimed for the %d. time, want the %d.", e.Attempts, attempt)
				}
			}
			mu.Unlock()
			if len(got) > 3 {
				k.Errorf("Reap returned %d records, want 3 at most", len(got))
			}
		}
	})
	if len(claims) != n {
		k.Errorf("%d records were claimed, want %d", len(claims), n)
	}
	for _, times := range claims {
		if times != 1 {
			k.Errorf("a record was claimed by %d callers, want 1", times)
		}
	}
}
