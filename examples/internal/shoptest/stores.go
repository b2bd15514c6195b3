package shoptest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// shared are the stores that processes can share; open returns what
// SESSION_STORE is to be.
var shared = []struct {
	name string
	open func(*testing.T) string
}{
	{"PostgreSQL", postgres},
	{"Cosmos", cosmos},
}

// address returns the value of the variable that names a server.
func address(t *testing.T, variable, server string) string {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" {
		what := variable + " names no " + server + " server: run `make test`, which starts one"
		if os.Getenv("SESSION_TEST_REQUIRE") != "" {
			t.Fatal(what)
		}
		t.Skip(what)
	}
	return value
}

// cosmos returns the account of the tests. An example has no setting for a
// container: the sessions are in the one that everybody has by default, where
// nobody meets others' and all expire.
func cosmos(t *testing.T) string {
	t.Helper()
	return "cosmos://" + address(t, "SESSION_TEST_COSMOS", "Cosmos DB")
}

// postgres returns a data source name whose search_path is a schema of the
// test's own.
func postgres(t *testing.T) string {
	t.Helper()
	return Schema(t, address(t, "SESSION_TEST_POSTGRES", "PostgreSQL"))
}

// Schema makes a schema of the test's own, which ends with it, and returns dsn
// with that as its search_path.
func Schema(t *testing.T, dsn string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	db, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	schema := "test_" + strings.ToLower(rand.Text())
	if _, err := db.Exec(ctx, "CREATE SCHEMA "+schema); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if _, err := db.Exec(ctx, "DROP SCHEMA "+schema+" CASCADE"); err != nil {
			t.Error(err)
		}
		db.Close(ctx)
	})
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("SESSION_TEST_POSTGRES must be a URL here")
	}
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String()
}
