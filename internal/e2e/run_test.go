package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sessionstate/sessionstate/internal/e2e/wire"
)

// TestM1_M4_M8_M9_RealProcesses has each fault act on the service for a few
// seconds, with each store that it can happen to: nothing of what clients were
// told may be wrong.
func TestM1_M4_M8_M9_RealProcesses(t *testing.T) {
	t.Parallel()
	s := common.get(t)
	rows := rowsOf("all", "all")
	results := make([]*result, len(rows))
	t.Cleanup(func() { // when all are done
		var table strings.Builder
		printTable(&table, &s.set, "PostgreSQL "+s.server.Version(), slices.DeleteFunc(results, func(r *result) bool { return r == nil }))
		t.Logf("\n%s", &table)
	})
	for i, r := range rows {
		t.Run(r.store+"/"+r.fault.name, func(t *testing.T) {
			t.Parallel()
			if r.fault.clocks() && s.clocked == "" || r.store == wire.Cosmos && s.cosmos == nil {
				t.Skip("not on this machine: clocks can be set on Linux, and the Cosmos DB server needs Node")
			}
			set := s.set
			set.service = s.raced
			set = set.of(r, s.clocked)
			set.table, set.seed, set.time, set.progress = "run_"+r.fault.name, rand.Uint64(), 5*time.Second, io.Discard
			set.least = goalsOf(r)
			res := s.inTurn(t, &set)
			results[i] = res
			if !res.ok() {
				t.Error(res.explain())
			}
			enough(t, res)
		})
	}
}

// goalsOf returns what a run must have seen.
func goalsOf(r row) goals {
	g := goals{confirmed: 60, faults: 6, within: time.Minute}
	switch {
	case r.store == wire.Cosmos:
		g.confirmed, g.faults = 40, 3
	case r.fault.name == faultDeploy: // processes with the race detector take their time to start
		g.faults = 3
	case r.store == wire.Memory, r.fault.name == faultCrash, r.fault.name == faultDisk:
		g.faults = 4
	}
	if haltsHolders(r.store, r.fault.name) {
		g.holders = 2
	}
	if r.fault.name == faultNone || r.store == wire.Memory && r.fault.name == faultNetwork { // whose faults are counted by call
		g.faults = 0
	}
	return g
}

// haltsHolders reports whether a fault halts processes that others wait for.
func haltsHolders(store, fault string) bool {
	return store == wire.PostgreSQL && (fault == faultKill || fault == faultStop || fault == faultPause)
}

// enough checks that a run has seen what it is for: one in which nothing
// happens finds nothing wrong.
func enough(t *testing.T, res *result) {
	t.Helper()
	set := res.set
	if res.confirmed < set.least.confirmed || res.faults < set.least.faults {
		t.Errorf("only %d of %d operations were confirmed, with %d faults, in %v",
			res.confirmed, res.operations, res.faults, set.least.within)
	}
	switch {
	case set.mode == faultNone:
		if res.confirmed < res.operations/2 {
			t.Errorf("only %d operations of %d were confirmed, though nothing went wrong", res.confirmed, res.operations)
		}
	case haltsHolders(set.store, set.mode):
		if res.haltedHolders == 0 {
			t.Error("no process was halted while it held a session that somebody waited for")
		}
	case set.store != wire.PostgreSQL && (set.mode == faultNetwork || set.mode == faultThrottle):
		if res.calls < 10 {
			t.Errorf("only %d calls of the store met a fault", res.calls)
		}
	}
}

