package sqlstore_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// TestS6_CancelledSaves: clients that go away in the middle of a save cost no
// connections (M20) and leave none behind (S13), and a repeat says what became
// of each of the saves.
func TestS6_CancelledSaves(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st, pool := db.store(t, sqlstore.Config{})
	const callers, rounds = 200, 5
	keys := make([]session.StoreKey, callers)
	var wg sync.WaitGroup
	each := func(f func(i int)) {
		for i := range callers {
			wg.Go(func() { f(i) })
		}
		wg.Wait()
	}
	each(func(i int) {
		keys[i] = newKey()
		if err := st.Create(limit(t, lease), keys[i], newRecord("0"), session.Token{}, 0); err != nil {
			t.Error(err)
		}
	})
	opened := pool.Stat().NewConnsCount()
	var cut atomic.Int32
	each(func(i int) {
		patient := limit(t, 2*lease)
		for round := range rounds {
			token := session.NewToken()
			rec, err := st.Acquire(patient, keys[i], token, lease)
			if err != nil || string(rec.Data) != strconv.Itoa(round) {
				t.Errorf("round %d: %q, %v", round, rec.Data, err)
				return
			}
			next := newRecord(strconv.Itoa(round + 1))
			ctx, cancel := context.WithTimeout(patient, time.Duration(rand.Int64N(int64(10*time.Millisecond))))
			err = st.Save(ctx, keys[i], next, token, session.Commit{})
			cancel()
			if err != nil {
				cut.Add(1)
				next.Repeat = true
				if err := st.Save(patient, keys[i], next, token, session.Commit{}); err != nil {
					t.Errorf("round %d: the repeat says %v", round, err)
					return
				}
			}
		}
	})
	each(func(i int) {
		if got := data(t, st, keys[i]); got != strconv.Itoa(rounds) {
			t.Errorf("%s saves are stored of %d", got, rounds)
		}
	})
	if n := cut.Load(); n < callers/4 || n == callers*rounds {
		t.Errorf("%d of %d saves were cut short: the test shows nothing", n, callers*rounds)
	} else if made := pool.Stat().NewConnsCount() - opened; made > 20 {
		t.Errorf("%d connections were made anew for %d saves that were cut short", made, n)
	}
	eventually(t, "no connection is kept", func() bool { return pool.Stat().AcquiredConns() == 0 })
}
