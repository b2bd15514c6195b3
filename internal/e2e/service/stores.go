package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
	"github.com/sessionstate/sessionstate/internal/e2e/wire"
	cosmosstore "github.com/sessionstate/sessionstate/providers/cosmos"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// opened is a store, what closes it, and what disturbs it.
type opened struct {
	session.Store
	close  func()
	faults *sessiontest.Faults // nil unless the calls are to fail
}

// calm ends what disturbs the store, and returns how many calls it met.
func (o *opened) calm() (injected int) {
	if o.faults != nil {
		injected = o.faults.Injected()
		o.faults.Rule(nil)
	}
	return injected
}

// openStore opens the store that the options name.
func openStore(ctx context.Context, o *options) (*opened, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	address := os.Getenv(wire.AddressVariable)
	st := &opened{close: func() {}}
	switch o.store {
	case wire.Memory:
		st.Store = memstore.New()
	case wire.PostgreSQL:
		sql, err := sqlstore.Open(ctx, address, sqlstore.Config{Table: o.table, MaxRetries: o.retries})
		if err != nil {
			return nil, err
		}
		st.Store, st.close = sql, sql.Close
	case wire.Cosmos:
		cosmos, err := cosmosstore.Open(ctx, cosmosstore.Config{
			ConnectionString: address,
			Container:        o.table,
			RequestTimeout:   o.call / 2, // so that what is held up is asked for again
			MaxRetryAttempts: o.retries,
		})
		if err != nil {
			return nil, err
		}
		st.Store, st.close = cosmos, cosmos.Close
	default:
		return nil, fmt.Errorf("-store %s: there is no such store", o.store)
	}
	if o.faults {
		st.faults = sessiontest.NewFaults(st.Store)
		st.faults.Rule(sessiontest.Random(rand.Uint64(), sessiontest.Rates{
			FailBefore: 0.02, FailAfter: 0.02, HangBefore: 0.002, HangAfter: 0.002,
			Delay: 0.05, MaxDelay: o.lease / 4,
		}))
		st.Store = st.faults.Store
	}
	return st, nil
}
