package sessiontest_test

import (
	"fmt"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// TestIntercepted_KeepsTheContract runs the kit on a store inside of both
// wrappers: they change nothing by themselves.
func TestIntercepted_KeepsTheContract(t *testing.T) {
	sessiontest.RunStore(t, func(testing.TB) sessiontest.Harness {
		m := newModel()
		return sessiontest.Harness{
			Store:   sessiontest.NewFaults(sessiontest.NewCounter(m).Store).Store,
			Second:  sessiontest.NewCounter(sessiontest.NewFaults(m).Store).Store,
			MaxSize: maxSize,
			Advance: time.Sleep,
		}
	}, everything)
}

// TestIntercepted_OptionalInterfaces wraps stores with each combination of the
// optional interfaces.
func TestIntercepted_OptionalInterfaces(t *testing.T) {
	m := newModel()
	type (
		S = session.Store
		W = session.Watcher
		O = session.OwnerIndex
		I = session.Iterator
		P = session.Pinger
	)
	stores := []session.Store{
		struct{ S }{m},
		struct {
			S
			W
		}{m, m},
		struct {
			S
			O
		}{m, m},
		struct {
			S
			I
		}{m, m},
		struct {
			S
			P
		}{m, m},
		struct {
			S
			W
			O
		}{m, m, m},
		struct {
			S
			W
			I
		}{m, m, m},
		struct {
			S
			W
			P
		}{m, m, m},
		struct {
			S
			O
			I
		}{m, m, m},
		struct {
			S
			O
			P
		}{m, m, m},
		struct {
			S
			I
			P
		}{m, m, m},
		struct {
			S
			W
			O
			I
		}{m, m, m, m},
		struct {
			S
			W
			O
			P
		}{m, m, m, m},
		struct {
			S
			W
			I
			P
		}{m, m, m, m},
		struct {
			S
			O
			I
			P
		}{m, m, m, m},
		m,
	}
	seen := make(map[string]bool)
	for _, store := range stores {
		want := interfaces(store)
		seen[want] = true
		if got := interfaces(sessiontest.NewCounter(store).Store); got != want {
			t.Errorf("Counter.Store is %s, want %s", got, want)
		}
		if got := interfaces(sessiontest.NewFaults(store).Store); got != want {
			t.Errorf("Faults.Store is %s, want %s", got, want)
		}
	}
	if len(seen) != 16 {
		t.Errorf("%d combinations, want 16", len(seen))
	}
}

func interfaces(store session.Store) string {
	_, w := store.(session.Watcher)
	_, o := store.(session.OwnerIndex)
	_, i := store.(session.Iterator)
	_, p := store.(session.Pinger)
	return fmt.Sprintf("Watcher: %v, OwnerIndex: %v, Iterator: %v, Pinger: %v", w, o, i, p)
}
