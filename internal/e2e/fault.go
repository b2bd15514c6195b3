package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sessionstate/sessionstate/internal/e2e/wire"
	"github.com/sessionstate/sessionstate/internal/servers/postgres"
)

// fault is one way for things to go wrong. run makes them go wrong again and
// again until ctx ends, and leaves everything in order.
type fault struct {
	name  string
	title string
	run   func(ctx context.Context, st *stage, rng *rand.Rand) error
}

// stage is what faults act on, and their log.
type stage struct {
	set    *settings
	fleet  *fleet
	server *postgres.Server
	proxy  *proxy // nil unless the fault is the network's

	mu      sync.Mutex
	marks   []mark
	crashes []int64 // when the database was crashed
}

// mark is one thing that was done.
type mark struct {
	at   int64
	text string
}

func (st *stage) note(format string, args ...any) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.marks = append(st.marks, mark{wire.Now(), fmt.Sprintf(format, args...)})
}

const faultNetwork = "network"

// faults returns all there are.
func faults() []fault {
	return []fault{
		{"none", "nothing goes wrong", func(context.Context, *stage, *rand.Rand) error { return nil }},
		{"kill", "processes get SIGKILL and are started again", killProcesses},
		{"stop", "processes get SIGSTOP, for longer than a lease, and SIGCONT", stopProcesses},
		{"crash", "PostgreSQL is restarted in immediate mode", crashDatabase},
		{faultNetwork, "connections to PostgreSQL are cut, delayed and held up", disturbNetwork},
	}
}

// aim returns, every second time, the process that holds the hot session; -1 if
// it does not try, or finds none.
func (st *stage) aim(ctx context.Context, rng *rand.Rand) (slot int) {
	if rng.IntN(2) == 0 {
		return -1
	}
	for range 50 {
		for slot, p := range st.fleet.slots {
			if p.holdsHot() {
				return slot
			}
		}
		pause(ctx, 5*time.Millisecond)
	}
	return -1
}

// between returns a random time.
func between(rng *rand.Rand, least, most time.Duration) time.Duration {
	return least + upTo(rng, most-least)
}

func killProcesses(ctx context.Context, st *stage, rng *rand.Rand) error {
	for {
		if !pause(ctx, between(rng, st.set.lease/4, st.set.lease)) {
			return nil
		}
		victims := rng.Perm(st.set.processes)[:min(1+rng.IntN(2), st.set.processes)]
		if slot := st.aim(ctx, rng); slot >= 0 {
			victims = []int{slot}
		}
		for _, slot := range victims {
			st.note("SIGKILL for %s", st.fleet.slots[slot].name)
			st.fleet.kill(slot)
		}
		pause(ctx, upTo(rng, st.set.lease/2))
		for _, slot := range victims {
			// Even when time is up: at the end all are there again.
			if err := st.fleet.start(context.WithoutCancel(ctx), slot); err != nil {
				return err
			}
		}
	}
}

func stopProcesses(ctx context.Context, st *stage, rng *rand.Rand) error {
	for {
		if !pause(ctx, between(rng, st.set.lease/4, st.set.lease)) {
			return nil
		}
		slot := st.aim(ctx, rng)
		if slot < 0 {
			slot = rng.IntN(st.set.processes)
		}
		st.note("SIGSTOP for %s", st.fleet.slots[slot].name)
		resume := st.fleet.stop(slot)
		pause(context.WithoutCancel(ctx), between(rng, st.set.lease+st.set.lease/4, 2*st.set.lease))
		resume()
		st.note("SIGCONT for %s", st.fleet.slots[slot].name)
	}
}

func crashDatabase(ctx context.Context, st *stage, rng *rand.Rand) error {
	for {
		if !pause(ctx, between(rng, st.set.lease/2, 2*st.set.lease)) {
			return nil
		}
		st.note("PostgreSQL crashes")
		st.mu.Lock()
		st.crashes = append(st.crashes, wire.Now())
		st.mu.Unlock()
		if err := st.server.Crash(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		pause(ctx, upTo(rng, st.set.lease/2))
		if err := st.server.Restart(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		st.note("PostgreSQL runs again")
	}
}

// disturbNetwork: every disturbance in turn, in random order. Those that hold
// data up last longer than a lease now and then.
func disturbNetwork(ctx context.Context, st *stage, rng *rand.Rand) error {
	lease := st.set.lease
	for {
		for _, n := range rng.Perm(6) {
			if !pause(ctx, between(rng, lease/10, lease/2)) {
				return nil
			}
			direction := []string{"upstream", "downstream"}[rng.IntN(2)]
			var err error
			switch n {
			case 0:
				st.note("all connections are cut")
				err = st.proxy.cut(ctx, upTo(rng, lease/2))
			case 1:
				st.note("latency %s", direction)
				err = st.proxy.disturb(ctx, "latency", direction, 1, attributes{"latency": (lease / 8).Milliseconds(), "jitter": (lease / 8).Milliseconds()}, between(rng, lease/4, lease))
			case 2:
				st.note("some connections are silent %s", direction)
				err = st.proxy.disturb(ctx, "timeout", direction, 0.5, attributes{"timeout": 0}, between(rng, lease/4, lease+lease/2))
			case 3:
				st.note("some connections break after a few hundred bytes %s", direction)
				err = st.proxy.disturb(ctx, "limit_data", direction, 0.7, attributes{"bytes": 50 + rng.Int64N(800)}, between(rng, lease/8, lease/2))
			case 4:
				st.note("some connections are reset %s", direction)
				err = st.proxy.disturb(ctx, "reset_peer", direction, 0.5, attributes{"timeout": rng.Int64N(20)}, between(rng, lease/8, lease/2))
			case 5:
				st.note("data comes in small pieces %s", direction)
				err = st.proxy.disturb(ctx, "slicer", direction, 1, attributes{"average_size": 20, "size_variation": 10, "delay": 200}, between(rng, lease/8, lease/2))
			}
			if err != nil {
				return err
			}
		}
	}
}

// upTo returns a random time from 0 to most.
func upTo(rng *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(rng.Int64N(int64(most) + 1))
}
