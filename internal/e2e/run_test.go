package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestM1_M4_M8_M9_RealProcesses has each fault act on the service for a few
// seconds: nothing of what clients were told may be wrong.
func TestM1_M4_M8_M9_RealProcesses(t *testing.T) {
	t.Parallel()
	s := common.get(t)
	runs := make(map[string]*started)
	for _, f := range faults() {
		set := s.set
		set.mode, set.table, set.seed, set.time, set.progress = f.name, "run_"+f.name, rand.Uint64(), 5*time.Second, io.Discard
		set.service, set.least = s.raced, goals{confirmed: 200, faults: 6, within: 40 * time.Second}
		switch f.name {
		case "none":
			set.least.faults = 0
		case "crash":
			set.least.faults = 4
		}
		runs[f.name] = start(t.Context(), &set, s.serverFor(t, f.name), s.turns)
	}
	var results []*result
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			res := runs[f.name].wait(t)
			results = append(results, res)
			if !res.ok() {
				t.Error(res.explain())
			}
			enough(t, res)
		})
	}
	var table strings.Builder
	printTable(&table, &s.set, s.server.Version(), results)
	t.Logf("\n%s", &table)
}

// enough checks that a run has seen what it is for: one in which nothing
// happens finds nothing wrong.
func enough(t *testing.T, res *result) {
	t.Helper()
	if res.confirmed < res.set.least.confirmed || res.faults < res.set.least.faults {
		t.Errorf("only %d of %d operations were confirmed, with %d disturbances, in %v",
			res.confirmed, res.operations, res.faults, res.set.least.within)
	}
	if res.set.mode == "none" {
		if res.confirmed < res.operations/2 {
			t.Errorf("only %d operations of %d were confirmed, though nothing went wrong", res.confirmed, res.operations)
		}
		return
	}
	if (res.set.mode == "kill" || res.set.mode == "stop") && res.haltedHolders == 0 {
		t.Error("no process was halted while it held a session that somebody waited for")
	}
}

// TestCatchesBrokenStores: the same finds out what is wrong with stores that are broken
// on purpose.
func TestCatchesBrokenStores(t *testing.T) {
	t.Parallel()
	s := common.get(t)
	for _, c := range []struct {
		mode, broken string
		options      string
		retries      int
		cool, long   int
		caught       func(*result) bool
	}{
		{mode: "none", broken: "no-lock", caught: func(r *result) bool { return r.lost > 0 && r.overlaps > 0 && r.disordered > 0 }},
		{mode: "none", broken: "lost-update", caught: func(r *result) bool { return r.lost > 0 && r.disordered > 0 }},
		{mode: "none", broken: "repeat-applied", caught: func(r *result) bool { return r.twice > 0 }},
		{mode: "none", broken: "no-renewal", cool: 10, long: 10, caught: func(r *result) bool { return r.overlaps > 0 }},
		{mode: "none", broken: "stale-reads", caught: func(r *result) bool { return r.disordered > 0 && r.lost == 0 }},
		{mode: "kill", broken: "long-lease", cool: 4, long: 3, caught: func(r *result) bool { return r.notFreed > 0 }},
		{mode: "stop", broken: "lapsed-saves", cool: 10, long: 6, caught: func(r *result) bool { return r.lost > 0 && r.overlaps > 0 }},
		{mode: "crash", options: "-c synchronous_commit=off", caught: func(r *result) bool { return r.lost > 0 }},
		{mode: faultNetwork, broken: "forgets-writes", retries: -1, caught: func(r *result) bool { return r.uncalled+r.twice > 0 }},
	} {
		name := strings.ReplaceAll(cmp.Or(c.broken, "not-durable"), "-", "_")
		set := s.set
		set.mode, set.progress, set.broken, set.options, set.retries = c.mode, io.Discard, c.broken, c.options, c.retries
		set.processes, set.clients, set.think = 3, 24, 20*time.Millisecond
		set.cool, set.long = cmp.Or(c.cool, 50), cmp.Or(c.long, 1000)
		server := s.serverFor(t, c.mode)
		attempt := func(n int) *started {
			set := set
			set.seed, set.table, set.time = rand.Uint64(), fmt.Sprintf("broken_%s_%d", name, n), time.Duration(2<<n)*time.Second
			set.least = goals{confirmed: 300 << n, within: 2 * set.time}
			return start(t.Context(), &set, server, s.turns)
		}
		first := attempt(0)
		defer t.Run(name, func(t *testing.T) {
			res := first.wait(t)
			for n := 1; !c.caught(res) && n < 4; n++ { // what is rare may not happen at first
				t.Logf("not caught in %.0f s", res.seconds)
				res = attempt(n).wait(t)
			}
			if !c.caught(res) {
				t.Errorf("not caught: %+v\n%s", *res, res.explain())
			} else if testing.Verbose() {
				t.Log(res.explain())
			}
		})
	}
}

// TestProgram: the program's flags, table and exit codes.
func TestProgram(t *testing.T) {
	t.Parallel()
	common.get(t)
	var stdout, stderr strings.Builder
	args := []string{"-time", "1s", "-mode", "none", "-seed", "7", "-clients", "8", "-processes", "2", "-cool", "4", "-nosync"}
	if code := program(t.Context(), args, &stdout, &stderr); code != 0 {
		t.Errorf("exit code %d; it says:\n%s%s", code, &stdout, &stderr)
	}
	for _, want := range []string{"seed 7", "2 processes, 8 clients", "none |", "lost", "longest wait"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in\n%s", want, &stdout)
		}
	}
	for _, wrong := range [][]string{{"-mode", "flood"}, {"-clients", "0"}, {"-lease", "1ms"}, {"more"}, {"-nothing"}} {
		if code := program(t.Context(), wrong, &stdout, &stderr); code != 2 {
			t.Errorf("%q: exit code %d, want 2", wrong, code)
		}
	}
}

// TestInterrupted: what a run has started ends with it.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	s := common.get(t)
	set := s.set
	set.mode, set.table, set.seed, set.time, set.progress = "none", "interrupted", 1, time.Hour, io.Discard
	set.processes, set.clients, set.cool = 2, 4, 2
	set.options = "-c application_name=interrupted"
	const connections = "SELECT count(*)::int FROM pg_stat_activity WHERE application_name = 'interrupted'"
	conn := connect(t, s.server.DSN())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { // until cancel
		_, err := run(ctx, &set, s.server)
		ended <- err
	}()
	starting, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	for ask[int](t, conn, connections) < set.processes && pause(starting, 10*time.Millisecond) {
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
	patience, giveUp := context.WithTimeout(t.Context(), 30*time.Second)
	defer giveUp()
	for n := 1; n > 0 && pause(patience, 10*time.Millisecond); {
		n = ask[int](t, conn, connections)
	}
	if patience.Err() != nil {
		t.Error("processes still have connections")
	}
}
