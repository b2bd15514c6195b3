// Servers starts the real servers that tests need, runs a command with their
// addresses in its environment, and stops them:
//
//	go run ./internal/servers [-postgres] [-pgbouncer] [-cosmos] [-postgres-version N] [-- command args…]
//
// Without a flag it starts all of them. A server whose variable is set already
// is somebody's own and used as it is. Without a command it prints the variables
// as lines for a shell, and keeps the servers until Ctrl-C:
//
//	SESSION_TEST_POSTGRES    DSN of a superuser; a test makes a schema of its own
//	SESSION_TEST_PGBOUNCER   the same through PgBouncer in transaction mode;
//	                         not set if there is no PgBouncer to be had
//	SESSION_TEST_COSMOS      connection string of a Cosmos DB account; a test makes
//	                         a container of its own
//	SESSION_TEST_REQUIRE     1: a test without its server fails instead of being
//	                         skipped (PgBouncer's excepted)
//
// Binaries that the machine lacks are installed where that is possible: see
// package install. With -postgres-version PostgreSQL is of that major version,
// and so is every other one that the command starts by package postgres, whatever
// the machine has: SESSION_TEST_POSTGRES_BIN then names its folder. The servers end with this program, even if it is killed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/sessionstate/sessionstate/internal/servers/postgres"
)

func main() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code, err := run(signals, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintf(os.Stderr, "servers: %v\n", err)
	}
	os.Exit(code)
}

// run does what the program does and returns its exit code.
func run(signals <-chan os.Signal, args []string, stdout, stderr io.Writer) (code int, err error) {
	flags := flag.NewFlagSet("servers", flag.ContinueOnError)
	flags.SetOutput(stderr)
	major := flags.Int("postgres-version", 0, fmt.Sprintf("have PostgreSQL of `major` version, one of %v, fetched by npm", postgres.Majors()))
	all := servers(major)
	wanted := make(map[string]*bool)
	for _, s := range all {
		wanted[s.name] = flags.Bool(s.name, false, "start "+s.title+" and what it needs")
	}
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0, nil
	} else if err != nil {
		return 2, nil // the flags have said why
	}

	if *major != 0 && *wanted["cosmos"] {
		*wanted["postgres"] = true // it was not asked for a version in vain
	}

	started := &running{vars: map[string]string{"SESSION_TEST_REQUIRE": "1"}, stderr: stderr}
	defer func() {
		if failed := started.stop(); failed != nil {
			code, err = max(code, 1), errors.Join(err, failed)
		}
	}()
	if sig, err := started.start(signals, choose(all, wanted)); err != nil {
		return 1, err
	} else if sig != nil {
		return exitCode(sig), nil
	}
	if flags.NArg() == 0 {
		fmt.Fprint(stdout, started.exports())
		fmt.Fprintln(stderr, "servers: they run until Ctrl-C")
		<-signals
		return 0, nil
	}
	return command(signals, flags.Args(), started.vars)
}

// choose returns the servers that the flags name, and what these need: all of
// them if no flag is given.
func choose(all []server, wanted map[string]*bool) (chosen []server) {
	none := true
	for _, s := range all {
		if *wanted[s.name] {
			none = false
			for _, n := range s.needs {
				*wanted[n] = true
			}
		}
	}
	for _, s := range all {
		if none || *wanted[s.name] {
			chosen = append(chosen, s)
		}
	}
	return chosen
}

// command runs a command that gets the variables and all signals, and returns
// its exit code. At a terminal it gets Ctrl-C from there as well.
func command(signals <-chan os.Signal, args []string, vars map[string]string) (int, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = os.Environ()
	for name, value := range vars {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	if err := cmd.Start(); err != nil {
		return 127, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case sig := <-signals:
			_ = cmd.Process.Signal(sig) // fails if it has just ended, which is as well
		case err := <-ended:
			if exit := new(exec.ExitError); errors.As(err, &exit) {
				if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
					return exitCode(status.Signal()), nil
				}
				return exit.ExitCode(), nil
			} else if err != nil {
				return 1, err
			}
			return 0, nil
		}
	}
}

// exitCode is what shells make of a program that a signal has ended.
func exitCode(sig os.Signal) int {
	if s, ok := sig.(syscall.Signal); ok {
		return 128 + int(s)
	}
	return 1
}

// quoted is a word for a shell.
func quoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// interruptible returns a context that ends with the first signal, which stop
// returns, nil if there was none.
func interruptible(signals <-chan os.Signal) (ctx context.Context, stop func() os.Signal) {
	ctx, cancel := context.WithCancel(context.Background())
	received := make(chan os.Signal, 1)
	go func() { // until stop
		select {
		case sig := <-signals:
			received <- sig
			cancel()
		case <-ctx.Done():
		}
		close(received)
	}()
	return ctx, func() os.Signal {
		cancel()
		return <-received
	}
}
