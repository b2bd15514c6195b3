package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sessionstate/sessionstate/internal/servers/postgres"
	"github.com/sessionstate/sessionstate/internal/servers/process/processtest"
)

// TestRun_Command: the command gets the variables, and its exit code is the
// program's.
func TestRun_Command(t *testing.T) {
	t.Setenv(postgresVariable, "postgres://mine")
	t.Setenv(pgbouncerVariable, "postgres://mine too")
	t.Setenv(cosmosVariable, "mine as well")
	for _, c := range []struct {
		name, script string
		want         int
	}{
		{"success", "true", 0},
		{"failure", "exit 7", 7},
		{"signal", "kill -KILL $$", 137},
		{"variables", `test "$SESSION_TEST_POSTGRES, $SESSION_TEST_PGBOUNCER, $SESSION_TEST_REQUIRE" = "postgres://mine, postgres://mine too, 1"`, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, err := run(nil, []string{"--", "sh", "-c", c.script}, io.Discard, io.Discard)
			if err != nil || code != c.want {
				t.Errorf("%d, %v, want %d", code, err, c.want)
			}
		})
	}
	if code, err := run(nil, []string{"--", filepath.Join(t.TempDir(), "missing")}, io.Discard, io.Discard); code != 127 || err == nil {
		t.Errorf("a missing command: %d, %v, want 127", code, err)
	}
	if code, err := run(nil, []string{"-mysql"}, io.Discard, io.Discard); code != 2 || err != nil {
		t.Errorf("a wrong flag: %d, %v, want 2", code, err)
	}
}

// TestRun_Signal: the command gets the signals and has the last word.
func TestRun_Signal(t *testing.T) {
	t.Setenv(postgresVariable, "postgres://mine")
	t.Setenv(pgbouncerVariable, "postgres://mine too")
	t.Setenv(cosmosVariable, "mine as well")
	signals := make(chan os.Signal, 1)
	ready := filepath.Join(t.TempDir(), "ready")
	go func() {
		processtest.Until(func() bool { _, err := os.Stat(ready); return err == nil })
		signals <- syscall.SIGTERM
	}()
	script := `trap 'exit 5' TERM; touch "$0"; while :; do sleep 0.05; done`
	if code, err := run(signals, []string{"--", "sh", "-c", script, ready}, io.Discard, io.Discard); err != nil || code != 5 {
		t.Errorf("%d, %v, want 5", code, err)
	}
}

// TestRun_Print: without a command the variables are printed for a shell, and
// the servers run until a signal.
func TestRun_Print(t *testing.T) {
	t.Setenv(postgresVariable, "postgres://it's mine")
	t.Setenv(pgbouncerVariable, "$too")
	t.Setenv(cosmosVariable, "mine as well")
	signals := make(chan os.Signal, 1)
	stdout := new(strings.Builder)
	said := signalling(func(text string) {
		if strings.Contains(text, "until Ctrl-C") {
			signals <- os.Interrupt
		}
	})
	if code, err := run(signals, nil, stdout, said); err != nil || code != 0 {
		t.Fatalf("%d, %v", code, err)
	}
	out, err := exec.Command("sh", "-c", stdout.String()+`printf %s "$SESSION_TEST_POSTGRES|$SESSION_TEST_PGBOUNCER|$SESSION_TEST_REQUIRE"`).CombinedOutput()
	if want := "postgres://it's mine|$too|1"; err != nil || string(out) != want {
		t.Errorf("a shell makes %q, %v of it, want %q", out, err, want)
	}
}

// TestRun_Postgres: a real server, which is gone with the command.
func TestRun_Postgres(t *testing.T) {
	if _, err := postgres.Find(); err != nil {
		t.Skip(err) // package postgres fails where it must be there
	}
	t.Setenv(postgresVariable, "")
	t.Setenv(pgbouncerVariable, "")
	note := filepath.Join(t.TempDir(), "note")
	script := `echo "$SESSION_TEST_POSTGRES $SESSION_TEST_PGBOUNCER" >"$0"; exit 3`
	var stderr strings.Builder
	if code, err := run(nil, []string{"-postgres", "--", "sh", "-c", script, note}, io.Discard, &stderr); err != nil || code != 3 {
		t.Errorf("%d, %v, want 3", code, err)
	}
	text, err := os.ReadFile(note)
	if err != nil {
		t.Fatal(err)
	}
	dsn := strings.Fields(string(text))
	if len(dsn) != 1 || !strings.HasPrefix(dsn[0], "postgres://postgres:") {
		t.Fatalf("the command got %q", text)
	}
	if strings.Contains(stderr.String(), "postgres://") {
		t.Errorf("it says the DSN: %s", &stderr)
	}
	if _, err := pgconn.Connect(t.Context(), dsn[0]); err == nil {
		t.Error("the server outlives the command")
	}
}

