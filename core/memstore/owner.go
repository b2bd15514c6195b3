package memstore

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	session "github.com/sessionstate/sessionstate/core"
)

type ownerID struct{ namespace, owner string }

// ownerSet is the live, and perhaps some expired, records of one owner.
type ownerSet struct {
	id      ownerID
	members map[*record]struct{}
}

// owners finds records by owner. Only owned records are in it, and only their
// creation, end and change of owner touch it, so one mutex serves all shards.
// It is taken inside a shard's lock, never the other way round.
type owners struct {
	mu   sync.Mutex
	sets map[ownerID]*ownerSet // mu protects it and all members
}

// add makes r, which is nobody's, the owner's.
func (o *owners) add(r *record, owner string) {
	id := ownerID{r.policy.Value().namespace, owner}
	o.mu.Lock()
	defer o.mu.Unlock()
	set := o.sets[id]
	if set == nil {
		if o.sets == nil {
			o.sets = make(map[ownerID]*ownerSet)
		}
		// The clone keeps a part of some bigger string from keeping all of it.
		id.owner = strings.Clone(owner)
		set = &ownerSet{id, make(map[*record]struct{})}
		o.sets[id] = set
	}
	set.members[r] = struct{}{}
	r.owner = set
}

// remove takes r out, if it is in. r.owner stays, for what is reported of it.
func (o *owners) remove(r *record) {
	if r.owner == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(r.owner.members, r)
	// A dead record's set may have been given up, and a new one begun, before.
	if len(r.owner.members) == 0 && o.sets[r.owner.id] == r.owner {
		delete(o.sets, r.owner.id)
	}
}

// replace puts next in the place of r.
func (o *owners) replace(r, next *record) {
	if r.owner == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(r.owner.members, r)
	r.owner.members[next] = struct{}{}
}

// list returns the members of a set at one moment.
func (o *owners) list(id ownerID) []*record {
	o.mu.Lock()
	defer o.mu.Unlock()
	set := o.sets[id]
	if set == nil {
		return nil
	}
	rs := make([]*record, 0, len(set.members))
	for r := range set.members {
		rs = append(rs, r)
	}
	return rs
}

// setOwner makes r the owner's.
func (o *owners) setOwner(r *record, owner string) {
	if r.ownerName() == owner {
		return
	}
	o.remove(r)
	r.owner = nil
	if owner != "" {
		o.add(r, owner)
	}
}

// ListOwner implements session.OwnerIndex.
func (st *Store) ListOwner(ctx context.Context, namespace, owner string) ([]session.Info, error) {
	var infos []session.Info
	err := st.eachOwned(ctx, ownerID{namespace, owner},
		func() { infos = infos[:0] },
		func(_ *shard, r *record, now instant) { infos = append(infos, st.info(r, now)) })
	if err != nil {
		return nil, failed("list owner", err)
	}
	slices.SortFunc(infos, func(a, b session.Info) int {
		return cmp.Or(a.Created.Compare(b.Created), bytes.Compare(a.Key[:], b.Key[:]))
	})
	return infos, nil
}

// RemoveOwner implements session.OwnerIndex.
func (st *Store) RemoveOwner(ctx context.Context, namespace, owner string, reason session.EndReason, except ...session.StoreKey) (int, error) {
	n := 0
	err := st.eachOwned(ctx, ownerID{namespace, owner}, func() {},
		func(s *shard, r *record, _ instant) {
			if !slices.Contains(except, r.key) {
				st.remove(s, r, session.Token{}, reason)
				n++
			}
		})
	if err != nil {
		return n, failed("remove owner", err)
	}
	return n, nil
}

// eachOwned calls visit for every live record of an owner, under its shard's
// lock. It calls begin first, and again when it has to start over: a record
// that moved between being listed and being visited must not slip through,
// least of all where an owner's sessions are revoked.
func (st *Store) eachOwned(ctx context.Context, id ownerID, begin func(), visit func(*shard, *record, instant)) error {
	for again := true; again; {
		again = false
		begin()
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, r := range st.owners.list(id) {
			if err := ctx.Err(); err != nil {
				return err
			}
			s := st.lock(r.key)
			now := st.now()
			switch {
			case r.moved:
				again = true
			case s.get(r.key) == r && r.live(now) && r.ownerName() == id.owner:
				visit(s, r, now)
			}
			s.mu.Unlock()
		}
	}
	return nil
}
