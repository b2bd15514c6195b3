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
	"syscall"
	"time"

	"github.com/sessionstate/sessionstate/internal/bench/clients"
	"github.com/sessionstate/sessionstate/internal/bench/figures"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// plan is how long and how much to measure.
type plan struct {
	clients.Plan
	handOffs int // in each round
	polls    int // hand-offs by polling, all at once, in each round
	many     int // the most sessions that are stored
	beside   int // sessions in each library's store
}

// run does what the program does. Tables go to w.
func run(ctx context.Context, args []string, w, progress io.Writer) error {
	var p plan
	flags := flag.NewFlagSet("bench-memory", flag.ContinueOnError)
	flags.SetOutput(progress)
	flags.IntVar(&p.Rounds, "rounds", 5, "how many `rounds` to make")
	flags.DurationVar(&p.Long, "time", 120*time.Millisecond, "how `long` each contender is measured in a round")
	flags.IntVar(&p.Sessions, "sessions", 9984, "how many `sessions` each contender has that clients use")
	flags.IntVar(&p.handOffs, "hand-offs", 400, "how many `hand-offs` there are in a round")
	flags.IntVar(&p.polls, "polls", 40, "how many `hand-offs` by polling there are in a round, all at once")
	flags.IntVar(&p.many, "many", 1_000_000, "how many `sessions` are stored at most")
	flags.IntVar(&p.beside, "beside", 100_000, "how many `sessions` each library's store gets")
	only := flags.String("only", "", "measure only what matches this `regexp`: clients, hand-off, bytes, reap, growth")
	file := flags.String("report", "", "write what was measured to this `file` too, for make bench")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if min(p.Rounds, p.handOffs, p.polls, p.beside) < 1 || p.Long <= 0 || p.Sessions < clients.Most || p.many <= few {
		return errors.New("bench: rounds, time, hand-offs, polls and beside must be more than 0, sessions at least 64, and many more than 1000")
	}
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("bench: -only: %w", err)
	}
	report := figures.Begin("memory", "make bench-memory", fmt.Sprintf("%d rounds of %v, %d sessions for the clients", p.Rounds, p.Long, p.Sessions))
	for _, part := range []struct {
		name string
		run  func(ctx context.Context, progress io.Writer, p plan, report *figures.Report) error
	}{
		{"clients", byClients},
		{"hand-off", handOff},
		{"bytes", bytesEach},
		{"reap", reap},
		{"growth", growth},
	} {
		if !wanted.MatchString(part.name) {
			continue
		}
		fmt.Fprintln(progress, part.name)
		if err := part.run(ctx, progress, p, report); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return report.End(w, *file)
}

// own tells how much processor time this process has used.
func own() (u clients.Used) {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) == nil {
		u.Client = 1e6*float64(r.Utime.Sec+r.Stime.Sec) + float64(r.Utime.Usec+r.Stime.Usec)
	}
	return u
}