// TestRun_WrongFolder: a variable that is wrong is told of, not helped by an
// installation.
func TestRun_WrongFolder(t *testing.T) {
	t.Setenv(postgresVariable, "")
	t.Setenv(postgres.BinVariable, t.TempDir())
	t.Setenv("PATH", t.TempDir()) // no apt-get
	code, err := run(nil, []string{"-postgres", "--", "true"}, io.Discard, io.Discard)
	if code != 1 || err == nil || !strings.Contains(err.Error(), postgres.BinVariable+" is ") || strings.Contains(err.Error(), "apt-get") {
		t.Errorf("%d, %v", code, err)
	}
}

// TestRun_Version: what cannot be had is told of.
func TestRun_Version(t *testing.T) {
	t.Setenv(postgresVariable, "postgres://mine")
	for name, want := range map[string]string{"postgres://mine": "unset the one or leave out the other", "": "no build of version 9"} {
		t.Setenv(postgresVariable, name)
		code, err := run(nil, []string{"-postgres", "-postgres-version=9", "--", "true"}, io.Discard, io.Discard)
		if code != 1 || err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "mine") {
			t.Errorf("%s=%q: %d, %v, want an error with %q", postgresVariable, name, code, err, want)
		}
	}
}

func TestChoose(t *testing.T) {
	for flags, want := range map[string]string{
		"":                   "postgres pgbouncer cosmos",
		"cosmos":             "cosmos",
		"postgres":           "postgres",
		"pgbouncer":          "postgres pgbouncer",
		"postgres pgbouncer": "postgres pgbouncer",
	} {
		all := servers(new(int))
		wanted := make(map[string]*bool)
		for _, s := range all {
			on := slices.Contains(strings.Fields(flags), s.name)
			wanted[s.name] = &on
		}
		var got []string
		for _, s := range choose(all, wanted) {
			got = append(got, s.name)
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("%q: %s, want %s", flags, got, want)
		}
	}
}

// TestStart: servers start in turn with the variables of those before them, and
// stop in the other order, whatever happens; one that tests can do without may
// fail, visibly.
func TestStart(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name           string
		optional, sent bool
		failing        string
		wantErr        error
		want           string
	}{
		{"all", false, false, "", nil, "+a +b +c -c -b -a"},
		{"the last fails", false, false, "c", broken, "+a +b +c -b -a"},
		{"the second fails", false, false, "b", broken, "+a +b -a"},
		{"the second may fail", true, false, "b", nil, "+a +b +c -c -a"},
		{"a signal", true, true, "b", nil, "+a +b -a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var events, stderr strings.Builder
			signals := make(chan os.Signal, 1)
			var list []server
			for i, name := range []string{"a", "b", "c"} {
				variable := "SERVERS_TEST_" + name
				t.Setenv(variable, "")
				list = append(list, server{name: name, title: name, variable: variable, optional: c.optional,
					start: func(ctx context.Context, _ io.Writer, vars map[string]string) (string, string, func() error, error) {
						fmt.Fprint(&events, "+", name, " ")
						if name == c.failing {
							if c.sent {
								signals <- os.Interrupt
								<-ctx.Done()
							}
							return "", "", nil, broken
						}
						if i == 1 && vars["SERVERS_TEST_a"] != "0" {
							t.Errorf("b knows of %v", vars)
						}
						return strconv.Itoa(i), name, func() error { fmt.Fprint(&events, "-", name, " "); return nil }, nil
					}})
			}
			r := &running{vars: make(map[string]string), stderr: &stderr}
			sig, err := r.start(signals, list)
			if !errors.Is(err, c.wantErr) || (sig != nil) != c.sent {
				t.Errorf("%v, %v, want %v, signal: %v", sig, err, c.wantErr, c.sent)
			}
			if err := r.stop(); err != nil {
				t.Error(err)
			}
			if got := strings.TrimSpace(events.String()); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if visible := strings.Contains(stderr.String(), "WITHOUT b"); visible != (c.optional && !c.sent) {
				t.Errorf("it says %s", &stderr)
			}
			if _, set := r.vars["SERVERS_TEST_"+c.failing]; set {
				t.Error("the variable of a server that failed is set")
			}
		})
	}
}

// signalling is a Writer that calls a function.
type signalling func(text string)

func (f signalling) Write(b []byte) (int, error) {
	f(string(b))
	return len(b), nil
}
