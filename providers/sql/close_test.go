package sqlstore_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// TestClose: who watches is told, the connection that listens is closed, the
// caller's pool is not, and what is called afterwards fails at once.
func TestClose(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st, pool := db.store(t, sqlstore.Config{})
	key := create(t, st, "0")
	token := acquire(t, st, key)
	wake := watch(t, st, key)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(st.Close)
	}
	wg.Wait()
	st.Close()
	select {
	case _, ok := <-wake:
		if ok {
			t.Error("a wake instead of the channel's end")
		}
	case <-time.After(30 * time.Second):
		t.Fatal("who watches is not told")
	}
	ctx := limit(t, lease)
	rec := newRecord("1")
	for op, err := range map[string]error{
		"acquire":      second(st.Acquire(ctx, key, token, lease)),
		"load":         second(st.Load(ctx, key, true)),
		"create":       st.Create(ctx, newKey(), rec, token, lease),
		"save":         st.Save(ctx, key, rec, token, session.Commit{}),
		"move":         st.Save(ctx, key, rec, token, session.Commit{MoveTo: newKey()}),
		"swap":         st.Swap(ctx, key, rec, rec.Write),
		"release":      st.Release(ctx, key, token),
		"extend":       st.Extend(ctx, key, token, lease),
		"touch":        st.Touch(ctx, key),
		"remove":       st.Remove(ctx, key, token, session.EndDelete),
		"reap":         second(st.Reap(ctx, namespace, 1, token, lease)),
		"purge":        second(st.Reap(ctx, namespace, -1, token, lease)),
		"list owner":   second(st.ListOwner(ctx, namespace, "a")),
		"remove owner": second(st.RemoveOwner(ctx, namespace, "a", session.EndDelete)),
		"ping":         st.Ping(ctx),
	} {
		if !errors.Is(err, session.ErrUnavailable) || !strings.Contains(err.Error(), "the store is closed") {
			t.Errorf("%s on a closed store: %v", op, err)
		}
	}
	if wake, stop := st.Watch(key); wake != nil {
		t.Error("a closed store watches")
	} else {
		stop()
	}
	must(t, pool.Ping(ctx))
	eventually(t, "no connection listens", func() bool { return db.listens(t) == 0 })
	if n := pool.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections are kept", n)
	}
}

// TestClose_OwnPool: a Store that Open made ends its connections.
func TestClose_OwnPool(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st, err := sqlstore.Open(limit(t, lease), db.dsn, sqlstore.Config{Table: db.table()})
	must(t, err)
	live(t, st)
	watch(t, st, newKey())
	st.Close()
	st.Close()
	const connected = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1"
	eventually(t, "all connections end", func() bool { return query[int](t, db, connected, db.schema) == 0 })
	if err := st.Ping(limit(t, lease)); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("Ping of a closed store: %v", err)
	}
}

// TestClose_LastWake: who gave a session up just before its Store was closed
// has told those who wait for it.
func TestClose_LastWake(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	waiter := db.open(t, sqlstore.Config{})
	for range 10 {
		holder, _ := db.store(t, sqlstore.Config{})
		key := create(t, holder, "0")
		token := acquire(t, holder, key)
		wake := watch(t, waiter, key)
		wait(t, waiter, key)
		must(t, holder.Save(limit(t, lease), key, newRecord("1"), token, session.Commit{}))
		holder.Close()
		awake(t, wake)
	}
}

// TestClose_InUse: calls that are under way when a Store is closed return, with
// what they have done or with ErrUnavailable.
func TestClose_InUse(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, owned := range []bool{false, true, false, true} {
		var st *sqlstore.Store
		if owned {
			var err error
			st, err = sqlstore.Open(limit(t, lease), db.dsn, sqlstore.Config{Table: db.table()})
			must(t, err)
		} else {
			st, _ = db.store(t, sqlstore.Config{})
		}
		var wg sync.WaitGroup
		var begun sync.WaitGroup
		for range 8 {
			key := create(t, st, "0")
			begun.Add(1)
			first := sync.OnceFunc(begun.Done)
			wg.Go(func() {
				ctx := limit(t, lease)
				defer first()
				for {
					token := session.NewToken()
					_, err := st.Acquire(ctx, key, token, lease)
					if err == nil {
						st.Watch(key)
						_, err = st.Acquire(ctx, key, session.NewToken(), lease) // so that there is somebody to wake
						if errors.Is(err, session.ErrLocked) {
							err = st.Save(ctx, key, newRecord("1"), token, session.Commit{})
						}
					}
					if err != nil {
						if !errors.Is(err, session.ErrUnavailable) || ctx.Err() != nil {
							t.Errorf("owned %t: %v", owned, err)
						}
						return
					}
					first()
				}
			})
		}
		begun.Wait()
		st.Close()
		wg.Wait()
	}
}
