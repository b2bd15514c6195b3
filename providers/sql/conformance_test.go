package sqlstore_test

import (
	"testing"

	"github.com/sessionstate/sessionstate/core/sessiontest"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// TestConformance proves the store rules S1 to S16, with everything that is optional.
func TestConformance(t *testing.T) {
	t.Parallel()
	sessiontest.RunStore(t, func(tb testing.TB) sessiontest.Harness {
		db := newDatabase(tb)
		return db.harness(tb, db.open(tb, sqlstore.Config{}), db.open(tb, sqlstore.Config{}))
	}, sessiontest.Want{Watcher: true, OwnerIndex: true, Iterator: true, Pinger: true})
}
