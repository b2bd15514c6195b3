package sqlstore_test

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// database is a schema of its own on the server that SESSION_TEST_POSTGRES
// names: a test's sessions, and nobody else's.
type database struct {
	dsn    string // the schema's name is the connections' application_name
	schema string
	admin  *pgxpool.Pool
}

// newDatabase makes a schema, and drops it when the test is over.
func newDatabase(tb testing.TB) *database {
	tb.Helper()
	dsn := os.Getenv("SESSION_TEST_POSTGRES")
	if dsn == "" {
		const what = "SESSION_TEST_POSTGRES names no PostgreSQL server: run `make test`, which starts one, " +
			"or set it to postgres://user:password@host/database of one where tests may make schemas"
		if os.Getenv("SESSION_TEST_REQUIRE") != "" {
			tb.Fatal(what)
		}
		tb.Skip(what)
	}
	db := &database{schema: "test_" + strings.ToLower(rand.Text())}
	db.admin = db.pool(tb, dsn)
	db.dsn = with(dsn, "application_name", db.schema)
	db.exec(tb, "CREATE SCHEMA "+db.schema)
	tb.Cleanup(func() { db.exec(tb, "DROP SCHEMA "+db.schema+" CASCADE") })
	return db
}

// with returns a DSN, be it a URL or keyword=value pairs, with settings replaced:
// names and values in turn.
func with(dsn string, settings ...string) string {
	if u, err := url.Parse(dsn); err == nil && u.Scheme != "" {
		q := u.Query()
		for i := 0; i < len(settings); i += 2 {
			q.Set(settings[i], settings[i+1])
		}
		u.RawQuery = q.Encode()
		return u.String()
	}
	for i := 0; i < len(settings); i += 2 {
		dsn += " " + settings[i] + "='" + settings[i+1] + "'"
	}
	return dsn
}

// pool returns a pool that is closed when the test is over.
func (db *database) pool(tb testing.TB, dsn string) *pgxpool.Pool {
	tb.Helper()
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	if !strings.Contains(dsn, "pool_max_conns") {
		config.MaxConns = 8
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(pool.Close)
	return pool
}

// table is the name of the store's table unless a test says otherwise.
func (db *database) table() string { return db.schema + "." + sqlstore.DefaultTable }

// open returns a Store on a pool of its own, that listens if it is to.
func (db *database) open(tb testing.TB, config sqlstore.Config) *sqlstore.Store {
	tb.Helper()
	return db.openAt(tb, db.dsn, config)
}

func (db *database) openAt(tb testing.TB, dsn string, config sqlstore.Config) *sqlstore.Store {
	tb.Helper()
	if config.Table == "" {
		config.Table = db.table()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	st, err := sqlstore.New(ctx, db.pool(tb, dsn), config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(st.Close)
	if config.Listen == sqlstore.ListenOn {
		awaitListening(tb, st)
	}
	return st
}

// awaitListening returns when the store can watch.
func awaitListening(tb testing.TB, st *sqlstore.Store) {
	tb.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	timeout := time.After(30 * time.Second)
	for {
		wake, stop := st.Watch(session.StoreKey{})
		stop()
		if wake != nil {
			return
		}
		select {
		case <-look.C:
		case <-timeout:
			tb.Fatal("the store does not begin to listen")
		}
	}
}

// exec runs a statement as the tests' user.
func (db *database) exec(tb testing.TB, sql string, args ...any) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err := db.admin.Exec(ctx, sql, args...); err != nil {
		tb.Errorf("%s: %v", sql, err)
	}
}

// query returns the one value that a statement returns to the tests' user.
func query[T any](tb testing.TB, db *database, sql string, args ...any) (value T) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := db.admin.QueryRow(ctx, sql, args...).Scan(&value); err != nil {
		tb.Errorf("%s: %v", sql, err)
	}
	return value
}

// advance makes everything in the table older by d. Where that meets somebody
// who changes many rows in another order, it tries again.
func (db *database) advance(tb testing.TB, d time.Duration) {
	tb.Helper()
	for range 10 {
		_, err := db.admin.Exec(context.Background(), `UPDATE `+db.table()+` SET expires = expires - $1::interval,
			lock_at = lock_at - $1::interval, lock_until = lock_until - $1::interval,
			created = created - $1::interval, placed = placed - $1::interval`, d)
		if err == nil {
			return
		}
		if !strings.Contains(err.Error(), pgDeadlock) {
			tb.Errorf("advance: %v", err)
			return
		}
	}
	tb.Error("advance: too many deadlocks")
}

const pgDeadlock = "40P01"

// harness returns two stores on db as sessiontest wants them.
func (db *database) harness(tb testing.TB, store, second session.Store) sessiontest.Harness {
	return sessiontest.Harness{
		Store:   store,
		Second:  second,
		Advance: func(d time.Duration) { db.advance(tb, d) },
	}
}
