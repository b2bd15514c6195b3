package pgbouncer

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessionstate/sessionstate/internal/servers/postgres"
	"github.com/sessionstate/sessionstate/internal/servers/process/processtest"
)

// TestTransactionMode: a connection to PostgreSQL belongs to a client for a
// transaction only, so that more clients than there are connections get
// through, and what a client prepared is another's.
func TestTransactionMode(t *testing.T) {
	_, s := newTestServers(t)
	backends := make(map[int]bool)
	var clients []*pgx.Conn
	for range PoolSize + 10 {
		c := connect(t, s.DSN())
		clients = append(clients, c)
		backends[ask[int](t, c, "SELECT pg_backend_pid()")] = true
	}
	if len(backends) > PoolSize {
		t.Errorf("%d clients have %d connections, want at most %d", len(clients), len(backends), PoolSize)
	}

	a, b := clients[0], clients[1]
	do(t, a, "BEGIN")
	held := ask[int](t, a, "SELECT pg_backend_pid()")
	if other := ask[int](t, b, "SELECT pg_backend_pid()"); other == held {
		t.Error("two clients share a connection within a transaction")
	}
	if again := ask[int](t, a, "SELECT pg_backend_pid()"); again != held {
		t.Error("the connection changed within a transaction")
	}
	do(t, a, "COMMIT")

	// One connection, which all have in turn: what one prepares, all have.
	for _, c := range clients {
		do(t, c, "DISCARD ALL")
	}
	do(t, a, "PREPARE mine AS SELECT 1")
	if n := ask[int](t, b, "SELECT count(*) FROM pg_prepared_statements WHERE name = 'mine'"); n != 1 {
		t.Errorf("another client sees %d of the prepared statements, want 1", n)
	}

	rows, err := connect(t, s.AdminDSN()).Query(t.Context(), "SHOW POOLS")
	if err != nil {
		t.Fatal(err)
	}
	pools, err := pgx.CollectRows(rows, pgx.RowToMap)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, p := range pools {
		if p["database"] == "postgres" {
			found = true
			if p["pool_mode"] != "transaction" {
				t.Errorf("the pool's mode is %v", p["pool_mode"])
			}
		}
	}
	if !found {
		t.Errorf("no pool of the database in %v", pools)
	}
}

// TestRestartBehindIt: clients get through again once PostgreSQL is back.
func TestRestartBehindIt(t *testing.T) {
	pg, s := newTestServers(t)
	ask[int](t, connect(t, s.DSN()), "SELECT 1")
	if err := pg.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := try(t, s.DSN()); err == nil {
		t.Error("a query got through to a crashed server")
	}
	if err := pg.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	var err error
	if !processtest.Until(func() bool { err = try(t, s.DSN()); return err == nil }) {
		t.Errorf("after ten seconds: %v", err)
	}
}

func TestClose(t *testing.T) {
	pg, s := newTestServers(t)
	conn := connect(t, s.DSN())
	ask[int](t, conn, "SELECT 1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.folder.Path()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder: %v, want none", err)
	}
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("it still answers")
	}
	if err := s.Close(); err != nil {
		t.Errorf("once more: %v", err)
	}
	left := "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
	direct := connect(t, pg.DSN())
	if !processtest.Until(func() bool { return ask[int](t, direct, left) == 0 }) {
		t.Error("connections of its own are left in PostgreSQL")
	}
}

// TestStart_Fails: an error says what is wrong, but no password, and nothing
// stays behind.
func TestStart_Fails(t *testing.T) {
	pg, _ := newTestServers(t)
	dir, err := os.MkdirTemp("", "pgbouncer-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	const password = "a-secret-word"
	wrong, err := url.Parse(pg.DSN())
	if err != nil {
		t.Fatal(err)
	}
	wrong.User = url.UserPassword("postgres", password)
	for _, c := range []struct{ name, dsn, want string }{
		{"no DSN", "postgres://postgres:" + password + "@:x:/", "cannot be parsed"},
		{"another password", wrong.String(), "password authentication failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			s, err := Start(ctx, c.dsn)
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), password) {
				t.Errorf("%v, want %q and no password", err, c.want)
			}
		})
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestTrust: a server that wants no password is served too.
func TestTrust(t *testing.T) {
	pg, _ := newTestServers(t)
	direct := connect(t, pg.DSN())
	do(t, direct, "COPY (SELECT 'host all all 127.0.0.1/32 trust') TO '"+ask[string](t, direct, "SHOW hba_file")+"'")
	do(t, direct, "SELECT pg_reload_conf()")
	dsn, err := url.Parse(pg.DSN())
	if err != nil {
		t.Fatal(err)
	}
	dsn.User = url.User("postgres")
	if !processtest.Until(func() bool { return try(t, dsn.String()) == nil }) {
		t.Fatal("PostgreSQL still wants a password")
	}
	s, err := Start(t.Context(), dsn.String())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := try(t, s.DSN()); err != nil {
		t.Error(err)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pgbouncer")
	list := "relative" + string(filepath.ListSeparator) + dir
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := find(list); got == file {
		t.Errorf("found %s, %v, which cannot be run", got, err)
	}
	if err := os.Chmod(file, 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := find(list); err != nil || got != file {
		t.Errorf("%q, %v, want %s", got, err, file)
	}
}

// newTestServers starts a PostgreSQL and a PgBouncer in front of it. Tests are
// skipped where there are not both: PgBouncer cannot be had everywhere.
func newTestServers(t *testing.T) (*postgres.Server, *Server) {
	t.Helper()
	if _, err := Find(); err != nil {
		t.Skip(err)
	}
	pg, err := postgres.Start(t.Context(), postgres.Options{NoSync: true})
	if errors.Is(err, postgres.ErrNotFound) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := Start(t.Context(), pg.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return pg, s
}

// connect opens a connection that is closed after the test. It sends simple
// queries, which PgBouncer's own database wants.
func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		conn.Close(ctx)
	})
	return conn
}

func open(ctx context.Context, dsn string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	return pgx.ConnectConfig(ctx, config)
}

// try sends one query on a connection of its own, and waits a second: PgBouncer
// has its clients wait for a server that is down.
func try(t *testing.T, dsn string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	conn, err := open(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "SELECT 1")
	return err
}

func do(t *testing.T, conn *pgx.Conn, statement string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// ask returns the one value that a query has.
func ask[T any](t *testing.T, conn *pgx.Conn, query string) (value T) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), query).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}
