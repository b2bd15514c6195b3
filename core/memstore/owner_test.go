package memstore

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
	"unique"
	"unsafe"

	session "github.com/sessionstate/sessionstate/core"
)

func (b *bubble) owned(owner string) []session.StoreKey {
	b.Helper()
	infos, err := b.ListOwner(b.Context(), "ns", owner)
	b.is(err, nil)
	var keys []session.StoreKey
	for _, info := range infos {
		if info.Owner != owner {
			b.Errorf("listed a session of %q", info.Owner)
		}
		keys = append(keys, info.Key)
	}
	return keys
}

func (b *bubble) createOwned(owner string) session.StoreKey {
	rec := newRecord("abc")
	rec.Owner = owner
	return b.create(rec)
}

func TestOwner_ListsTheLiveOldestFirst(t *testing.T) {
	inBubble(t, func(b *bubble) {
		var want []session.StoreKey
		for range 20 {
			want = append(want, b.createOwned("o"))
			time.Sleep(time.Second)
		}
		b.createOwned("other")
		elsewhere := newRecord("x")
		elsewhere.Owner, elsewhere.Namespace = "o", "elsewhere"
		b.create(elsewhere)
		b.create(newRecord("nobody's"))
		if got := b.owned("o"); !slices.Equal(got, want) {
			b.Fatalf("got %v, want %v", got, want)
		}
		if got := b.owned(""); got != nil {
			b.Fatalf("nobody owns %v", got)
		}

		b.acquire(want[0])
		infos, err := b.ListOwner(b.Context(), "ns", "o")
		b.is(err, nil)
		rec := b.loads(want[0], "abc")
		if got := infos[0]; got != (session.Info{Key: want[0], Owner: "o", Created: rec.Created,
			ExpiresIn: rec.ExpiresIn, Locked: true, Size: 3}) {
			b.Fatalf("got %+v", got)
		}
	})
}

func TestOwner_FollowsSaveMoveAndEnd(t *testing.T) {
	inBubble(t, func(b *bubble) {
		k, to := b.create(newRecord("a")), keyOf(1000)
		rec := newRecord("b")
		rec.Owner = "o"
		b.is(b.save(k, rec, b.acquire(k), session.Commit{MoveTo: to, Grace: time.Minute}), nil)
		if got := b.owned("o"); !slices.Equal(got, []session.StoreKey{to}) {
			b.Fatalf("after the login: %v", got)
		}
		rec = newRecord("c")
		rec.Owner = "p"
		b.is(b.Swap(b.Context(), to, rec, b.loads(to, "b").Write), nil)
		if got := b.owned("o"); got != nil {
			b.Fatalf("after the change: %v", got)
		}
		if len(b.owners.sets) != 1 {
			b.Fatal("the former owner's set is left")
		}
		time.Sleep(idle + slack)
		if got := b.owned("p"); got != nil {
			b.Fatalf("expired: %v", got)
		}
		b.purge()
		b.empty()
	})
}

// A dead record reports its owner, but is not listed, nor does its end
// disturb the owner's new sessions.
func TestOwner_OfAnEndedRecord(t *testing.T) {
	inBubble(t, func(b *bubble) {
		rec := newRecord("a")
		rec.Owner, rec.Events = "o", true
		k := b.create(rec)
		b.is(b.Remove(b.Context(), k, nobody, session.EndRevoked), nil)
		if len(b.owners.sets) != 0 {
			b.Fatal("an owner without live sessions is left")
		}
		next := b.createOwned("o")
		got, token := b.reap(1)
		if len(got) != 1 || got[0].Record.Owner != "o" {
			b.Fatalf("got %+v", got)
		}
		b.is(b.Remove(b.Context(), k, token, session.EndDelete), nil)
		if got := b.owned("o"); !slices.Equal(got, []session.StoreKey{next}) {
			b.Fatalf("got %v", got)
		}
	})
}

func TestOwner_RemoveAllBut(t *testing.T) {
	inBubble(t, func(b *bubble) {
		var keys []session.StoreKey
		for range 5 {
			keys = append(keys, b.createOwned("o"))
		}
		token := b.acquire(keys[1])
		other := b.createOwned("other")
		n, err := b.RemoveOwner(b.Context(), "ns", "o", session.EndDelete, keys[3], other)
		b.is(err, nil)
		if got := b.owned("o"); n != 4 || !slices.Equal(got, keys[3:4]) {
			b.Fatalf("removed %d, left %v", n, got)
		}
		b.is(b.save(keys[1], newRecord("x"), token, session.Commit{}), session.ErrLockLost)
		b.loads(other, "abc")
		n, err = b.RemoveOwner(b.Context(), "ns", "o", session.EndRevoked)
		b.is(err, nil)
		if n != 1 {
			b.Fatalf("removed %d", n)
		}
		b.is(b.Remove(b.Context(), other, nobody, session.EndDelete), nil)
		b.purge()
		b.empty()
	})
}

// errHook is a context that calls f whenever somebody asks whether it has
// ended: the way to get in between the steps of a listing.
type errHook struct {
	context.Context
	f func()
}

func (c errHook) Err() error {
	c.f()
	return c.Context.Err()
}

// A session that changes its ID just when its owner's sessions are looked at
// is neither missed nor spared.
func TestOwner_MovesDoNotSlipThrough(t *testing.T) {
	for _, grace := range []time.Duration{0, time.Minute} {
		inBubble(t, func(b *bubble) {
			k := b.createOwned("o")
			calls := 0
			ctx := errHook{b.Context(), func() {
				if calls++; calls%2 != 0 || calls > 6 {
					return // between being listed and being visited, three times
				}
				rec := newRecord("abc")
				rec.Owner = "o"
				to := keyOf(uint64(1000 + calls))
				b.is(b.save(k, rec, b.acquire(k), session.Commit{MoveTo: to, Grace: grace}), nil)
				k = to
			}}
			infos, err := b.ListOwner(ctx, "ns", "o")
			b.is(err, nil)
			if calls <= 6 || len(infos) != 1 || infos[0].Key != k {
				b.Fatalf("listed %v in %d calls", infos, calls)
			}
			calls = 0
			keyBefore := k
			ctx.f = func() {
				if calls++; calls != 2 {
					return
				}
				rec := newRecord("abc")
				rec.Owner = "o"
				b.is(b.save(k, rec, b.acquire(k), session.Commit{MoveTo: keyOf(2000), Grace: grace}), nil)
				k = keyOf(2000)
			}
			n, err := b.RemoveOwner(ctx, "ns", "o", session.EndRevoked)
			b.is(err, nil)
			if n != 1 || k == keyBefore {
				b.Fatalf("removed %d", n)
			}
			b.gone(k)
			time.Sleep(time.Minute)
			b.purge()
			b.empty()
		})
	}
}

func TestOwner_NameDoesNotPinABiggerString(t *testing.T) {
	st := New()
	big := strings.Repeat("x", 1<<20) + "alice"
	r := &record{policy: unique.Make(policy{namespace: "ns"})}
	st.owners.setOwner(r, big[1<<20:])
	if r.ownerName() != "alice" || unsafe.StringData(r.ownerName()) == unsafe.StringData(big[1<<20:]) {
		t.Fatal("the owner's name is a part of the caller's string")
	}
}
