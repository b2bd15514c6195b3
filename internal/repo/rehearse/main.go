// Rehearse does with this repository's modules what their users will do once
// they are released: see package rehearsal.
//
//	go run ./internal/repo/rehearse
//
// The programs of the providers' READMEs run if there is a server for them:
// SESSION_TEST_POSTGRES and SESSION_TEST_COSMOS say where, as for the tests.
// With SESSION_TEST_REQUIRE=1 a missing server is a failure. The program on
// PostgreSQL makes its table, session_state, and leaves it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/sessionstate/sessionstate/internal/repo/publish"
	"github.com/sessionstate/sessionstate/internal/repo/rehearsal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("rehearse", flag.ContinueOnError)
	limit := flags.Duration("time", 20*time.Minute, "give up after this time")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, *limit, fmt.Errorf("rehearse: it took more than %s, see -time", *limit))
	defer cancel()
	root, err := publish.Root(".")
	if err != nil {
		return err
	}
	copied, err := os.MkdirTemp("", "rehearse-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(copied)
	cfg, err := rehearsal.Tree(ctx, root, copied, nil)
	if err != nil {
		return err
	}
	began := time.Now()
	cfg.Log = func(format string, args ...any) {
		fmt.Fprintf(out, "%5.1fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
	rehearsal.FromEnvironment(&cfg)
	if err := rehearsal.Run(ctx, cfg); err != nil {
		return err
	}
	fmt.Fprintf(out, "All %d modules can be released.\n", len(cfg.Modules))
	return nil
}
