package sessiontest

import (
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// ownerIndexChecks prove what session.OwnerIndex says.
func ownerIndexChecks() []check {
	return []check{
		{name: "OwnerIndex/is there if wanted", run: func(k *kit) { k.ownerIndexes() }},
		{name: "OwnerIndex/lists an owner's live records, oldest first", run: listOwner},
		{name: "OwnerIndex/follows the owner through writes and moves", run: listOwnerFollows},
		{name: "OwnerIndex/lists nobody's records under no owner", run: listNobodys},
		{name: "OwnerIndex/removes an owner's records but those excepted", run: removeOwner},
		{name: "OwnerIndex/removes with a reason that is reported", run: removeOwnerReason},
		{name: "OwnerIndex/lists a record once throughout its moves", run: listOwnerAmidMoves},
		{name: "OwnerIndex/removes a record that moves", run: removeOwnerAmidMoves},
	}
}

func listOwner(k *kit) {
	stores := k.ownerIndexes()
	expired := k.record("expired")
	expired.IdleTimeout, expired.Refresh, expired.Lifetime = 0, 0, 30*time.Second
	expired.Events = true
	k.stored(expired)
	var keys []session.StoreKey
	var recs []session.Record
	for i := range 5 {
		rec := k.record(string(make([]byte, 10*i)))
		keys, recs = append(keys, k.stored(rec)), append(recs, rec)
		k.Advance(10 * time.Second)
	}
	never := k.record("never expires")
	never.IdleTimeout, never.Lifetime = 0, 0
	keys, recs = append(keys, k.stored(never)), append(recs, never)

	k.must(k.here.Remove(k.stored(k.reported("ended")), nobody, session.EndRevoked))
	elsewhere, theirs := k.record("elsewhere"), k.record("theirs")
	elsewhere.Namespace = k.namespace + "-other"
	theirs.Owner = "somebody else"
	elsewhereKey, theirKey := k.stored(elsewhere), k.stored(theirs)
	k.acquired(keys[2])

	for _, o := range stores {
		got := k.list(o, k.namespace, owner)
		if len(got) != len(keys) {
			k.Fatalf("ListOwner returned %d records, want %d", len(got), len(keys))
		}
		for i, info := range got {
			k.wantInfo(info, keys[i], recs[i], i == 2)
		}
		if got := k.list(o, elsewhere.Namespace, owner); len(got) != 1 || got[0].Key != elsewhereKey {
			k.Errorf("ListOwner of the other namespace returned %d records, want its own one", len(got))
		}
		if got := k.list(o, k.namespace, "somebody else"); len(got) != 1 || got[0].Key != theirKey {
			k.Errorf("ListOwner of the other owner returned %d records, want theirs", len(got))
		}
		if got := k.list(o, k.namespace, "nobody we know"); len(got) != 0 {
			k.Errorf("ListOwner of an unknown owner returned %d records", len(got))
		}
	}
	k.Advance(lease + slack)
	if got := k.list(stores[0], k.namespace, owner); len(got) == len(keys) && got[2].Locked {
		k.Error("ListOwner says Locked of a lock that has lapsed")
	}
}

func listOwnerFollows(k *kit) {
	stores := k.ownerIndexes()
	want := func(owner string, keys ...session.StoreKey) {
		k.Helper()
		for _, o := range stores {
			got := k.list(o, k.namespace, owner)
			if len(got) != len(keys) {
				k.Errorf("%q has %d records, want %d", owner, len(got), len(keys))
				continue
			}
			for i, info := range got {
				if info.Key != keys[i] {
					k.Errorf("%q has another record than expected", owner)
				}
			}
		}
	}
	rec := k.record("anonymous")
	rec.Owner = ""
	key := k.stored(rec)
	want("ann")
	login := next(rec, "login")
	login.Owner = "ann"
	to := newKey()
	k.must(k.here.Save(key, login, k.acquired(key), session.Commit{MoveTo: to, Grace: grace}))
	want("ann", to)
	change := next(rec, "change")
	change.Owner = "bob"
	k.must(k.here.Swap(to, change, login.Write))
	want("ann")
	want("bob", to)
	k.must(k.here.Remove(to, nobody, session.EndDelete))
	want("bob")
}

func listNobodys(k *kit) {
	stores := k.ownerIndexes()
	rec := k.record("nobody's")
	rec.Owner = ""
	key := k.stored(rec)
	for _, o := range stores {
		if got := k.list(o, k.namespace, ""); len(got) != 0 {
			k.Errorf("ListOwner of no owner returned %d records", len(got))
		}
		k.wantOwnerRemoved(o, "", session.EndRevoked, 0)
	}
	k.wantStored(key, rec)
}

// wantOwnerRemoved calls RemoveOwner and reports unless it ended n records.
func (k *kit) wantOwnerRemoved(o session.OwnerIndex, owner string, reason session.EndReason, n int, except ...session.StoreKey) {
	k.Helper()
	ctx, cancel := inTime()
	defer cancel()
	got, err := o.RemoveOwner(ctx, k.namespace, owner, reason, except...)
	k.must(err)
	if got != n {
		k.Errorf("RemoveOwner ended %d records, want %d", got, n)
	}
}

func removeOwner(k *kit) {
	for _, o := range k.ownerIndexes() {
		rec := k.record("content")
		elsewhere, theirs := rec, rec
		elsewhere.Namespace = k.namespace + "-other"
		theirs.Owner = "somebody else"
		elsewhereKey, theirKey := k.stored(elsewhere), k.stored(theirs)
		free, kept, kept2 := k.stored(rec), k.stored(rec), k.stored(rec)
		held, token := k.locked(rec)
		k.wantOwnerRemoved(o, owner, session.EndDelete, 2, kept, newKey(), kept2, theirKey)
		k.wantGone(free)
		k.wantGone(held)
		k.expect(k.here.Save(held, next(rec, "late"), token, session.Commit{}), "Save by the holder", session.ErrLockLost)
		k.wantStored(kept, rec)
		k.wantStored(kept2, rec)
		k.wantStored(theirKey, theirs)
		k.wantStored(elsewhereKey, elsewhere)
		k.wantOwnerRemoved(o, owner, session.EndDelete, 0, kept, kept2)
		k.wantOwnerRemoved(o, owner, session.EndDelete, 2)
		k.wantOwnerRemoved(o, owner, session.EndDelete, 0)
		k.wantGone(kept)
	}
}

func removeOwnerReason(k *kit) {
	for _, o := range k.ownerIndexes() {
		quiet := k.stored(k.record("without Events"))
		rec := k.reported("with Events")
		key, _ := k.locked(rec)
		deleted := k.reported("deleted")
		deleted.Owner = "somebody else"
		deletedKey := k.stored(deleted)
		k.wantOwnerRemoved(o, "somebody else", session.EndDelete, 1)
		k.wantOwnerRemoved(o, owner, session.EndRevoked, 2)
		k.wantOwnerRemoved(o, owner, session.EndAbandoned, 0)
		k.wantGone(quiet)
		k.wantGone(deletedKey)
		k.wantGone(key)
		claim := k.wantReaped(key, rec, session.EndRevoked, 1)
		k.must(k.here.Remove(key, claim, session.EndDelete))
	}
}
