package sqlstore_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// TestS6_KilledConnections: while the server ends connections at random, two
// processes count sessions up. All that was confirmed is stored, and nothing
// twice; and since what passes is retried inside the store (S15), next to no
// caller hears of it.
func TestS6_KilledConnections(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	quiet := sqlstore.Config{Logger: silent()}
	stores := []*sqlstore.Store{db.open(t, quiet), db.open(t, quiet)}
	keys := []session.StoreKey{create(t, stores[0], "0"), create(t, stores[1], "0"), create(t, stores[0], "0")}
	confirmed, unknown := make([]atomic.Int64, len(keys)), make([]atomic.Int64, len(keys))

	ctx := limit(t, 2*lease)
	running, stop := context.WithTimeout(ctx, 4*time.Second)
	defer stop()
	var wg sync.WaitGroup
	for worker := range 8 {
		st := stores[worker%2]
		wg.Go(func() {
			for i := worker; running.Err() == nil; i++ {
				switch err := increment(ctx, st, keys[i%len(keys)]); {
				case err == nil:
					confirmed[i%len(keys)].Add(1)
				case errors.Is(err, session.ErrOutcomeUnknown):
					unknown[i%len(keys)].Add(1)
				default:
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	killed := 0
	for running.Err() == nil {
		killed += query[int](t, db, `SELECT count(pg_terminate_backend(pid)) FROM (
			SELECT pid FROM pg_stat_activity WHERE application_name = $1 ORDER BY random() LIMIT 1) a`, db.schema)
		select {
		case <-time.After(5 * time.Millisecond): // the pace of the killing
		case <-running.Done():
		}
	}
	wg.Wait()
	total := int64(0)
	for i, key := range keys {
		stored, err := strconv.ParseInt(data(t, stores[0], key), 10, 64)
		must(t, err)
		if c, u := confirmed[i].Load(), unknown[i].Load(); stored < c || stored > c+u {
			t.Errorf("%d stored, %d confirmed, %d unknown", stored, c, u)
		} else if u > 0 {
			t.Errorf("%d of %d outcomes are unknown, although the lock kept all others away", u, c)
		}
		total += stored
	}
	if killed < 20 || total < 20 {
		t.Errorf("%d connections killed and %d saves: the test shows nothing", killed, total)
	}
	live(t, stores[0])
	live(t, stores[1])
}

// TestS15_KilledAtRest: connections that the server has ended while nobody used
// them are replaced without anybody's noticing.
func TestS15_KilledAtRest(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st, _ := db.store(t, sqlstore.Config{})
	key := create(t, st, "0")
	for range 4 {
		db.exec(t, `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = $1`, db.schema)
		token := session.NewToken()
		if _, err := st.Acquire(limit(t, lease), key, token, lease); err != nil {
			t.Errorf("Acquire: %v", err)
		}
		db.exec(t, `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = $1`, db.schema)
		if err := st.Save(limit(t, lease), key, newRecord("1"), token, session.Commit{}); err != nil {
			t.Errorf("Save: %v", err)
		}
	}
}
