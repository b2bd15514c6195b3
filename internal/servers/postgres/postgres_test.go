package postgres

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessionstate/sessionstate/internal/servers/process/processtest"
)

// TestCrashAndRestart: what was committed is there after a crash, what was not
// is not, and the address is the same.
func TestCrashAndRestart(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, Options{})
	dsn, conn := s.DSN(), connect(t, s.DSN())
	do(t, conn, "CREATE TABLE kept (n int)", "INSERT INTO kept SELECT generate_series(1, 1000)", "BEGIN", "INSERT INTO kept VALUES (0)")
	if err := s.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "COMMIT"); err == nil {
		t.Error("a commit after the crash succeeded")
	}
	if _, err := pgx.Connect(t.Context(), dsn); err == nil {
		t.Error("the crashed server takes connections")
	}
	for _, round := range []struct {
		how  string
		stop func(context.Context) error
	}{{"after the crash", s.Crash}, {"after a stop", s.Stop}, {"while it runs", func(context.Context) error { return nil }}} {
		if err := round.stop(t.Context()); err != nil {
			t.Fatal(round.how, err)
		}
		if err := s.Restart(t.Context()); err != nil {
			t.Fatal(round.how, err)
		}
		log := s.proc.Log()
		if recovered := strings.Contains(log, "not properly shut down"); recovered != (round.how == "after the crash") {
			t.Errorf("%s: recovered: %v; the log:\n%s", round.how, recovered, log)
		}
		if s.DSN() != dsn {
			t.Errorf("%s: it is somewhere else", round.how)
		}
		if n := ask[int](t, connect(t, dsn), "SELECT count(*) FROM kept"); n != 1000 {
			t.Errorf("%s: %d rows, want 1000", round.how, n)
		}
	}
}

