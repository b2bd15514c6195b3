package sessiontest

import (
	"context"

	session "github.com/sessionstate/sessionstate/core"
)

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
