package sqlstore_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	session "github.com/sessionstate/sessionstate/core"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// script runs statements as somebody would by hand: all at once.
func (db *database) script(tb testing.TB, pool *pgxpool.Pool, sql string) error {
	tb.Helper()
	ctx := limit(tb, 30*time.Second)
	conn, err := pool.Acquire(ctx)
	must(tb, err)
	defer conn.Release()
	return conn.Conn().PgConn().Exec(ctx, sql).Close()
}

// statementsOf yields the statements of a text one by one.
func statementsOf(sql string) iter.Seq[string] {
	return func(yield func(string) bool) {
		begin, quoted := 0, false
		for i := range sql {
			switch {
			case strings.HasPrefix(sql[i:], "$$"):
				quoted = !quoted
			case sql[i] == ';' && !quoted && strings.HasPrefix(sql[i:], ";\n"):
				if !yield(sql[begin : i+1]) {
					return
				}
				begin = i + 1
			}
		}
	}
}

// startAtOnce makes n Stores at the same moment, each with a pool of its own.
func (db *database) startAtOnce(t *testing.T, n int, config func(i int) (dsn string, c sqlstore.Config)) {
	t.Helper()
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		dsn, c := config(i)
		pool := db.pool(t, dsn)
		must(t, pool.Ping(limit(t, 30*time.Second)))
		wg.Go(func() {
			<-begin
			st, err := sqlstore.New(limit(t, 30*time.Second), pool, c)
			if err != nil {
				t.Errorf("store %d: %v", i, err)
				return
			}
			if err := st.Ping(limit(t, 30*time.Second)); err != nil {
				t.Errorf("store %d: %v", i, err)
			}
			st.Close()
		})
	}
	close(begin)
	wg.Wait()
}

// TestSchemaCreate_Together: twelve processes that start at once on nothing.
func TestSchemaCreate_Together(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	db.startAtOnce(t, 12, func(int) (string, sqlstore.Config) { return db.dsn, sqlstore.Config{Table: db.table()} })
	live(t, db.open(t, sqlstore.Config{Schema: sqlstore.SchemaVerify}))
}

// TestSchemaCreate_TogetherUnderTwoNames: some of them name the table's schema,
// and some have it in their search_path.
func TestSchemaCreate_TogetherUnderTwoNames(t *testing.T) {
	t.Parallel()
	for range 5 {
		db := newDatabase(t)
		db.startAtOnce(t, 12, func(i int) (string, sqlstore.Config) {
			if i%2 == 0 {
				return with(db.dsn, "search_path", db.schema), sqlstore.Config{}
			}
			return db.dsn, sqlstore.Config{Table: db.table()}
		})
	}
}

// TestTable_BySearchPath: the table is the same under both names, and so are
// the wakes.
func TestTable_BySearchPath(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	dsn := with(db.dsn, "search_path", "pg_temp,"+db.schema)
	byPath := db.openAt(t, with(db.dsn, "search_path", db.schema), sqlstore.Config{Table: sqlstore.DefaultTable})
	live(t, byPath)
	byName := db.open(t, sqlstore.Config{Schema: sqlstore.SchemaVerify})
	key := create(t, byPath, "0")
	token := acquire(t, byName, key)
	wake, stop := byPath.Watch(key)
	defer stop()
	if _, err := byPath.Acquire(limit(t, 30*time.Second), key, session.NewToken(), lease); !errors.Is(err, session.ErrLocked) {
		t.Fatal(err)
	}
	must(t, byName.Release(limit(t, 30*time.Second), key, token))
	awake(t, wake)
	// A path on which the table comes second finds it as well.
	if _, err := sqlstore.New(limit(t, 30*time.Second), db.pool(t, dsn), sqlstore.Config{Schema: sqlstore.SchemaVerify}); err != nil {
		t.Error(err)
	}
}

