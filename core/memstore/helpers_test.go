package memstore

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

const (
	lease = 15 * time.Second
	idle  = 20 * time.Minute
	slack = time.Minute
)

var nobody session.Token

// bubble is a store in a synctest bubble, and the shorthand to use it.
type bubble struct {
	*testing.T
	*Store
	keys uint64
}

// inBubble runs f with a new store and synthetic time. When f returns, the
// store's indexes must agree with each other.
func inBubble(t *testing.T, f func(b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{T: t, Store: New()}
		f(b)
		checkIndexes(t, b.Store)
	})
}

func (b *bubble) Context() context.Context { return b.T.Context() }

// keyOf returns the nth key; those of neighbours are in different shards.
func keyOf(n uint64) (k session.StoreKey) {
	binary.BigEndian.PutUint64(k[8:], n)
	k[0] = byte(n)
	return k
}

// newRecord returns what a caller would pass, with a new WriteID.
func newRecord(data string) session.Record {
	return session.Record{
		Data: []byte(data), Namespace: "ns", IdleTimeout: idle, Refresh: slack,
		Write: session.NewWriteID(),
	}
}

// create stores rec, unlocked, under a new key.
func (b *bubble) create(rec session.Record) session.StoreKey {
	b.Helper()
	b.keys++
	k := keyOf(b.keys)
	b.is(b.Create(b.Context(), k, rec, nobody, 0), nil)
	return k
}

func (b *bubble) acquire(k session.StoreKey) session.Token {
	b.Helper()
	token := session.NewToken()
	_, err := b.Acquire(b.Context(), k, token, lease)
	b.is(err, nil)
	return token
}

func (b *bubble) save(k session.StoreKey, rec session.Record, token session.Token, how session.Commit) error {
	return b.Save(b.Context(), k, rec, token, how)
}

// is fails the test unless err is want.
func (b *bubble) is(err, want error) {
	b.Helper()
	if !errors.Is(err, want) {
		b.Fatalf("got error %v, want %v", err, want)
	}
}

// loads fails the test unless k's data is want.
func (b *bubble) loads(k session.StoreKey, want string) session.Record {
	b.Helper()
	rec, err := b.Load(b.Context(), k, false)
	b.is(err, nil)
	if string(rec.Data) != want {
		b.Fatalf("got data %q, want %q", rec.Data, want)
	}
	return rec
}

func (b *bubble) gone(k session.StoreKey) {
	b.Helper()
	_, err := b.Load(b.Context(), k, false)
	b.is(err, session.ErrNotFound)
}

// reap claims up to limit records under a new token.
func (b *bubble) reap(limit int) ([]session.Expired, session.Token) {
	b.Helper()
	token := session.NewToken()
	got, err := b.Reap(b.Context(), "ns", limit, token, lease)
	b.is(err, nil)
	return got, token
}

// purge deletes what limit < 0 deletes.
func (b *bubble) purge() {
	b.Helper()
	got, err := b.Reap(b.Context(), "ns", -1, nobody, 0)
	b.is(err, nil)
	if got != nil {
		b.Fatalf("a Reap that deletes returned %d records", len(got))
	}
}

// empty fails the test if anything is left in the store.
func (b *bubble) empty() {
	b.Helper()
	for i := range b.shards {
		s := &b.shards[i]
		if n := len(s.recs) + len(s.more) + len(s.aside) + len(s.queues) + len(s.watchers); n != 0 {
			b.Fatalf("shard %d: %d records, %d more, %d aside, %d queues, %d watched keys are left",
				i, len(s.recs), len(s.more), len(s.aside), len(s.queues), len(s.watchers))
		}
	}
	if n := len(b.owners.sets); n != 0 {
		b.Fatalf("%d owners are left", n)
	}
}

// checkIndexes verifies that records, queues and owners tell the same story.
// Nobody else may use the store meanwhile.
func checkIndexes(t testing.TB, st *Store) {
	t.Helper()
	owned := make(map[*record]bool)
	for id, set := range st.owners.sets {
		if set.id != id || len(set.members) == 0 {
			t.Errorf("the set of %v says it is %v's and has %d members", id, set.id, len(set.members))
		}
		for r := range set.members {
			owned[r] = true
			if r.owner != set {
				t.Errorf("a member of %v belongs to another set", id)
			}
		}
	}
	for i := range st.shards {
		s := &st.shards[i]
		filed := make(map[*record]bool)
		for id, q := range s.queues {
			if len(q.entries) == 0 {
				t.Errorf("an empty queue is left")
			}
			for j, e := range q.entries {
				filed[e.r] = true
				switch {
				case int(e.r.pos) != j || e.r.queueID() != id:
					t.Errorf("entry %d of %v: its record says %d of %v", j, id, e.r.pos, e.r.queueID())
				case e.at > e.r.due():
					t.Errorf("entry %d of %v is filed %v late", j, id, e.at.sub(e.r.due()))
				case j > 0 && q.entries[(j-1)/2].at > e.at:
					t.Errorf("entry %d of %v is before its parent", j, id)
				}
			}
		}
		check := func(r *record, aside bool) {
			if !filed[r] && r.due() != never {
				t.Errorf("a record is not filed")
			}
			delete(filed, r)
			if want := r.owner != nil && r.reason == 0; owned[r] != want {
				t.Errorf("a record is indexed by owner: %v, want %v", owned[r], want)
			}
			delete(owned, r)
			if aside == (s.get(r.key) == r) || st.shard(r.key) != s {
				t.Errorf("a record is in the wrong place")
			}
		}
		for r := range s.records() {
			check(r, false)
		}
		for _, rs := range s.aside {
			for _, r := range rs {
				check(r, true)
			}
		}
		if len(filed) != 0 {
			t.Errorf("%d entries of queues have no record", len(filed))
		}
	}
	if len(owned) != 0 {
		t.Errorf("%d members of owners have no record", len(owned))
	}
}

// together runs f n times at once and waits for all.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}
