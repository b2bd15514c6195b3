package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/sessionstate/sessionstate/internal/bench/clients"
	"github.com/sessionstate/sessionstate/internal/bench/figures"
	"github.com/sessionstate/sessionstate/internal/bench/reference"
)

const (
	waiterVariable = "SESSION_BENCH_WAITER"     // how the waiting process learns that a session is free
	waiterDSN      = "SESSION_BENCH_WAITER_DSN" // and where

	byNotify = "notify"
	byPoll   = "poll"
)

// handOff measures how long a session takes from one request to the next one,
// which waits for it: in another process that is notified, in one that polls as
// the reference does, and in the same process.
func handOff(ctx context.Context, progress io.Writer, db *database, report *figures.Report) error {
	to, err := db.pool(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	// A round trip, and one that changes a row: what the waiter's Acquire is
	// at least.
	trip, err := roundTrip(ctx, to, "SELECT 1")
	if err != nil {
		return err
	}
	if _, err := to.Exec(ctx, "CREATE TABLE one (n int); INSERT INTO one VALUES (0)"); err != nil {
		return err
	}
	change, err := roundTrip(ctx, to, "UPDATE one SET n = n + 1 RETURNING set_config('synchronous_commit', 'off', true)")
	if err != nil {
		return err
	}
	var all []*clients.Handed
	for _, way := range []struct {
		name, mode string
		other      bool
		times      int
	}{
		{"same process", byNotify, false, 200},
		{"other process, notified", byNotify, true, 200},
		{"other process, polling", byPoll, true, 25},
	} {
		fmt.Fprintf(progress, "hand-off: %s, %d times\n", way.name, way.times)
		h, err := db.handOffs(ctx, to, way.mode, way.other, way.times)
		if err != nil {
			return fmt.Errorf("hand-off: %s: %w", way.name, err)
		}
		all = append(all, h)
	}
	same, notified, polling := all[0], all[1], all[2]

	at := figures.Quantile
	w := report.Block("sql-hand-off")
	fmt.Fprintf(w, "A round trip (SELECT 1 from one client) takes %.0f µs at the median; one that changes a row and does not wait for the disk %.0f µs; Release, which saves, %.0f µs.\n\n",
		trip, change, at(notified.Release, 0.5))
	fmt.Fprintln(w, "| waiter | times | from the call of Release: p50 ms | p99 | from its return: p50 ms | p99 | p50 in round trips |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
	picture := figures.Plot{
		Name: "hand-off-sql", Title: "Hand-off of a session on PostgreSQL, from Release's return", X: "ms", Y: "% of the hand-offs done", LogX: true,
	}
	for i, name := range []string{"same process", "other process, notified", "other process, the reference's algorithm"} {
		h := all[i]
		fmt.Fprintf(w, "| %s | %d | %.3f | %.3f | %.3f | %.3f | %.1f |\n", name, len(h.FromCall),
			at(h.FromCall, 0.5)/1000, at(h.FromCall, 0.99)/1000, at(h.FromReturn, 0.5)/1000, at(h.FromReturn, 0.99)/1000, at(h.FromReturn, 0.5)/trip)
		ms := make([]float64, len(h.FromReturn))
		for j, µs := range h.FromReturn {
			// The save's answer can come after the waiter has the session.
			ms[j] = max(µs, 1) / 1000
		}
		picture.Series = append(picture.Series, figures.Share(name, ms, 101))
	}
	report.Plot(picture)
	saves := make([]float64, len(same.FromCall))
	for i := range saves {
		saves[i] = same.FromCall[i] / same.Release[i]
	}
	target := func(rank figures.Rank, what string, want float64, got figures.Spread, atLeast bool) {
		report.Target(figures.Target{Rank: rank, What: what, Want: want, Got: got, AtLeast: atLeast, Digits: 2})
	}
	in := func(figure []float64, unit float64) figures.Spread {
		s := figures.SpreadOf(figure)
		return figures.Spread{Median: s.Median / unit, Low: s.Low / unit, High: s.High / unit}
	}
	// One save, and what it takes to wake a goroutine.
	target(figures.HandOffSQL, "PostgreSQL, hand-off in one process, from the call of Release, in saves", 1.1, figures.SpreadOf(saves), false)
	target(figures.HandOffSQL, "PostgreSQL, hand-off to another process, from Release's return, in round trips", 3, in(notified.FromReturn, trip), false)
	target(figures.HandOffSQL, "PostgreSQL, the same in round trips that change a row", 3, in(notified.FromReturn, change), false)
	target(figures.HandOffAgainstPolling, "PostgreSQL, hand-off to another process: polling × notified, p50", 100, in(polling.FromReturn, at(notified.FromReturn, 0.5)), true)
	return nil
}

// roundTrip is the median of what a statement takes, one after the other, in µs.
func roundTrip(ctx context.Context, p *place, sql string) (float64, error) {
	took := make([]float64, 1000)
	for i := range took {
		begin := time.Now()
		if _, err := p.Exec(ctx, sql); err != nil {
			return 0, err
		}
		took[i] = clients.Microseconds(time.Since(begin))
	}
	return figures.Quantile(took, 0.5), nil
}

// handOffs makes a session that this process holds, and hands it over so often.
func (db *database) handOffs(ctx context.Context, to *place, mode string, other bool, times int) (*clients.Handed, error) {
	own, err := db.again(ctx, to.schema)
	if err != nil {
		return nil, err
	}
	party, err := newParty(ctx, own, mode)
	if err != nil {
		return nil, err
	}
	defer party.close()
	cookie, err := party.Start(ctx)
	if err != nil {
		return nil, err
	}
	ask := party.Ask
	if other {
		waiter, err := startWaiter(ctx, to.dsn, mode)
		if err != nil {
			return nil, err
		}
		defer waiter.close()
		ask = waiter.ask
	}

	const warmUp = 3 // the first waiter begins to listen
	h := new(clients.Handed)
	for i := range warmUp + times {
		// So long that the waiter waits by then, and its looks are at any point.
		held := 20*time.Millisecond + rand.N(5*time.Millisecond)
		if mode == byPoll {
			held += rand.N(reference.Poll)
		}
		if i == warmUp {
			h = new(clients.Handed)
		}
		if err := h.HandOver(ctx, party.Party, ask, cookie, held); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// waiter is the other process.
type waiter struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Reader
}

// startWaiter starts this program again, as the other process.
func startWaiter(ctx context.Context, dsn, mode string) (*waiter, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	wt := &waiter{cmd: exec.CommandContext(ctx, program)}
	wt.cmd.Env = append(os.Environ(), waiterVariable+"="+mode, waiterDSN+"="+dsn)
	wt.cmd.Stderr = os.Stderr
	out, err := wt.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	wt.lines = bufio.NewReader(out)
	if wt.in, err = wt.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	return wt, wt.cmd.Start()
}

// ask has the other process wait for the session.
func (wt *waiter) ask(_ context.Context, cookie string) (time.Time, error) {
	if _, err := fmt.Fprintln(wt.in, cookie); err != nil {
		return time.Time{}, err
	}
	line, err := wt.lines.ReadString('\n')
	if err != nil {
		return time.Time{}, fmt.Errorf("the waiting process has ended: %w", err)
	}
	// Both processes are on one machine and have one clock.
	ns, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	return time.Unix(0, ns), err
}

// close lets the process end, which it does when nothing more is asked.
func (wt *waiter) close() error {
	return errors.Join(wt.in.Close(), wt.cmd.Wait())
}

// wait is the other process: for each cookie it waits for the session, and
// tells when it had it.
func wait(ctx context.Context, mode string, in io.Reader, out io.Writer) error {
	pool, err := openPool(ctx, os.Getenv(waiterDSN))
	if err != nil {
		return errors.New("bench: the waiting process cannot connect")
	}
	party, err := newParty(ctx, &place{Pool: pool}, mode)
	if err != nil {
		return err
	}
	defer party.close()
	for lines := bufio.NewScanner(in); lines.Scan(); {
		at, err := party.Ask(ctx, lines.Text())
		if err != nil {
			return err
		}
		fmt.Fprintln(out, at.UnixNano())
	}
	return nil
}
