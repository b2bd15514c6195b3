package sqlstore_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// listeners is the condition of the connections on which stores listen.
const listeners = " FROM pg_stat_activity WHERE application_name = $1 AND query LIKE 'LISTEN %'"

// listens returns how many connections of the test's stores listen.
func (db *database) listens(tb testing.TB) int {
	tb.Helper()
	return query[int](tb, db, "SELECT count(*)"+listeners, db.schema)
}

// journal is what a Store has logged.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// count returns how often words were logged.
func (j *journal) count(words string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.text.String(), words)
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

// watch watches a session, once the store listens.
func watch(tb testing.TB, st *sqlstore.Store, key session.StoreKey) <-chan struct{} {
	tb.Helper()
	var wake <-chan struct{}
	eventually(tb, "the store listens", func() bool {
		var stop func()
		if wake, stop = st.Watch(key); wake == nil {
			stop()
			return false
		}
		tb.Cleanup(stop)
		return true
	})
	return wake
}

// wait registers st as one who waits for a session that is locked.
func wait(tb testing.TB, st *sqlstore.Store, key session.StoreKey) {
	tb.Helper()
	if _, err := st.Acquire(limit(tb, lease), key, session.NewToken(), lease); !errors.Is(err, session.ErrLocked) {
		tb.Fatalf("Acquire of what is locked: %v", err)
	}
}

// handOn proves that a release in one store wakes who waits in another.
func handOn(tb testing.TB, holder, waiter *sqlstore.Store) {
	tb.Helper()
	key := create(tb, holder, "0")
	token := acquire(tb, holder, key)
	wake := watch(tb, waiter, key)
	wait(tb, waiter, key)
	must(tb, holder.Release(limit(tb, lease), key, token))
	awake(tb, wake)
}

// TestListen_Again: when the connection on which a Store listens breaks, who
// watches is told, so that they poll; and the Store listens again, by itself.
func TestListen_Again(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	var log journal
	here := db.open(t, sqlstore.Config{Logger: log.logger()})
	there, _ := db.store(t, sqlstore.Config{Listen: sqlstore.ListenOff})
	for round := 1; round <= 3; round++ {
		handOn(t, there, here)
		wake := watch(t, here, newKey())
		db.exec(t, "SELECT pg_terminate_backend(pid)"+listeners, db.schema)
		select {
		case _, ok := <-wake:
			if ok {
				t.Error("a wake instead of the channel's end")
			}
		case <-time.After(30 * time.Second):
			t.Fatal("who watches is not told")
		}
		handOn(t, there, here)
		if lost, again := log.count("cannot listen"), log.count("listens again"); lost != round || again != round {
			t.Errorf("after %d breaks it was logged %d times that listening does not work and %d times that it does", round, lost, again)
		}
	}
	if n := db.listens(t); n != 1 {
		t.Errorf("%d connections listen", n)
	}
}

// TestListen_OutOfTimeIsNotDeaf: a server that is so busy that connecting takes
// all the time there is, is not taken for a pooler that lets nobody hear: the
// Store would not try again for minutes.
func TestListen_OutOfTimeIsNotDeaf(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st, pool := db.store(t, sqlstore.Config{})
	deaf, err := pool.Acquire(limit(t, lease))
	must(t, err)
	defer deaf.Release()
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if err := st.Hear(ctx, deaf.Conn()); err == nil || errors.Is(err, sqlstore.ErrDeaf) {
		t.Errorf("out of time: %v", err)
	}
}

// TestListen_OnFirstNeed: no connection is spent on listening before somebody
// waits, and then one.
func TestListen_OnFirstNeed(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st, _ := db.store(t, sqlstore.Config{})
	live(t, st)
	if n := db.listens(t); n != 0 {
		t.Errorf("%d connections listen before anybody waits", n)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { watch(t, st, newKey()) })
	}
	wg.Wait()
	handOn(t, st, st)
	if n := db.listens(t); n != 1 {
		t.Errorf("%d connections listen", n)
	}
}

// TestListenOff: there is no watch and no connection that listens; who waits
// gets on by asking again.
func TestListenOff(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st, _ := db.store(t, sqlstore.Config{Listen: sqlstore.ListenOff})
	key := create(t, st, "0")
	token := acquire(t, st, key)
	for range 10 {
		wake, stop := st.Watch(key)
		if stop(); wake != nil {
			t.Fatal("Watch returns a channel")
		}
		wait(t, st, key)
	}
	if waiting := query[bool](t, db, "SELECT waiting FROM "+db.table()); waiting {
		t.Error("the row says that somebody waits who will never listen")
	}
	must(t, st.Release(limit(t, lease), key, token))
	must(t, increment(limit(t, lease), st, key))
	if n := db.listens(t); n != 0 {
		t.Errorf("%d connections listen", n)
	}
}

// TestListen_TellsNoKey: what is said on the channel, which every user of the
// database may hear, is not enough to find a session.
func TestListen_TellsNoKey(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st := db.open(t, sqlstore.Config{})
	listen := query[string](t, db, "SELECT query"+listeners, db.schema)
	ctx := limit(t, lease)
	ear, err := db.admin.Acquire(ctx)
	must(t, err)
	defer ear.Release()
	_, err = ear.Exec(ctx, listen)
	must(t, err)
	defer ear.Exec(ctx, "UNLISTEN *")
	var keys []session.StoreKey
	for range 10 {
		key := create(t, st, "0")
		keys = append(keys, key)
		token := acquire(t, st, key)
		wait(t, st, key)
		must(t, st.Save(ctx, key, newRecord("1"), token, session.Commit{}))
		word, err := ear.Conn().WaitForNotification(ctx)
		must(t, err)
		if want := hex.EncodeToString(key[:8]); word.Payload != want {
			t.Errorf("%q is said, not %q", word.Payload, want)
		}
	}
	// Nobody waits: nothing is said.
	must(t, st.Release(ctx, keys[0], acquire(t, st, keys[0])))
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if word, err := ear.Conn().WaitForNotification(short); err == nil {
		t.Errorf("%q is said where nobody waits", word.Payload)
	}
}
