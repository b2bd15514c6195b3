package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"

	"github.com/sessionstate/sessionstate/internal/bench/clients"
	"github.com/sessionstate/sessionstate/internal/bench/figures"
)

func main() {
	if mode := os.Getenv(waiterVariable); mode != "" {
		do := wait
		if mode == byTurns {
			do = contendAsAsked
		}
		if err := do(context.Background(), mode, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run does what the program does. Tables go to w.
func run(ctx context.Context, args []string, w, progress io.Writer) error {
	var p plan
	flags := flag.NewFlagSet("bench-sql", flag.ContinueOnError)
	flags.SetOutput(progress)
	flags.IntVar(&p.Rounds, "rounds", 7, "how many `rounds` to make")
	flags.DurationVar(&p.Long, "time", 300*time.Millisecond, "how `long` each contender is measured in a round")
	flags.IntVar(&p.Sessions, "sessions", sessions, "how many `sessions` each contender has")
	only := flags.String("only", "", "measure only what matches this `regexp`: (http|store)/(read|write)/(300|4096)B/(1|4|16|64), hand-off, turns, growth, hot, syncs")
	cycles := flags.Int("cycles", 200_000, "how many `cycles` of requests to count the HOT updates of")
	many := flags.Int("many", 1_000_000, "how many `sessions` the largest table of growth has")
	turnsTime := flags.Duration("turns", 10*time.Second, "how `long` processes contend for a session")
	file := flags.String("report", "", "write what was measured to this `file` too, for make bench")
	contenders := flags.String("contenders", "", "let only those take part whose name matches this `regexp`")
	dsn := flags.String("postgres", os.Getenv("SESSION_TEST_POSTGRES"), "`URL` of a superuser of a server that runs; default: SESSION_TEST_POSTGRES, or else a private one")
	profile := flags.String("cpuprofile", "", "write a processor profile of this process to this `file`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if p.Rounds < 1 || p.Long <= 0 || *turnsTime <= 0 || p.Sessions < clients.Most || *many <= few {
		return errors.New("bench: rounds, time and turns must be more than 0, sessions at least 64, and many more than 1000")
	}
	var err error
	if p.only, err = regexp.Compile(*only); err != nil {
		return fmt.Errorf("bench: -only: %w", err)
	}
	if p.contenders, err = regexp.Compile(*contenders); err != nil {
		return fmt.Errorf("bench: -contenders: %w", err)
	}
	db, err := openDatabase(ctx, *dsn, nil)
	if err != nil {
		return err
	}
	defer func() {
		if failed := db.close(); failed != nil {
			fmt.Fprintln(progress, failed)
		}
	}()
	report := figures.Begin("sql", "make bench-sql", fmt.Sprintf("PostgreSQL %s, fsync on; pools of %d connections, %d sessions each; %d rounds of %v",
		db.version, conns, p.Sessions, p.Rounds, p.Long))
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	for _, part := range []struct {
		name string
		run  func() error
	}{
		{"/", func() error { return compareAll(ctx, progress, db, p, report) }},
		{"hand-off", func() error { return handOff(ctx, progress, db, report) }},
		{"turns", func() error { return takeTurns(ctx, progress, db, *turnsTime, report) }},
		{"growth", func() error { return growth(ctx, progress, db, p, *many, report) }},
		{"hot", func() error { return hot(ctx, progress, db, *cycles, report) }},
		{"syncs", func() error { return syncs(ctx, progress, db, report) }},
	} {
		if strings.Contains(part.name, "/") || p.only.MatchString(part.name) {
			if err := part.run(); err != nil {
				return err
			}
		}
	}
	return report.End(w, *file)
}