// TestRestart_AfterKill: a server that was killed from outside starts again, as
// soon as the last of its processes has noticed.
func TestRestart_AfterKill(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, Options{})
	conn := connect(t, s.DSN())
	do(t, conn, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (1)")
	pids := processes(t, conn, s.folder.Path())
	busy := connect(t, s.DSN())
	done := make(chan error, 1)
	go func() {
		_, err := busy.Exec(context.Background(), "SELECT sum(sqrt(n)) FROM generate_series(1, 3000000) n")
		done <- err
	}()
	if !processtest.Until(func() bool {
		return ask[int](t, conn, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT sum%' AND state = 'active'") == 1
	}) {
		t.Fatal("the query does not run")
	}
	if err := syscall.Kill(pids[len(pids)-1], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-done
	if n := ask[int](t, connect(t, s.DSN()), "SELECT count(*) FROM kept"); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

// TestRevive: a server that runs, or is about to, is left alone; one that has
// ended is started; each with what was committed. Its folder is where it was
// asked for.
func TestRevive(t *testing.T) {
	t.Parallel()
	parent, err := os.MkdirTemp("", "sessionstate-parent-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(parent); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(parent, 0o777); err != nil {
		t.Fatal(err)
	}
	s := newTestServer(t, Options{Parent: parent})
	conn := connect(t, s.DSN())
	do(t, conn, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (1)")
	if !strings.HasPrefix(s.folder.Path(), parent) {
		t.Errorf("its folder is %s, want one in %s", s.folder.Path(), parent)
	}
	started := ask[string](t, conn, "SELECT pg_postmaster_start_time()::text")
	for _, c := range []struct {
		name string
		end  func(pids []int) error
		same bool
	}{
		{"runs", func([]int) error { return nil }, true},
		{"recovers", func(pids []int) error { return syscall.Kill(pids[0], syscall.SIGKILL) }, true},
		{"has ended", func(pids []int) error { return syscall.Kill(pids[len(pids)-1], syscall.SIGKILL) }, false},
		{"was stopped", func([]int) error { return s.Stop(t.Context()) }, false},
	} {
		if err := c.end(processes(t, connect(t, s.DSN()), s.folder.Path())); err != nil {
			t.Fatal(err)
		}
		if !processtest.Until(func() bool { // a killed one may answer for a moment
			err := s.Revive(t.Context())
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			conn, err := pgx.Connect(t.Context(), s.DSN())
			if err != nil {
				return false
			}
			defer conn.Close(t.Context())
			var now string
			err = conn.QueryRow(t.Context(), "SELECT pg_postmaster_start_time()::text FROM kept").Scan(&now)
			return err == nil && (now == started) == c.same
		}) {
			t.Fatalf("%s: it does not run as it should", c.name)
		}
		started = ask[string](t, connect(t, s.DSN()), "SELECT pg_postmaster_start_time()::text FROM kept")
	}
}

func TestSideBySide(t *testing.T) {
	t.Parallel()
	a, b := newTestServer(t, Options{NoSync: true}), newTestServer(t, Options{NoSync: true})
	do(t, connect(t, a.DSN()), "CREATE TABLE mine (n int)")
	if ask[bool](t, connect(t, b.DSN()), "SELECT to_regclass('mine') IS NOT NULL") {
		t.Error("the one's table is in the other")
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if n := ask[int](t, connect(t, b.DSN()), "SELECT 1"); n != 1 {
		t.Errorf("after the other's end: %d", n)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, Options{NoSync: true})
	pids := processes(t, connect(t, s.DSN()), s.folder.Path())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		if processtest.Runs(pid) {
			t.Errorf("process %d still runs", pid)
		}
	}
	if _, err := os.Stat(s.folder.Path()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder: %v, want none", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("once more: %v", err)
	}
	if err := s.Restart(t.Context()); err == nil {
		t.Error("it can be started again")
	}
}

// TestOptions: commits are durable unless one asks for less.
func TestOptions(t *testing.T) {
	t.Parallel()
	settings := []string{"fsync", "full_page_writes", "synchronous_commit", "max_connections", "listen_addresses", "application_name"}
	for _, c := range []struct {
		name string
		o    Options
		want string
	}{
		{"default", Options{}, "on on on 200 127.0.0.1 it"},
		{"NoSync", Options{NoSync: true}, "off off on 200 127.0.0.1 it"},
		{"Settings", Options{NoSync: true, Settings: map[string]string{"max_connections": "17", "full_page_writes": "on", "application_name": `it's a \`}},
			`off on on 17 127.0.0.1 it's a \`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.o.Settings == nil {
				c.o.Settings = map[string]string{"application_name": "it"}
			}
			s := newTestServer(t, c.o)
			conn := connect(t, s.DSN())
			var got []string
			for _, name := range settings {
				got = append(got, ask[string](t, conn, "SHOW "+name))
			}
			if got := strings.Join(got, " "); got != c.want {
				t.Errorf("%v are %s, want %s", settings, got, c.want)
			}
			if v := ask[string](t, conn, "SHOW server_version"); !strings.HasPrefix(v, s.Version()) || s.Version() == "" {
				t.Errorf("Version is %q, and the server's %q", s.Version(), v)
			}
		})
	}
}

// TestPassword: only who has it gets in, and no error of this package or of the
// driver tells it.
func TestPassword(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, Options{NoSync: true})
	if len(s.password) < 20 || !strings.Contains(s.DSN(), s.password) {
		t.Fatal("the DSN has no password worth the name")
	}
	wrong, err := url.Parse(s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	wrong.User = url.UserPassword(user, "guessed")
	if _, err := pgx.Connect(t.Context(), wrong.String()); err == nil || !strings.Contains(err.Error(), "28P01") {
		t.Errorf("with another password: %v, want 28P01", err)
	}

	hides := func(doing string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s: no error", doing)
		} else if strings.Contains(err.Error(), s.password) {
			t.Errorf("%s: the error has the password: %v", doing, err)
		}
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = s.ask(t.Context())
	hides("ask a stopped server", err)
	config := s.folder.Path("data", "postgresql.conf")
	good, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.folder.WriteFile("data/postgresql.conf", "port = '"+s.password+"'\n"); err != nil {
		t.Fatal(err)
	}
	err = s.Restart(t.Context())
	hides("start with a configuration that has it", err)
	if err == nil || !strings.Contains(err.Error(), "port") {
		t.Errorf("%v does not say what is wrong", err)
	}
	if err := s.folder.WriteFile("data/postgresql.conf", string(good)); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Errorf("after a repair: %v", err)
	}
}

// TestPortTaken: a port that somebody else has got meanwhile is found out at
// once, even if nobody answers there.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, Options{NoSync: true})
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(t.Context()); !errors.Is(err, errPortTaken) {
		t.Errorf("Restart: %v, want %v", err, errPortTaken)
	}
	l.Close()
	if err := s.Restart(t.Context()); err != nil {
		t.Errorf("once the port is free: %v", err)
	}
}

// TestStart_Fails: an error says what is wrong, and nothing stays behind.
func TestStart_Fails(t *testing.T) {
	need(t)
	empty := openFolder(t)
	t.Setenv("TMPDIR", openFolder(t))
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	for _, c := range []struct {
		name string
		ctx  context.Context
		o    Options
		want string
	}{
		{"a bad value", t.Context(), Options{Settings: map[string]string{"shared_buffers": "much"}}, `invalid value for parameter "shared_buffers"`},
		{"no name", t.Context(), Options{Settings: map[string]string{"a = b\nc": "d"}}, "is not a line of postgresql.conf"},
		{"two lines", t.Context(), Options{Settings: map[string]string{"a": "b\nc = d"}}, "is not a line of postgresql.conf"},
		{"an empty folder", t.Context(), Options{Bin: empty}, "no such file"},
		{"an ended context", ended, Options{}, "enough"},
	} {
		t.Run(c.name, func(t *testing.T) {
			begin := time.Now()
			s, err := Start(c.ctx, c.o)
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "postgres: ") {
				t.Errorf("%v, want %q", err, c.want)
			}
			if d := time.Since(begin); d > startTime/2 {
				t.Errorf("it took %v", d)
			}
		})
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// openFolder is a temporary folder that the servers' user can enter.
func openFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "postgres-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
