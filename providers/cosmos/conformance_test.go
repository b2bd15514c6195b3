package cosmosstore_test

import (
	"testing"
	"time"

	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// TestConformance proves the store rules S1 to S16, and OwnerIndex and Pinger,
// against the server of the tests. Time is made to pass in the Stores: their
// clocks are what conditions and readers go by.
func TestConformance(t *testing.T) {
	account(t)
	sessiontest.RunStore(t, harness, sessiontest.Want{OwnerIndex: true, Pinger: true})
}

func harness(t testing.TB) sessiontest.Harness {
	cfg := fresh(t)
	here, there := open(t, cfg), open(t, cfg)
	// The server of the tests copies a document several times for each patch:
	// TestMaxData alone goes to the limit.
	const limit = 100_000
	here.Limit(limit)
	there.Limit(limit)
	return sessiontest.Harness{
		Store:   here,
		Second:  there,
		MaxSize: limit,
		Advance: func(d time.Duration) {
			here.Skip(d)
			there.Skip(d)
		},
	}
}
