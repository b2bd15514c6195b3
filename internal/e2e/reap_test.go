package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

// reaperPackage is what removes expired sessions, in processes of its own.
const reaperPackage = "github.com/sessionstate/sessionstate/internal/e2e/reaper"

const (
	reapers     = 8
	expiredRows = 100_000 // half of them to be reported
	liveRows    = 1_000

	// removeEvery: of those that are claimed, one in so many is deleted, which
	// is a round trip each; the others are to stay claimed.
	removeEvery = 5

	// longestTransaction is what a transaction may take: the rows of a batch
	// are milliseconds of work, and eight processes share few processors.
	longestTransaction = 5 * time.Second
)

// TestS12_ManyProcesses: eight processes that remove what has expired get each
// session once, leave live ones alone, and get into each other's way neither by
// deadlocks nor by long transactions.
func TestS12_ManyProcesses(t *testing.T) {
	t.Parallel()
	s := common.get(t)
	const table, namespace = "reaped", "reaped"
	dsn := s.server.DSN()
	store, err := sqlstore.Open(t.Context(), dsn, sqlstore.Config{Table: table}) // makes the table
	if err != nil {
		t.Fatal(err)
	}
	store.Close()
	conn := connect(t, dsn)
	// Every second one is to be reported. Of the live ones some have expired
	// but for a lock, and some are of another namespace.
	insert := "INSERT INTO " + table + ` (id, namespace, events, expires, created, placed, idle, writes, seen, data, lock_until, lock_token)
		SELECT sha256(convert_to($1 || n, 'UTF8')), $2, n % 2 = 0, $3, now() - interval '1 day', now() - interval '1 day',
		60000000, '\x0102030405060708', 1, '\xa50100', $4, '00000000-0000-0000-0000-000000000001'
		FROM generate_series(1, $5::int) n`
	begun := time.Now()
	past, future := begun.Add(-time.Hour), begun.Add(time.Hour)
	for _, rows := range []struct {
		name, namespace string
		expires         time.Time
		locked          time.Time
		n               int
	}{
		{"expired", namespace, past, past, expiredRows},
		{"live", namespace, future, past, liveRows / 2},
		{"locked", namespace, past, future, liveRows / 4},
		{"another's", "another", past, past, liveRows / 4},
	} {
		if _, err := conn.Exec(t.Context(), insert, rows.name, rows.namespace, rows.expires, rows.locked, rows.n); err != nil {
			t.Fatal(err)
		}
	}
	const fingerprint = "SELECT count(*)::int || ' ' || md5(string_agg(t::text, '' ORDER BY id)) FROM " + table + " t WHERE NOT reaped AND (lock_until > now() OR expires > now() OR namespace <> 'reaped')"
	before := ask[string](t, conn, fingerprint)
	deadlocks := ask[int](t, conn, "SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()")

	watching, stop := context.WithCancel(t.Context())
	watched := make(chan time.Duration, 1)
	go func() { watched <- longest(watching, dsn) }() // until stop
	claimed := reap(t, s.reaper, dsn, table, namespace)
	stop()
	longestSeen := <-watched

	seen := make(map[string]int)
	busy, kept := 0, 0
	for _, keys := range claimed {
		if len(keys) > 0 {
			busy++
		}
		for _, line := range keys {
			what, key, _ := strings.Cut(line, " ")
			seen[key]++
			if what == "kept" {
				kept++
			}
		}
	}
	twice := 0
	for _, n := range seen {
		if n > 1 {
			twice++
		}
	}
	if len(seen) != expiredRows/2 || twice > 0 {
		t.Errorf("%d sessions were claimed, %d of them more than once; want %d, none", len(seen), twice, expiredRows/2)
	}
	if busy < reapers/2 {
		t.Errorf("only %d of %d processes got something to do", busy, reapers)
	}
	const counts = "SELECT count(*) FILTER (WHERE NOT reaped)::int || ' live, ' || count(*) FILTER (WHERE reaped AND attempts = 1)::int || ' claimed once, ' || count(*) || ' in all' FROM " + table
	if got, want := ask[string](t, conn, counts), fmt.Sprintf("%d live, %d claimed once, %d in all", liveRows, kept, liveRows+kept); got != want {
		t.Errorf("the rows are %s; want %s", got, want)
	}
	if after := ask[string](t, conn, fingerprint); after != before {
		t.Errorf("what is not to be removed was %s, and is %s", before, after)
	}
	if n := ask[int](t, conn, "SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()") - deadlocks; n != 0 {
		t.Errorf("%d deadlocks", n)
	}
	switch {
	case longestSeen < 0:
		t.Error("no transaction was seen at all")
	case longestSeen > longestTransaction:
		t.Errorf("a transaction took %v", longestSeen)
	}
	t.Logf("%d sessions purged or claimed in %v by %d processes; the longest transaction seen took %v",
		expiredRows, time.Since(begun).Round(time.Millisecond), reapers, longestSeen.Round(time.Millisecond))
}

// applicationName tells the reapers' connections from others.
const applicationName = "e2e-reaper"

// reap has all processes begin at once, and returns the keys that each got.
func reap(t *testing.T, program, dsn, table, namespace string) (claimed [][]string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	claimed = make([][]string, reapers)
	errs := make([]error, reapers)
	begin := make(chan struct{})
	var ready, done sync.WaitGroup
	for i := range reapers {
		ready.Add(1)
		done.Go(func() {
			claimed[i], errs[i] = reapOne(ctx, &ready, begin, program, dsn, table, namespace)
		})
	}
	ready.Wait()
	close(begin)
	done.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return claimed
}

func reapOne(ctx context.Context, ready *sync.WaitGroup, begin <-chan struct{}, program, dsn, table, namespace string) (keys []string, err error) {
	isReady := sync.OnceFunc(ready.Done)
	defer isReady()
	cmd := exec.CommandContext(ctx, program, "-table", table, "-namespace", namespace, "-every", strconv.Itoa(removeEvery))
	cmd.Env = append(cmd.Environ(), "E2E_DSN="+dsn+"&pool_max_conns=2&application_name="+applicationName)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if text := lines.Text(); text != "ready" {
			keys = append(keys, text)
			continue
		}
		isReady()
		<-begin
		stdin.Close()
	}
	if _, err := io.Copy(io.Discard, stdout); err != nil {
		return nil, err
	}
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, &stderr)
	}
	return keys, nil
}

// longest watches the reapers' transactions until ctx ends, and returns the age
// of the oldest that it saw; negative if it saw none.
func longest(ctx context.Context, dsn string) time.Duration {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return -1
	}
	defer conn.Close(context.WithoutCancel(ctx))
	most := time.Duration(-1)
	for ctx.Err() == nil {
		var age *time.Duration
		err := conn.QueryRow(ctx, "SELECT max(clock_timestamp() - xact_start) FROM pg_stat_activity WHERE application_name = $1",
			applicationName).Scan(&age)
		if err == nil && age != nil {
			most = max(most, *age)
		}
		pause(ctx, 5*time.Millisecond)
	}
	return most
}

// connect opens a connection that is closed after the test.
func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
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

// ask returns the one value that a query has.
func ask[T any](t *testing.T, conn *pgx.Conn, query string) (value T) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), query).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}
