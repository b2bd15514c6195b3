package main

import (
	"os"
	"testing"
)

// testDatabase makes a database of the test's own: transactions that other
// tests keep open must not keep old versions of rows alive here.
func testDatabase(t *testing.T) *database {
	t.Helper()
	dsn := os.Getenv("SESSION_TEST_POSTGRES")
	if dsn == "" {
		const what = "SESSION_TEST_POSTGRES names no PostgreSQL server: run `make test`, which starts one"
		if os.Getenv("SESSION_TEST_REQUIRE") != "" {
			t.Fatal(what)
		}
		t.Skip(what)
	}
	db, err := makeDatabase(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// TestLocksTouchNoIndex: of the updates that requests cause 95 % are HOT, and
// the table hardly grows, however often its sessions are used.
func TestLocksTouchNoIndex(t *testing.T) {
	u, err := countUpdates(t.Context(), testDatabase(t), 500, 20_000, 40)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d updates were HOT, %.2f %%; %.0f cycles a second, an extension each %v; table %d to %d bytes, indexes %d to %d",
		u.hot, u.all, 100*u.share(), u.rate, u.refresh, u.tableBefore, u.tableAfter, u.indexBefore, u.indexAfter)
	if u.share() < 0.95 {
		t.Errorf("%.2f %% of %d updates were HOT, want 95 %%", 100*u.share(), u.all)
	}
	if u.share() == 1 {
		t.Error("no expiry was written: what was measured is not what requests do")
	}
	if u.tableAfter > 3*u.tableBefore {
		t.Errorf("the table has grown from %d to %d bytes", u.tableBefore, u.tableAfter)
	}
}
