package sqlstore_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	session "github.com/sessionstate/sessionstate/core"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

const (
	lease     = time.Minute
	namespace = "tests"
)

func newKey() (k session.StoreKey) {
	rand.Read(k[:])
	return k
}

// newRecord returns what a caller would pass, with a new WriteID.
func newRecord(data string) session.Record {
	return session.Record{
		Data: []byte(data), Namespace: namespace, IdleTimeout: 20 * time.Minute, Refresh: time.Minute,
		Write: session.NewWriteID(),
	}
}

// limit returns a context that ends the test's calls should they hang.
func limit(tb testing.TB, d time.Duration) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	tb.Cleanup(cancel)
	return ctx
}

// must ends the test if err is not nil.
func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatalf("unexpected: %v", err)
	}
}

// eventually waits for what the test expects.
func eventually(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	timeout := time.After(30 * time.Second)
	for !is() {
		select {
		case <-look.C:
		case <-timeout:
			tb.Fatalf("does not come about: %s", what)
		}
	}
}

// store returns a Store and its pool. It does not listen before it has to.
func (db *database) store(tb testing.TB, config sqlstore.Config) (*sqlstore.Store, *pgxpool.Pool) {
	tb.Helper()
	return db.storeAt(tb, db.dsn, config)
}

func (db *database) storeAt(tb testing.TB, dsn string, config sqlstore.Config) (*sqlstore.Store, *pgxpool.Pool) {
	tb.Helper()
	if config.Table == "" {
		config.Table = db.table()
	}
	pool := db.pool(tb, dsn)
	st, err := sqlstore.New(limit(tb, 30*time.Second), pool, config)
	must(tb, err)
	tb.Cleanup(st.Close)
	return st, pool
}

// create stores a new session, unlocked.
func create(tb testing.TB, st session.Store, data string) session.StoreKey {
	tb.Helper()
	key := newKey()
	must(tb, st.Create(limit(tb, 30*time.Second), key, newRecord(data), session.Token{}, 0))
	return key
}

// acquire locks a session.
func acquire(tb testing.TB, st session.Store, key session.StoreKey) session.Token {
	tb.Helper()
	token := session.NewToken()
	_, err := st.Acquire(limit(tb, 30*time.Second), key, token, lease)
	must(tb, err)
	return token
}

// data returns what a session has stored.
func data(tb testing.TB, st session.Store, key session.StoreKey) string {
	tb.Helper()
	rec, err := st.Load(limit(tb, 30*time.Second), key, false)
	must(tb, err)
	return string(rec.Data)
}

// increment counts a session up as a request would, once it is free. An answer
// that was lost is asked for again (S6).
func increment(ctx context.Context, st session.Store, key session.StoreKey) error {
	token := session.NewToken()
	rec, err := st.Acquire(ctx, key, token, lease)
	for err != nil {
		if ctx.Err() != nil || !errors.Is(err, session.ErrLocked) && !errors.Is(err, session.ErrUnavailable) {
			return err
		}
		select {
		case <-time.After(time.Millisecond): // as long as a poll takes
		case <-ctx.Done():
		}
		rec, err = st.Acquire(ctx, key, token, lease)
	}
	n, err := strconv.Atoi(string(rec.Data))
	if err != nil {
		return err
	}
	next := newRecord(strconv.Itoa(n + 1))
	err = st.Save(ctx, key, next, token, session.Commit{})
	for errors.Is(err, session.ErrUnavailable) && ctx.Err() == nil {
		next.Repeat = true
		err = st.Save(ctx, key, next, token, session.Commit{})
	}
	return err
}

// live has a store do everything that it can do to a session.
func live(tb testing.TB, st *sqlstore.Store) {
	tb.Helper()
	ctx := limit(tb, 30*time.Second)
	key, moved, token, next := newKey(), newKey(), session.NewToken(), session.NewToken()
	rec := newRecord("0")
	namespace := rand.Text()
	rec.Namespace, rec.Owner, rec.Events = namespace, "somebody", true
	must(tb, st.Ping(ctx))
	must(tb, st.Create(ctx, key, rec, token, lease))
	must(tb, st.Extend(ctx, key, token, lease))
	if _, err := st.Acquire(ctx, key, next, lease); !errors.Is(err, session.ErrLocked) {
		tb.Fatalf("Acquire of what is locked: %v", err)
	}
	rec.Write = session.NewWriteID()
	must(tb, st.Save(ctx, key, rec, token, session.Commit{Keep: lease, Next: next}))
	rec.Write = session.NewWriteID()
	must(tb, st.Save(ctx, key, rec, next, session.Commit{MoveTo: moved, Grace: lease}))
	if _, err := st.Load(ctx, key, true); !errors.Is(err, session.ErrRenewed) {
		tb.Fatalf("Load of the old key: %v", err)
	}
	must(tb, st.Touch(ctx, moved))
	old := rec.Write
	rec.Write, rec.Data = session.NewWriteID(), []byte("1")
	must(tb, st.Swap(ctx, moved, rec, old))
	must(tb, st.Release(ctx, moved, acquire(tb, st, moved)))
	if got := data(tb, st, moved); got != "1" {
		tb.Fatalf("Load: %q", got)
	}
	infos, err := st.ListOwner(ctx, namespace, "somebody")
	must(tb, err)
	if len(infos) != 1 || infos[0].Key != moved {
		tb.Fatalf("ListOwner: %+v", infos)
	}
	n := 0
	for _, err := range st.All(ctx, namespace) {
		must(tb, err)
		n++
	}
	if n != 1 {
		tb.Fatalf("All: %d records", n)
	}
	if n, err := st.RemoveOwner(ctx, namespace, "somebody", session.EndRevoked); n != 1 || err != nil {
		tb.Fatalf("RemoveOwner: %d, %v", n, err)
	}
	claims, err := st.Reap(ctx, namespace, 10, token, lease)
	must(tb, err)
	if len(claims) != 1 || claims[0].Key != moved || claims[0].Reason != session.EndRevoked {
		tb.Fatalf("Reap: %+v", claims)
	}
	must(tb, st.Remove(ctx, moved, token, session.EndDelete))
	_, err = st.Reap(ctx, namespace, -1, session.Token{}, 0)
	must(tb, err)
	if _, err := st.Load(ctx, moved, false); !errors.Is(err, session.ErrNotFound) {
		tb.Fatalf("Load of what was removed: %v", err)
	}
}

// random returns n letters that cannot be compressed.
func random(n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(rand.Text())
	}
	return b.String()[:n]
}

// silent is a logger for tests that provoke what would be logged.
func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }
