package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/sessionstate/sessionstate/internal/bench/figures"
)

const (
	byTurns = "turns" // the other process contends for a session, as it is asked to

	turnsClients = 8 // of each process, which ask for the session again and again
)

// turns is what a process had of a session for which several contended.
type turns struct {
	requests int
	longest  time.Duration // that one of them took
}

// takeTurns measures what two processes get of one session, for which both ask
// all the time, and what one gets that has it for itself.
func takeTurns(ctx context.Context, progress io.Writer, db *database, long time.Duration, report *figures.Report) error {
	to, err := db.pool(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	party, err := newParty(ctx, to, byNotify)
	if err != nil {
		return err
	}
	defer party.close()
	cookie, err := party.Start(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(progress, "turns: one process, %v\n", long)
	alone, err := party.contend(ctx, cookie, time.Now().Add(long))
	if err != nil {
		return err
	}
	other, err := startWaiter(ctx, to.dsn, byTurns)
	if err != nil {
		return err
	}
	defer other.close()
	fmt.Fprintf(progress, "turns: two processes, %v\n", long)
	end := time.Now().Add(long)
	if _, err := fmt.Fprintln(other.in, cookie, end.UnixNano()); err != nil {
		return err
	}
	mine, err := party.contend(ctx, cookie, end)
	if err != nil {
		return err
	}
	var theirs turns
	if _, err := fmt.Fscanln(other.lines, &theirs.requests, &theirs.longest); err != nil {
		return fmt.Errorf("turns: the other process: %w", err)
	}

	w := report.Block("sql-turns")
	fmt.Fprintf(w, "| %v, %d clients each | requests per second | the longest ms |\n| --- | ---: | ---: |\n", long, turnsClients)
	row := func(name string, t turns) {
		fmt.Fprintf(w, "| %s | %.0f | %.1f |\n", name, float64(t.requests)/long.Seconds(), float64(t.longest.Microseconds())/1000)
	}
	row("one process alone", alone)
	row("one of two processes", mine)
	row("the other", theirs)
	both := float64(mine.requests + theirs.requests)
	report.Target(figures.Target{
		Rank: figures.Turns, What: "PostgreSQL, share of the process that had less, of two that contend for a session",
		AtLeast: true, Want: 0.4, Got: figures.Only(float64(min(mine.requests, theirs.requests)) / both), Digits: 2,
	})
	return nil
}

// contend has clients ask for the session until end, one request after the
// other each, of which every one changes it.
func (p *party) contend(ctx context.Context, cookie string, end time.Time) (turns, error) {
	all := make([]turns, turnsClients)
	errs := make([]error, turnsClients)
	var wg sync.WaitGroup
	for i := range turnsClients {
		wg.Go(func() {
			for begun := time.Now(); begun.Before(end) && errs[i] == nil; begun = time.Now() {
				errs[i] = p.Hold(ctx, cookie, func(release func() error) error { return release() })
				all[i].requests++
				all[i].longest = max(all[i].longest, time.Since(begun))
			}
		})
	}
	wg.Wait()
	sum := turns{longest: slices.MaxFunc(all, func(a, b turns) int { return int(a.longest - b.longest) }).longest}
	for _, t := range all {
		sum.requests += t.requests
	}
	return sum, errors.Join(errs...)
}

// contendAsAsked is the other process: it contends as it is asked to.
func contendAsAsked(ctx context.Context, _ string, in io.Reader, out io.Writer) error {
	pool, err := openPool(ctx, os.Getenv(waiterDSN))
	if err != nil {
		return errors.New("bench: the contending process cannot connect")
	}
	party, err := newParty(ctx, &place{Pool: pool}, byNotify)
	if err != nil {
		return err
	}
	defer party.close()
	for lines := bufio.NewReader(in); ; {
		var cookie string
		var end int64
		switch _, err := fmt.Fscanln(lines, &cookie, &end); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		t, err := party.contend(ctx, cookie, time.Unix(0, end))
		if err != nil {
			return err
		}
		fmt.Fprintln(out, t.requests, int64(t.longest))
	}
}
