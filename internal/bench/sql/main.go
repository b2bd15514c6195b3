package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"

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
	flags.IntVar(&p.rounds, "rounds", 9, "how many `rounds` to make")
	flags.DurationVar(&p.long, "time", 300*time.Millisecond, "how `long` each contender is measured in a round")
	flags.IntVar(&p.sessions, "sessions", sessions, "how many `sessions` each contender has")
	only := flags.String("only", "", "measure only what matches this `regexp`: (http|store)/(read|write)/(300|4096)B/(16|64), hand-off, turns, growth, hot, syncs")
	cycles := flags.Int("cycles", 200_000, "how many `cycles` of requests to count the HOT updates of")
	contenders := flags.String("contenders", "", "let only those take part whose name matches this `regexp`")
	dsn := flags.String("postgres", os.Getenv("SESSION_TEST_POSTGRES"), "`URL` of a superuser of a server that runs; default: SESSION_TEST_POSTGRES, or else a private one")
	profile := flags.String("cpuprofile", "", "write a processor profile of this process to this `file`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if p.rounds < 1 || p.long <= 0 || p.sessions < 64 {
		return fmt.Errorf("bench: rounds and time must be more than 0, and sessions at least 64")
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
	fmt.Fprintf(w, "%s, %d processors; %s %s/%s; PostgreSQL %s; pools of %d connections, %d sessions each; %d rounds of %v; load average %s.\n",
		figures.CPU(), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, db.version, conns, p.sessions, p.rounds, p.long, figures.LoadAverage())
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
	met := new(verdicts)
	for _, part := range []struct {
		name string
		run  func() error
	}{
		{"/", func() error { return compareAll(ctx, w, progress, db, p, met) }},
		{"hand-off", func() error { return handOff(ctx, w, progress, db, met) }},
		{"turns", func() error { return takeTurns(ctx, w, progress, db, met) }},
		{"growth", func() error { return growth(ctx, w, progress, db, p, met) }},
		{"hot", func() error { return hot(ctx, w, progress, db, *cycles, met) }},
		{"syncs", func() error { return syncs(ctx, w, progress, db) }},
	} {
		if strings.Contains(part.name, "/") || p.only.MatchString(part.name) {
			if err := part.run(); err != nil {
				return err
			}
		}
	}
	met.print(w)
	fmt.Fprintf(w, "\nLoad average at the end: %s.\n", figures.LoadAverage())
	return nil
}