// TestCatchesBrokenStores: the same finds out what is wrong with stores that are broken
// on purpose.
func TestCatchesBrokenStores(t *testing.T) {
	t.Parallel()
	s := common.get(t)
	for _, c := range []struct {
		mode, broken string
		store        string // default: PostgreSQL
		options      string
		retries      int
		cool, long   int
		caught       func(*result) bool
	}{
		{mode: faultNone, broken: "no-lock", caught: func(r *result) bool { return r.lost > 0 && r.overlaps > 0 && r.disordered > 0 }},
		{mode: faultNone, broken: "lost-update", caught: func(r *result) bool { return r.lost > 0 && r.disordered > 0 }},
		{mode: faultNone, broken: "repeat-applied", caught: func(r *result) bool { return r.twice > 0 && r.disordered > 0 }},
		{mode: faultNone, broken: "no-renewal", cool: 10, long: 10, caught: func(r *result) bool { return r.overlaps > 0 }},
		{mode: faultNone, broken: "stale-reads", caught: func(r *result) bool { return r.disordered > 0 && r.lost == 0 }},
		{mode: faultKill, broken: "long-lease", cool: 4, long: 3, caught: func(r *result) bool { return r.notFreed > 0 }},
		{mode: faultStop, broken: "lapsed-saves", cool: 10, long: 6, caught: func(r *result) bool { return r.lost > 0 && r.overlaps > 0 && r.disordered > 0 }},
		{mode: faultPause, broken: "unfenced", cool: 10, long: 6, caught: func(r *result) bool { return r.lost > 0 && r.overlaps > 0 && r.disordered > 0 }},
		{mode: faultClock, broken: "wall-clock", store: wire.Memory, caught: func(r *result) bool { return r.other > 0 }},
		{mode: faultDeploy, broken: "unprepared", caught: func(r *result) bool { return r.other > 0 }},
		{mode: faultCrash, options: "-c synchronous_commit=off", caught: func(r *result) bool { return r.lost > 0 && r.disordered > 0 }},
		{mode: faultNetwork, broken: "forgets-writes", retries: -1, caught: func(r *result) bool { return r.uncalled+r.twice > 0 }},
		{mode: faultNetwork, broken: "forgets-writes", store: wire.Cosmos, retries: -1, caught: func(r *result) bool { return r.uncalled+r.twice > 0 }},
		{mode: faultNetwork, broken: "forgets-writes", store: wire.Memory, caught: func(r *result) bool { return r.uncalled+r.twice > 0 }},
	} {
		name := strings.ReplaceAll(cmp.Or(c.broken, "not-durable"), "-", "_")
		if c.store != "" {
			name += "_" + c.store
		}
		if faultOf(c.mode).clocks() && s.clocked == "" || c.store == wire.Cosmos && s.cosmos == nil {
			continue // clocks can be set on Linux, and the Cosmos DB server needs Node
		}
		set := s.set
		set.processes, set.clients, set.think = 3, 24, 20*time.Millisecond
		set = set.of(row{cmp.Or(c.store, wire.PostgreSQL), *faultOf(c.mode)}, s.clocked)
		set.progress, set.broken, set.options, set.retries = io.Discard, c.broken, c.options, c.retries
		set.cool, set.long = cmp.Or(c.cool, 50), cmp.Or(c.long, 1000)
		on := s.serversFor(t, c.mode)
		attempt := func(n int) *started {
			set := set
			set.seed, set.table, set.time = rand.Uint64(), fmt.Sprintf("broken_%s_%d", name, n), time.Duration(2<<n)*time.Second
			set.least = goals{confirmed: 300 << n, within: 2 * set.time}
			return start(t.Context(), &set, on, s.turns)
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
	args := []string{"-time", "1s", "-store", "postgres", "-fault", "none", "-seed", "7", "-clients", "8", "-processes", "2", "-cool", "4", "-nosync"}
	if code := program(t.Context(), args, &stdout, &stderr); code != 0 {
		t.Errorf("exit code %d; it says:\n%s%s", code, &stdout, &stderr)
	}
	for _, want := range []string{"seed 7", "2 processes, 8 clients", "none |", "lost", "longest wait"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in\n%s", want, &stdout)
		}
	}
	for _, wrong := range [][]string{{"-fault", "flood"}, {"-store", "paper"}, {"-store", "memory", "-fault", "kill"}, {"-clients", "0"}, {"-lease", "1ms"}, {"more"}, {"-nothing"}} {
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
	set.mode, set.table, set.seed, set.time, set.progress = faultNone, "interrupted", 1, time.Hour, io.Discard
	set.processes, set.clients, set.cool = 2, 4, 2
	set.options = "-c application_name=interrupted"
	const connections = "SELECT count(*)::int FROM pg_stat_activity WHERE application_name = 'interrupted'"
	conn := connect(t, s.server.DSN())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { // until cancel
		_, err := run(ctx, &set, &servers{postgres: s.server})
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
