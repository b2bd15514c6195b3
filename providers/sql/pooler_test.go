package sqlstore_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// pooler returns a DSN that leads through a PgBouncer in transaction mode, with
// settings.
func pooler(tb testing.TB, settings ...string) string {
	tb.Helper()
	dsn := os.Getenv("SESSION_TEST_PGBOUNCER")
	if dsn == "" {
		tb.Skip("SESSION_TEST_PGBOUNCER names no PgBouncer: run `make test`, which starts one where it is installed, " +
			"or set it to a DSN that leads through one in transaction mode to the server of SESSION_TEST_POSTGRES")
	}
	return with(dsn, settings...)
}

// TestConformance_PgBouncer proves the store rules behind a pooler, of processes
// in the two modes of pgx that are for it, on an UNLOGGED table.
func TestConformance_PgBouncer(t *testing.T) {
	t.Parallel()
	here, there := pooler(t, "default_query_exec_mode", "cache_describe"), pooler(t, "default_query_exec_mode", "exec")
	sessiontest.RunStore(t, func(tb testing.TB) sessiontest.Harness {
		db := newDatabase(tb)
		config := sqlstore.Config{Listen: sqlstore.ListenOff, Volatile: true}
		return db.harness(tb, unwatched(db.openAt(tb, here, config)), unwatched(db.openAt(tb, there, config)))
	}, sessiontest.Want{OwnerIndex: true, Iterator: true, Pinger: true})
}

// TestPgBouncer_SimpleProtocol: the mode without parameters works as well. It
// costs so much for big sessions that the whole kit would take too long.
func TestPgBouncer_SimpleProtocol(t *testing.T) {
	t.Parallel()
	dsn := pooler(t, "default_query_exec_mode", "simple_protocol")
	st := newDatabase(t).openAt(t, dsn, sqlstore.Config{Listen: sqlstore.ListenOff})
	live(t, st)
	key := create(t, st, "0")
	var wg sync.WaitGroup
	for range 8 { // in batches, too
		wg.Go(func() {
			if err := increment(limit(t, lease), st, key); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := data(t, st, key); got != "8" {
		t.Errorf("%s of 8 saves are stored", got)
	}
	odd := newRecord("\\ ' \x00 \xff $1 -- $$ \n")
	token := acquire(t, st, key)
	must(t, st.Save(limit(t, lease), key, odd, token, session.Commit{}))
	if got := data(t, st, key); got != string(odd.Data) {
		t.Errorf("%q is stored as %q", odd.Data, got)
	}
}

// unwatched returns a Store without its Watch, which ListenOff makes useless.
func unwatched(st *sqlstore.Store) session.Store {
	return struct {
		session.Store
		session.OwnerIndex
		session.Iterator
		session.Pinger
	}{st, st, st, st}
}

// TestPgBouncer_DefaultMode: with pgx's default mode, which prepares statements
// on connections that the next transaction has no more, the error says what to
// set. A PgBouncer of version 1.21 or later keeps them: then it works.
func TestPgBouncer_DefaultMode(t *testing.T) {
	t.Parallel()
	dsn := pooler(t)
	db := newDatabase(t)
	off := sqlstore.Config{Table: db.table(), Listen: sqlstore.ListenOff, RetryInterval: time.Millisecond}
	refused, worked := 0, 0
	for range 10 {
		st, err := sqlstore.New(limit(t, lease), db.pool(t, dsn), off)
		if err != nil {
			checkPoolerError(t, err)
			refused++
			continue
		}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for range 5 {
					err := st.Create(limit(t, lease), newKey(), newRecord("0"), session.Token{}, 0)
					mu.Lock()
					if err == nil {
						worked++
					} else {
						checkPoolerError(t, err)
						refused++
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		st.Close()
	}
	if refused+worked == 0 {
		t.Error("nothing was tried")
	}
	t.Logf("%d calls worked and %d were refused", worked, refused)
}

func checkPoolerError(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, session.ErrUnavailable) || !strings.Contains(err.Error(), "default_query_exec_mode=cache_describe") {
		t.Errorf("no remedy in: %v", err)
	}
}

// TestPgBouncer_Deaf: a Store that is to listen behind a pooler, where that
// does not work, notices it, says so once, and has its callers poll.
func TestPgBouncer_Deaf(t *testing.T) {
	t.Parallel()
	dsn := pooler(t, "default_query_exec_mode", "cache_describe")
	db := newDatabase(t)
	var log journal
	st, _ := db.storeAt(t, dsn, sqlstore.Config{Logger: log.logger()})
	key := create(t, st, "0")
	token := acquire(t, st, key)
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(limit(t, lease))
	defer cancel()
	go func() { done <- increment(ctx, st, key) }() // polls all the while
	eventually(t, "that LISTEN is deaf is noticed", func() bool {
		if wake, stop := st.Watch(key); wake != nil {
			stop()
			t.Fatal("a deaf store says that it watches")
		}
		return log.count("ListenOff") > 0
	})
	must(t, st.Release(ctx, key, token))
	must(t, <-done)
	live(t, st)
	if n := log.count("level="); n != 1 || log.count("level=WARN") != 1 {
		t.Errorf("it was logged %d times:\n%s", n, log.text.String())
	}
}
