package memstore_test

import (
	"testing"
	"time"

	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// TestConformance proves the store rules S1 to S16, with everything that is optional.
func TestConformance(t *testing.T) {
	sessiontest.RunStore(t, func(testing.TB) sessiontest.Harness {
		store := memstore.New()
		return sessiontest.Harness{Store: store, Second: store, Advance: time.Sleep}
	}, sessiontest.Want{Watcher: true, OwnerIndex: true, Iterator: true, Pinger: true, Bubble: true})
}
