package adapter

import (
	"context"
	"crypto/rand"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"
	"github.com/jackc/pgx/v5/pgxpool"

	session "github.com/sessionstate/sessionstate/core"
	cosmosstore "github.com/sessionstate/sessionstate/providers/cosmos"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// patience bounds what a test does before and after the kit.
const patience = 30 * time.Second

// address returns the value of the variable that names a server.
func address(t *testing.T, variable string) string {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" {
		const how = " names no server: put go run ./internal/servers -- before the command"
		if os.Getenv("SESSION_TEST_REQUIRE") == "1" {
			t.Fatal(variable + how)
		}
		t.Skip(variable + how)
	}
	return value
}

// newPool returns a pool of a few connections.
func newPool(t *testing.T) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(address(t, "SESSION_TEST_POSTGRES"))
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 4
	// The kit gives thousands of requests in line for one session seconds. What
	// the disk takes for each, beside other tests, is not what it proves.
	config.ConnConfig.RuntimeParams["synchronous_commit"] = "off"
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func exec(tb testing.TB, pool *pgxpool.Pool, sql string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := pool.Exec(ctx, sql); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
}

// openTable returns a store with a schema of its own, and the name of its table.
func openTable(tb testing.TB, pool *pgxpool.Pool) (store *sqlstore.Store, name string) {
	tb.Helper()
	schema := "test_" + strings.ToLower(rand.Text())
	exec(tb, pool, "CREATE SCHEMA "+schema)
	tb.Cleanup(func() { exec(tb, pool, "DROP SCHEMA "+schema+" CASCADE") })
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	name = schema + "." + sqlstore.DefaultTable
	store, err := sqlstore.New(ctx, pool, sqlstore.Config{Table: name})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(store.Close)
	return store, name
}

// TestAdapterOnPostgreSQL: all stores share a pool that has fewer connections
// than there are requests at once, each with a schema of its own.
func TestAdapterOnPostgreSQL(t *testing.T) {
	pool := newPool(t)
	run(t, func(tb testing.TB) session.Store {
		store, _ := openTable(tb, pool)
		return store
	})
}

// openContainer returns a store with a container of its own, and its settings.
func openContainer(tb testing.TB, account string) (*cosmosstore.Store, cosmosstore.Config) {
	tb.Helper()
	config := cosmosstore.Config{
		ConnectionString: account,
		Database:         "sessionstate-test",
		Container:        "test-" + strings.ToLower(rand.Text()),
	}
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	store, err := cosmosstore.Open(ctx, config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		store.Close()
		dropContainer(tb, config)
	})
	return store, config
}

// TestAdapterOnCosmos: each store has a container of its own.
//
// It leaves out the counters of M1 and M4 and the full queue of M6, which have
// 50 requests and more in line for one session, thousands in all, and want none
// to wait for 10 s: a server of the tests that is one thread takes longer when
// other tests run beside it. In providers/cosmos there are smaller tests of lines.
func TestAdapterOnCosmos(t *testing.T) {
	account := address(t, "SESSION_TEST_COSMOS")
	run(t, func(tb testing.TB) session.Store {
		if strings.Contains(tb.Name(), "_increments,") || strings.Contains(tb.Name(), "/of_200_at_once") {
			tb.Skip("too many requests in line for one session: too much for the tests' Cosmos DB server in the kit's time")
		}
		store, _ := openContainer(tb, account)
		return store
	})
}

// containerOf returns the SDK's client of a container.
func containerOf(tb testing.TB, config cosmosstore.Config) *azcosmos.ContainerClient {
	tb.Helper()
	client, err := azcosmos.NewClientFromConnectionString(config.ConnectionString, &azcosmos.ClientOptions{
		ClientOptions: azcore.ClientOptions{Transport: http.DefaultClient}, // which speaks plain http too
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(client.Close)
	container, err := client.NewContainer(config.Database, config.Container)
	if err != nil {
		tb.Fatal(err)
	}
	return container
}

func dropContainer(tb testing.TB, config cosmosstore.Config) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := containerOf(tb, config).Delete(ctx, nil); err != nil {
		tb.Error(err)
	}
}
