package cosmosstore_test

import (
	"testing"
	"time"

	"github.com/sessionstate/sessionstate/core/sessiontest"
	cosmosstore "github.com/sessionstate/sessionstate/providers/cosmos"
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
	return sessiontest.Harness{
		Store:   here,
		Second:  there,
		MaxSize: cosmosstore.MaxData,
		Advance: func(d time.Duration) {
			here.Skip(d)
			there.Skip(d)
		},
	}
}
