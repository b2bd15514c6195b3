package sessiontest

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// listOwnerAmidMoves has records move again and again while their owner's are
// listed. One that a listing leaves out, because it is neither here any more nor
// there yet, would be one too many of those that the owner may have; and one
// that it shows twice would have another's turn come.
func listOwnerAmidMoves(k *kit) {
	const records, bursts, burst = 3, 4, 4
	stores := k.ownerIndexes()
	var keys [records]session.StoreKey
	var tokens [records]session.Token
	var recs [records]session.Record
	for i := range keys {
		recs[i] = k.record("first")
		keys[i], tokens[i] = k.locked(recs[i])
		k.Advance(time.Second) // which tells them apart: a move keeps Created
	}
	var moving atomic.Int64
	moving.Store(records)
	k.together(records+2, func(i int) {
		if i >= records {
			for again := true; again; pause() {
				again = moving.Load() > 0
				k.listsOnce(stores[i-records], records)
			}
			return
		}
		defer moving.Add(-1)
		for n := range bursts * burst {
			to := newKey()
			recs[i] = next(recs[i], "moved")
			k.expect(k.both()[n%2].Save(keys[i], recs[i], tokens[i], session.Commit{MoveTo: to, Grace: grace, Keep: lease}), "Save", nil)
			keys[i] = to
			if n%burst == burst-1 {
				pause()
			}
		}
	})
	for i := range keys {
		k.wantStored(keys[i], recs[i])
	}
}

// listsOnce reports a listing that leaves out some of the kit's owner's n
// records, or shows one under two keys.
func (k *kit) listsOnce(o session.OwnerIndex, n int) {
	k.Helper()
	ctx, cancel := inTime()
	defer cancel()
	infos, err := o.ListOwner(ctx, k.namespace, owner)
	k.expect(err, "ListOwner", nil)
	created := make(map[time.Time]bool)
	for _, info := range infos {
		created[info.Created] = true
	}
	if len(infos) != n || len(created) != n {
		k.Errorf("ListOwner returned %d records, %d of them different, while all %d were moving", len(infos), len(created), n)
	}
}

// removeOwnerAmidMoves removes an owner's records while one of them moves again
// and again: it must not get away.
func removeOwnerAmidMoves(k *kit) {
	for round, o := range k.ownerIndexes() {
		rec := k.record("first")
		key, token := k.locked(rec)
		done, stop := context.WithTimeout(context.Background(), turnTimeout)
		k.together(2, func(i int) {
			if i == 1 {
				defer stop()
				pause()
				k.wantOwnerRemoved(o, owner, session.EndRevoked, 1)
				return
			}
			s := k.both()[round]
			for ; ; pause() {
				over := done.Err() != nil
				to := newKey()
				rec = next(rec, "moved")
				err := s.Save(key, rec, token, session.Commit{MoveTo: to, Grace: grace, Keep: lease})
				switch {
				case errors.Is(err, session.ErrLockLost):
					return
				case err != nil:
					k.Errorf("Save: %v", err)
					return
				case over:
					k.Error("a record of the owner's was moved after RemoveOwner had returned")
					return
				}
				key = to
			}
		})
		stop()
		if got := k.list(o, k.namespace, owner); len(got) > 0 {
			k.Errorf("%d records are left", len(got))
		}
		k.wantGone(key)
	}
}
