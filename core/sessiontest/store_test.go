package sessiontest_test

import (
	"testing"
	"time"

	"github.com/sessionstate/sessionstate/core/sessiontest"
)

var everything = sessiontest.Want{Watcher: true, OwnerIndex: true, Iterator: true, Pinger: true, Bubble: true}

// TestRunStore proves that the kit asks no more of a store than the contract.
func TestRunStore(t *testing.T) {
	sessiontest.RunStore(t, func(testing.TB) sessiontest.Harness {
		m := newModel()
		return sessiontest.Harness{Store: m, Second: m, MaxSize: maxSize, Advance: time.Sleep}
	}, everything)
}
