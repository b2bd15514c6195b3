package sqlstore_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// refused reports an error that is not ErrUnavailable with a remedy.
func refused(tb testing.TB, op string, err error, remedy string) {
	tb.Helper()
	if !errors.Is(err, session.ErrUnavailable) || !strings.Contains(err.Error(), remedy) {
		tb.Errorf("%s: got %v, want ErrUnavailable that says %q", op, err, remedy)
	}
}

// TestReadOnlyDatabase: Ping and writes say that the database takes none, and
// what can be done; reading goes on. When it does again, so does the Store.
func TestReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	user, dsn := db.role(t)
	writable, _ := db.store(t, sqlstore.Config{})
	key := create(t, writable, "0")
	db.exec(t, "GRANT SELECT, INSERT, UPDATE, DELETE ON "+db.table()+" TO "+user)
	db.exec(t, "ALTER ROLE "+user+" SET default_transaction_read_only = on")
	st, pool := db.storeAt(t, dsn, sqlstore.Config{RetryInterval: 5 * time.Millisecond})
	ctx := limit(t, lease)
	const remedy = "the database takes no writes"
	refused(t, "Ping", st.Ping(ctx), remedy)
	refused(t, "Create", st.Create(ctx, newKey(), newRecord("1"), session.Token{}, 0), remedy)
	refused(t, "Acquire", second(st.Acquire(ctx, key, session.NewToken(), lease)), remedy)
	refused(t, "Remove", st.Remove(ctx, key, session.Token{}, session.EndDelete), remedy)
	// Also when the caller's time ends between two attempts.
	slow, _ := db.storeAt(t, dsn, sqlstore.Config{RetryInterval: time.Minute, MaxRetries: 1000})
	soon, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	err := slow.Create(soon, newKey(), newRecord("1"), session.Token{}, 0)
	refused(t, "Create", err, remedy)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Create does not say that time is up: %v", err)
	}
	if got := data(t, st, key); got != "0" {
		t.Errorf("Load: %q", got)
	}
	db.exec(t, "ALTER ROLE "+user+" RESET default_transaction_read_only")
	pool.Reset() // as a failover would
	live(t, st)
}

// TestDroppedTable: a table that disappears is reported, and one that comes
// back works, without a restart.
func TestDroppedTable(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st := db.open(t, sqlstore.Config{})
	live(t, st)
	for range 3 {
		db.exec(t, "DROP TABLE "+db.table())
		const remedy = "the table is missing or is not this version's"
		ctx := limit(t, lease)
		refused(t, "Ping", st.Ping(ctx), remedy)
		refused(t, "Load", second(st.Load(ctx, newKey(), false)), remedy)
		refused(t, "Create", st.Create(ctx, newKey(), newRecord("1"), session.Token{}, 0), remedy)
		refused(t, "Acquire", second(st.Acquire(ctx, newKey(), session.NewToken(), lease)), remedy)
		if _, err := sqlstore.New(ctx, db.pool(t, db.dsn), sqlstore.Config{Table: db.table()}); err != nil {
			t.Fatal(err)
		}
		live(t, st)
	}
}

// TestChangedTable: statements that the server has planned survive what an
// administrator may do to the table.
func TestChangedTable(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	st, _ := db.store(t, sqlstore.Config{})
	live(t, st)
	for _, change := range []string{
		"ALTER TABLE T ADD COLUMN extra int", "ALTER TABLE T DROP COLUMN extra",
		"ALTER TABLE T ALTER seen TYPE integer", "ALTER TABLE T ALTER seen TYPE smallint", // 0A000: a plan's result changes
		"ALTER TABLE T SET (fillfactor = 50)", "TRUNCATE T", "ALTER TABLE T SET UNLOGGED",
	} {
		db.exec(t, regexp.MustCompile(`\bT\b`).ReplaceAllString(change, db.table()))
		live(t, st)
	}
	for _, conn := range []string{"DISCARD ALL", "DEALLOCATE ALL"} { // 26000: what was prepared is gone
		st, pool := db.store(t, sqlstore.Config{Volatile: true})
		live(t, st)
		for _, c := range pool.AcquireAllIdle(limit(t, lease)) {
			_, err := c.Conn().PgConn().Exec(limit(t, lease), conn).ReadAll()
			must(t, err)
			c.Release()
		}
		live(t, st)
	}
}

// TestStatementTimeout: a server that allows too little time is named, and the
// session is as it was.
func TestStatementTimeout(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	user, dsn := db.role(t)
	st, pool := db.store(t, sqlstore.Config{})
	db.exec(t, "GRANT SELECT, INSERT, UPDATE, DELETE ON "+db.table()+" TO "+user)
	db.exec(t, "ALTER ROLE "+user+" SET statement_timeout = '200ms'")
	key := create(t, st, "0")
	token := acquire(t, st, key)
	hasty, _ := db.storeAt(t, dsn, sqlstore.Config{})
	db.exec(t, `CREATE FUNCTION `+db.schema+`.dawdle() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN PERFORM pg_sleep(30); RETURN NEW; END $$`)
	db.exec(t, `CREATE TRIGGER dawdle BEFORE UPDATE ON `+db.table()+` FOR EACH ROW EXECUTE FUNCTION `+db.schema+`.dawdle()`)
	ctx := limit(t, lease)
	refused(t, "Save", hasty.Save(ctx, key, newRecord("1"), token, session.Commit{}), "the server's statement_timeout is too short")
	db.exec(t, `DROP TRIGGER dawdle ON `+db.table())
	if got := data(t, hasty, key); got != "0" {
		t.Errorf("the session is %q", got)
	}
	must(t, hasty.Save(ctx, key, newRecord("1"), token, session.Commit{}))
	if n := pool.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections are kept", n)
	}
}

// lockRows keeps sessions' rows locked, as an administrator's open transaction
// does, until the function that it returns is called.
func (db *database) lockRows(tb testing.TB, keys ...session.StoreKey) (free func()) {
	tb.Helper()
	ids := make([][]byte, len(keys))
	for i := range keys {
		ids[i] = keys[i][:]
	}
	ctx := limit(tb, 2*lease)
	tx, err := db.admin.Begin(ctx)
	must(tb, err)
	tag, err := tx.Exec(ctx, "SELECT FROM "+db.table()+" WHERE id = ANY ($1) FOR UPDATE", ids)
	if err != nil || tag.RowsAffected() != int64(len(keys)) {
		tb.Fatalf("%d rows locked: %v", tag.RowsAffected(), err)
	}
	free = func() { tx.Rollback(context.Background()) }
	tb.Cleanup(free)
	return free
}
