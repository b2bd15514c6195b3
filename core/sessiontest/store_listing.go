package sessiontest

import (
	"context"
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
	}
}

// iteratorChecks prove what session.Iterator says.
func iteratorChecks() []check {
	return []check{
		{name: "Iterator/is there if wanted", run: func(k *kit) { k.iterators() }},
		{name: "Iterator/streams the live records of the namespace", run: iterate},
		{name: "Iterator/sees no record twice while others come and go", run: iterateAmidChanges},
		{name: "Iterator/may be left early and holds nothing", run: iterateAndLeave},
		{name: "Iterator/ends after an error", run: iterateCancelled},
	}
}

// pingerChecks prove what session.Pinger says.
func pingerChecks() []check {
	return []check{
		{name: "Pinger/is there if wanted", run: func(k *kit) { k.pingers() }},
		{name: "Pinger/answers nil while the store works", run: func(k *kit) {
			for _, p := range k.pingers() {
				ctx, cancel := inTime()
				k.expect(p.Ping(ctx), "Ping", nil)
				cancel()
			}
		}},
	}
}

func (k *kit) ownerIndexes() [2]session.OwnerIndex {
	k.Helper()
	return wanted[session.OwnerIndex](k, "OwnerIndex", k.want.OwnerIndex)
}

func (k *kit) iterators() [2]session.Iterator {
	k.Helper()
	return wanted[session.Iterator](k, "Iterator", k.want.Iterator)
}

func (k *kit) pingers() [2]session.Pinger {
	k.Helper()
	return wanted[session.Pinger](k, "Pinger", k.want.Pinger)
}

// optionalCalls are kit.calls of the optional interfaces that are there.
func (k *kit) optionalCalls() []call {
	k.Helper()
	var all []call
	if _, ok := k.Store.(session.OwnerIndex); ok {
		rec := k.record("content")
		rec.Owner = "somebody to be removed"
		k.stored(rec)
		all = append(all,
			call{"ListOwner", func(ctx context.Context, s session.Store) error {
				_, err := s.(session.OwnerIndex).ListOwner(ctx, k.namespace, rec.Owner)
				return err
			}},
			call{"RemoveOwner", func(ctx context.Context, s session.Store) error {
				_, err := s.(session.OwnerIndex).RemoveOwner(ctx, k.namespace, rec.Owner, session.EndRevoked)
				return err
			}})
	}
	if _, ok := k.Store.(session.Iterator); ok {
		all = append(all, call{"All", func(ctx context.Context, s session.Store) error {
			for _, err := range s.(session.Iterator).All(ctx, k.namespace) {
				if err != nil {
					return err
				}
			}
			return nil
		}})
	}
	if _, ok := k.Store.(session.Pinger); ok {
		all = append(all, call{"Ping", func(ctx context.Context, s session.Store) error {
			return s.(session.Pinger).Ping(ctx)
		}})
	}
	return all
}

// list returns what an OwnerIndex says of an owner.
func (k *kit) list(o session.OwnerIndex, namespace, owner string) []session.Info {
	k.Helper()
	ctx, cancel := inTime()
	defer cancel()
	got, err := o.ListOwner(ctx, namespace, owner)
	k.must(err)
	return got
}

// all returns what an Iterator yields.
func (k *kit) all(it session.Iterator, namespace string) map[session.StoreKey]session.Info {
	k.Helper()
	ctx, cancel := inTime()
	defer cancel()
	seen := make(map[session.StoreKey]session.Info)
	for info, err := range it.All(ctx, namespace) {
		k.must(err)
		if _, ok := seen[info.Key]; ok {
			k.Error("All yielded a record twice")
		}
		seen[info.Key] = info
	}
	return seen
}

// listings returns the keys of the kit's owner and namespace by every way of
// listing them that the stores have.
func (k *kit) listings() map[string]map[session.StoreKey]bool {
	k.Helper()
	listings := make(map[string]map[session.StoreKey]bool)
	for i, s := range k.both() {
		if it, ok := s.store.(session.Iterator); ok {
			keys := make(map[session.StoreKey]bool)
			for key := range k.all(it, k.namespace) {
				keys[key] = true
			}
			listings["All at store "+string(rune('1'+i))] = keys
		}
		if o, ok := s.store.(session.OwnerIndex); ok {
			keys := make(map[session.StoreKey]bool)
			for _, info := range k.list(o, k.namespace, owner) {
				keys[info.Key] = true
			}
			listings["ListOwner at store "+string(rune('1'+i))] = keys
		}
	}
	return listings
}

// wantListed reports a key of the kit's owner that a listing leaves out.
func (k *kit) wantListed(key session.StoreKey) {
	k.Helper()
	for name, keys := range k.listings() {
		if !keys[key] {
			k.Errorf("%s leaves out a live record", name)
		}
	}
}

// wantUnlisted reports a key that a listing shows.
func (k *kit) wantUnlisted(key session.StoreKey) {
	k.Helper()
	for name, keys := range k.listings() {
		if keys[key] {
			k.Errorf("%s shows a record that is not live", name)
		}
	}
}

