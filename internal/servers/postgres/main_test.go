package postgres

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessionstate/sessionstate/internal/servers/process/processtest"
)

// childVariable turns the test program into a parent that dies.
const childVariable = "POSTGRES_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) == "" {
		os.Exit(m.Run())
	}
	s, err := Start(context.Background(), Options{NoSync: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.DSN(), s.folder.Path())
	select {}
}

// TestDiesWithItsParent: after kill -9 of the program that started it, the server
// with all its processes is gone, and what it stored.
func TestDiesWithItsParent(t *testing.T) {
	need(t)
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), childVariable+"=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	defer parent.Wait()
	defer parent.Process.Kill()
	line, _ := bufio.NewReader(out).ReadString('\n')
	var dsn, folder string
	if _, err := fmt.Sscan(line, &dsn, &folder); err != nil {
		t.Fatalf("the child says %q: %v", line, err)
	}
	pids := processes(t, connect(t, dsn), folder)
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		processtest.Gone(t, pid)
	}
	processtest.Deleted(t, folder)
}

// need skips a test on a machine without PostgreSQL. Where tests must have one
// it fails, unless the one they have is somewhere else.
func need(t *testing.T) {
	t.Helper()
	_, err := Find()
	if errors.Is(err, ErrNotFound) && (os.Getenv("SESSION_TEST_REQUIRE") != "1" || os.Getenv("SESSION_TEST_POSTGRES") != "") {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func newTestServer(t *testing.T, o Options) *Server {
	t.Helper()
	need(t)
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
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

func do(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
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

// processes returns the IDs of all the server's processes.
func processes(t *testing.T, conn *pgx.Conn, folder string) (pids []int) {
	t.Helper()
	pids = ask[[]int](t, conn, "SELECT array_agg(pid) FROM pg_stat_activity")
	text, err := os.ReadFile(folder + "/data/postmaster.pid")
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	var pid int
	if _, err := fmt.Sscan(first, &pid); err != nil {
		t.Fatal(err)
	}
	pids = append(pids, pid)
	for _, pid := range pids {
		if !processtest.Runs(pid) {
			t.Fatalf("process %d does not run", pid)
		}
	}
	return pids
}