// awake waits for a wake.
func awake(tb testing.TB, wake <-chan struct{}) {
	tb.Helper()
	select {
	case _, ok := <-wake:
		if !ok {
			tb.Fatal("the channel is closed instead of a wake")
		}
	case <-time.After(30 * time.Second):
		tb.Fatal("no wake comes")
	}
}

// TestTable_Names: names that need quotes work, and those that are none are
// refused before anything is asked of the database.
func TestTable_Names(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, name := range []string{"select", "_", "a1", strings.Repeat("x", 50)} {
		live(t, db.open(t, sqlstore.Config{Table: db.schema + "." + name}))
	}
	nothing := db.pool(t, db.dsn)
	nothing.Close()
	for _, name := range []string{
		"Sessions", `"sessions"`, "1a", "a.b.c", "a.", ".a", ".", " ", "a b", "a-b", "ä", "a\x00", "a\n", "a'", "a;",
		strings.Repeat("x", 51), "s." + strings.Repeat("x", 51), strings.Repeat("x", 51) + ".t",
		"t; DROP TABLE users; --", `t" (id int); --`, "pg_catalog.pg_class; SELECT 1",
	} {
		_, err := sqlstore.New(context.Background(), nothing, sqlstore.Config{Table: name})
		_, err2 := sqlstore.SchemaSQL(sqlstore.Config{Table: name})
		for _, err := range []error{err, err2} {
			if err == nil || !strings.HasPrefix(err.Error(), "sqlstore: Config.Table must be a name") {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
}

// TestSchemaCreate_Refused: who may not create the table is told what to do.
func TestSchemaCreate_Refused(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	_, dsn := db.role(t)
	for _, c := range []struct{ name, table, want string }{
		{"no right", db.table(), "this user may not create or change the table " + db.table()},
		{"no schema", "no_such_schema.t", "the schema of the table no_such_schema.t does not exist: create it (CREATE SCHEMA), or name another"},
	} {
		before := db.catalog(t)
		_, err := sqlstore.New(limit(t, 30*time.Second), db.pool(t, dsn), sqlstore.Config{Table: c.table})
		if err == nil || !errors.Is(err, session.ErrUnavailable) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.name == "no right" && !strings.Contains(err.Error(), "SchemaSQL") {
			t.Errorf("no remedy: %v", err)
		}
		if db.catalog(t) != before {
			t.Errorf("%s: the database has changed", c.name)
		}
	}
	db.exec(t, "REVOKE USAGE ON SCHEMA "+db.schema+" FROM PUBLIC, CURRENT_USER")
	stranger, strangersDSN := db.role(t)
	db.exec(t, "REVOKE ALL ON SCHEMA "+db.schema+" FROM "+stranger)
	_, err := sqlstore.New(limit(t, 30*time.Second), db.pool(t, strangersDSN), sqlstore.Config{Table: db.table()})
	if err == nil || !errors.Is(err, session.ErrUnavailable) || !strings.Contains(err.Error(), "USAGE") {
		t.Errorf("no USAGE: %v", err)
	}
}

// TestVolatile: the table is UNLOGGED and does all that another does.
func TestVolatile(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	live(t, db.open(t, sqlstore.Config{Volatile: true}))
	if kind := query[string](t, db, "SELECT relpersistence::text FROM pg_class WHERE oid = $1::regclass", db.table()); kind != "u" {
		t.Errorf("the table's persistence is %q", kind)
	}
}

// TestSchema_OutOfTime: who waits for another process that is making the table,
// and has no more time, is told that the database is unavailable: to try again
// helps, as it does not with a mistake in the settings.
func TestSchema_OutOfTime(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	ctx := limit(t, lease)
	tx, err := db.admin.Begin(ctx)
	must(t, err)
	defer tx.Rollback(context.Background())
	_, err = tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended('sessionstate outoftime', 0))")
	must(t, err)
	soon, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	st, err := sqlstore.New(soon, db.pool(t, db.dsn), sqlstore.Config{Table: db.schema + ".outoftime"})
	if err == nil {
		st.Close()
	}
	if !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("New without time: %v", err)
	}
}
