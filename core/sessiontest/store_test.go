package sessiontest_test

import (
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

var everything = sessiontest.Want{Watcher: true, OwnerIndex: true, Iterator: true, Pinger: true, Bubble: true}

// TestRunStore proves that the kit asks no more of a store than the contract:
// of a model that lives in a bubble.
func TestRunStore(t *testing.T) {
	sessiontest.RunStore(t, func(testing.TB) sessiontest.Harness {
		m := newModel()
		return sessiontest.Harness{Store: m, Second: m, MaxSize: maxSize, Advance: time.Sleep}
	}, everything)
}

// TestRunStore_RealTime does so with two stores on the same data, in the time
// of the machine, as a provider with a database runs the kit.
func TestRunStore_RealTime(t *testing.T) {
	want := everything
	want.Bubble = false
	sessiontest.RunStore(t, func(testing.TB) sessiontest.Harness {
		m := newModel()
		return sessiontest.Harness{
			Store:   m,
			Second:  &model{tables: m.tables},
			MaxSize: maxSize,
			Advance: m.advance,
		}
	}, want)
}

// TestRunStore_Bare does so with a store that has no optional interface.
func TestRunStore_Bare(t *testing.T) {
	sessiontest.RunStore(t, func(testing.TB) sessiontest.Harness {
		s := struct{ session.Store }{newModel()}
		return sessiontest.Harness{Store: s, Second: s, MaxSize: maxSize, Advance: time.Sleep}
	}, sessiontest.Want{Bubble: true})
}