// wantInfo reports an Info that does not fit the record.
func (k *kit) wantInfo(info session.Info, key session.StoreKey, rec session.Record, locked bool) {
	k.Helper()
	if info.Key != key || info.Owner != rec.Owner || info.Size != len(rec.Data) || info.Locked != locked {
		k.Errorf("the listing has owner %q, size %d, locked %v and the right key: %v, want %q, %d, %v",
			info.Owner, info.Size, info.Locked, info.Key == key, rec.Owner, len(rec.Data), locked)
	}
	got := k.loaded(key)
	if !info.Created.Equal(got.Created) {
		k.Errorf("the listing has Created %v, want %v", info.Created, got.Created)
	}
	k.wantNear("ExpiresIn in the listing", info.ExpiresIn, got.ExpiresIn)
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

func iterate(k *kit) {
	stores := k.iterators()
	expired := k.reported("expired")
	expired.IdleTimeout, expired.Refresh, expired.Lifetime = 0, 0, 30*time.Second
	k.stored(expired)
	k.Advance(time.Minute)
	k.must(k.here.Remove(k.stored(k.reported("ended")), nobody, session.EndRevoked))
	elsewhere := k.record("elsewhere")
	elsewhere.Namespace = k.namespace + "-other"
	elsewhereKey := k.stored(elsewhere)

	want := make(map[session.StoreKey]session.Record)
	for i := range 250 {
		rec := k.record(string(make([]byte, i)))
		want[k.stored(rec)] = rec
	}
	never := k.record("never expires")
	never.IdleTimeout, never.Lifetime = 0, 0
	want[k.stored(never)] = never
	held := k.record("held")
	heldKey, _ := k.locked(held)
	want[heldKey] = held

	for _, it := range stores {
		got := k.all(it, k.namespace)
		if len(got) != len(want) {
			k.Errorf("All yielded %d records, want %d", len(got), len(want))
		}
		checked := 0
		for key, info := range got {
			rec, ok := want[key]
			if !ok {
				k.Error("All yielded a record that is not live or not of the namespace")
				continue
			}
			if checked++; checked < 20 || key == heldKey {
				k.wantInfo(info, key, rec, key == heldKey)
			}
		}
		if got := k.all(it, elsewhere.Namespace); len(got) != 1 || got[elsewhereKey].Key != elsewhereKey {
			k.Errorf("All of the other namespace yielded %d records, want its own one", len(got))
		}
		if got := k.all(it, k.namespace+"-none"); len(got) != 0 {
			k.Errorf("All of an empty namespace yielded %d records", len(got))
		}
	}
}

func iterateAmidChanges(k *kit) {
	stores := k.iterators()
	staying := make(map[session.StoreKey]bool)
	var going []session.StoreKey
	for range 60 {
		staying[k.stored(k.record("stays"))] = true
		going = append(going, k.stored(k.record("goes")))
	}
	k.together(4, func(i int) {
		if i < 2 {
			for range 3 {
				ctx, cancel := inTime()
				seen, stayed := make(map[session.StoreKey]bool), 0
				for info, err := range stores[i].All(ctx, k.namespace) {
					k.expect(err, "All", nil)
					if seen[info.Key] {
						k.Error("All yielded a record twice")
					}
					seen[info.Key] = true
					if staying[info.Key] {
						stayed++
					}
				}
				cancel()
				if stayed != len(staying) {
					k.Errorf("All yielded %d of the %d records that were there all the time", stayed, len(staying))
				}
			}
			return
		}
		for j, key := range going {
			if j%2 == i%2 {
				k.expect(k.both()[i%2].Remove(key, nobody, session.EndDelete), "Remove", nil)
				k.expect(k.both()[i%2].Create(newKey(), k.record("comes"), nobody, 0), "Create", nil)
			}
		}
		for key := range staying { // what is written while it is listed is still one record
			rec, err := k.both()[i%2].Load(key)
			k.expect(err, "Load", nil)
			k.expect(k.both()[i%2].Swap(key, k.record("written"), rec.Write), "Swap", nil, session.ErrConflict)
		}
	})
}

func iterateAndLeave(k *kit) {
	stores := k.iterators()
	for range 3 {
		k.stored(k.record("content"))
	}
	for i := range 100 {
		ctx, cancel := inTime()
		for info, err := range stores[i%2].All(ctx, k.namespace) {
			k.must(err)
			// What is listed can be worked with at once, by either store.
			rec, err := k.both()[i/2%2].Load(info.Key)
			k.expect(err, "Load of a listed record", nil)
			k.expect(k.both()[i/2%2].Swap(info.Key, next(rec, "written"), rec.Write), "Swap of a listed record", nil)
			break
		}
		cancel()
	}
	k.wantAllWork()
}

func iterateCancelled(k *kit) {
	stores := k.iterators()
	for range 120 {
		k.stored(k.record("content"))
	}
	for _, it := range stores {
		ctx, cancel := context.WithCancel(context.Background())
		var failed error
		for _, err := range it.All(ctx, k.namespace) {
			if failed != nil {
				k.Fatal("All went on after an error")
			}
			failed = err
			cancel()
		}
		cancel()
		k.expect(failed, "All when its context ends", cancelled...)
	}
}
