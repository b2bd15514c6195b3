package sqlstore_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// TestSchemaCreate_Upgrade: an older table is brought up to date step by step,
// by one of many, with its rows; SchemaVerify says that it is to be done.
func TestSchemaCreate_Upgrade(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	steps, err := sqlstore.Steps()
	must(t, err)
	old := len(steps)
	st, _ := db.store(t, sqlstore.Config{})
	key := create(t, st, "old")
	steps = append(steps,
		"ALTER TABLE {table} ADD COLUMN extra int NOT NULL DEFAULT 0; UPDATE {table} SET extra = extra + 1;\n",
		"ALTER TABLE {table} RENAME COLUMN extra TO more;\n")
	prepare := func(mode sqlstore.SchemaMode, steps []string) error {
		ctx := limit(t, 30*time.Second)
		conn, err := db.pool(t, db.dsn).Acquire(ctx)
		must(t, err)
		defer conn.Release()
		return sqlstore.Config{Table: db.table(), Schema: mode}.Prepare(ctx, conn.Conn(), steps)
	}

	before := db.catalog(t)
	err = prepare(sqlstore.SchemaVerify, steps)
	if err == nil || !strings.Contains(err.Error(), "is of version 1 and this program needs version 3: start it once with Config.Schema set to SchemaCreate") {
		t.Errorf("SchemaVerify of an older table: %v", err)
	}
	// A step that fails leaves nothing half done.
	broken := append(append([]string{}, steps[:old+1]...), "ALTER TABLE {table} ADD COLUMN other int; SELECT 1/0;\n")
	if err := prepare(sqlstore.SchemaCreate, broken); err == nil || !strings.Contains(err.Error(), "division by zero") {
		t.Errorf("an upgrade that fails: %v", err)
	}
	if after := db.catalog(t); after != before {
		t.Errorf("the database has changed from\n%s\nto\n%s", before, after)
	}

	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := prepare(sqlstore.SchemaCreate, steps); err != nil {
				t.Errorf("SchemaCreate of an older table: %v", err)
			}
		})
	}
	wg.Wait()
	if n := query[int](t, db, "SELECT more FROM "+db.table()); n != 1 {
		t.Errorf("the step was made %d times", n)
	}
	must(t, prepare(sqlstore.SchemaVerify, steps))
	if got := data(t, st, key); got != "old" { // who was there goes on
		t.Errorf("the session has become %q", got)
	}
	if err := prepare(sqlstore.SchemaCreate, steps[:old]); err == nil || !strings.Contains(err.Error(), "update the program") {
		t.Errorf("a newer table: %v", err)
	}
}
