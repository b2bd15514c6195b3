package sessiontest

import (
	"context"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

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
