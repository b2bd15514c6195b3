package sessiontest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// backing is what the Managers of an act store in: a store, with the calls
// counted, faults injected, and hooks of the act's own.
type backing struct {
	session.Store
	plain   session.Store // without all that
	faults  *Faults
	counter *Counter

	mu    sync.Mutex
	hooks map[Op]func(context.Context) error
}

// newBacking makes a backing on a store of its own.
func (st *stage) newBacking() *backing {
	st.Helper()
	b := &backing{hooks: make(map[Op]func(context.Context) error)}
	if st.want.Store != nil {
		b.plain = st.want.Store(st)
	} else {
		b.plain = memstore.New()
	}
	b.faults = NewFaults(intercept(b.plain, b.around))
	b.counter = NewCounter(b.faults.Store)
	b.Store = b.counter.Store
	return b
}

func (b *backing) around(ctx context.Context, op Op, _ session.StoreKey, call func(context.Context) error) error {
	b.mu.Lock()
	hook := b.hooks[op]
	b.mu.Unlock()
	if hook != nil {
		if err := hook(ctx); err != nil {
			return err
		}
	}
	return call(ctx)
}

// on has every call of op run hook first, which may wait, and makes those fail
// for which it returns an error. nil: none any more.
func (b *backing) on(op Op, hook func(context.Context) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hooks[op] = hook
}

// down makes every write of a session fail, or, with HangBefore, hang.
func (b *backing) down(kind FaultKind) {
	for _, op := range []Op{OpCreate, OpSave, OpSwap} {
		b.faults.Next(op, -1, Fault{Kind: kind})
	}
}

// up ends all faults and hooks.
func (b *backing) up() {
	b.faults.Reset()
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.hooks)
}

// calls counts the round trips so far.
func (b *backing) calls() map[Op]int {
	calls := b.counter.Counts()
	delete(calls, OpWatch)
	return calls
}

// cost reports f if it does not cost exactly these round trips. Touches do not
// count: one may come, in the background, whenever a session is used (M14).
func (sv *server) cost(what string, f func(), ops ...Op) {
	sv.Helper()
	before := sv.store.calls()
	f()
	after := sv.store.calls()
	delete(before, OpTouch)
	delete(after, OpTouch)
	sv.compareCalls(what, before, after, ops)
}

// wantCalls reports if there were other calls than these since before.
func (sv *server) wantCalls(what string, before map[Op]int, ops ...Op) {
	sv.Helper()
	sv.compareCalls(what, before, sv.store.calls(), ops)
}

func (sv *server) compareCalls(what string, before, after map[Op]int, ops []Op) {
	sv.Helper()
	want := make(map[Op]int)
	for _, op := range ops {
		want[op]++
	}
	got := make(map[Op]int)
	for op, n := range after {
		if n -= before[op]; n != 0 {
			got[op] = n
		}
	}
	if !maps.Equal(got, want) {
		sv.Errorf("M21: %s cost %s, want %s", what, counted(got), counted(want))
	}
}

func counted(calls map[Op]int) string {
	if len(calls) == 0 {
		return "no call of the store"
	}
	var parts []string
	for _, op := range slices.Sorted(maps.Keys(calls)) {
		parts = append(parts, fmt.Sprintf("%d %s", calls[op], op))
	}
	return strings.Join(parts, ", ")
}

// wantStored reports a key under which there is no record, or one that is not
// locked as it should be.
func (sv *server) wantStored(key session.StoreKey, locked bool) {
	sv.Helper()
	rec, err := sv.store.plain.Load(context.Background(), key, false)
	if err != nil {
		sv.Errorf("the session is not stored: %v", err)
	} else if (rec.Lock != nil) != locked {
		sv.Errorf("the stored session is locked: %v, want %v", rec.Lock != nil, locked)
	}
}
