package main

import (
	"context"
	"math/rand/v2"
	"time"
)

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
			p := st.fleet.slots[slot]
			st.note("SIGKILL for %s", p.name)
			st.fleet.kill(slot)
			st.noteHolder(p)
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
	return haltProcesses(ctx, st, rng, false)
}

func pauseProcesses(ctx context.Context, st *stage, rng *rand.Rand) error {
	return haltProcesses(ctx, st, rng, true)
}

func haltProcesses(ctx context.Context, st *stage, rng *rand.Rand, frozen bool) error {
	what := "SIGSTOP"
	if frozen {
		what = "SIGSTOP and stopped clocks"
	}
	for {
		if !pause(ctx, between(rng, st.set.lease/4, st.set.lease)) {
			return nil
		}
		slot := st.aim(ctx, rng)
		if slot < 0 {
			slot = rng.IntN(st.set.processes)
		}
		p := st.fleet.slots[slot]
		st.note("%s for %s", what, p.name)
		resume := st.fleet.stop(slot, frozen)
		st.noteHolder(p)
		pause(context.WithoutCancel(ctx), between(rng, st.set.lease+st.set.lease/4, 2*st.set.lease))
		resume()
		st.note("SIGCONT for %s", p.name)
	}
}

// skews are how wrong clocks are.
var skews = []time.Duration{-time.Hour, time.Hour, -time.Minute, 3 * time.Second, 0}

// setClocks starts a process again, with another time of day, as long as there
// are others; and sets the clocks of those that run.
func setClocks(ctx context.Context, st *stage, rng *rand.Rand) error {
	for {
		if !pause(ctx, between(rng, st.set.lease/4, st.set.lease)) {
			return nil
		}
		slot, skew := rng.IntN(st.set.processes), skews[rng.IntN(len(skews))]
		if st.set.processes == 1 || rng.IntN(2) == 0 {
			st.note("the clock of %s is now %v off", st.fleet.slots[slot].name, skew)
			st.fleet.slots[slot].clocks.setWall(skew)
			continue
		}
		st.note("%s starts again, with a clock that is %v off", st.fleet.slots[slot].name, skew)
		st.fleet.setSkew(slot, skew)
		if err := st.fleet.replace(context.WithoutCancel(ctx), slot); err != nil {
			return err
		}
	}
}

// deploy brings version after version into service.
func deploy(ctx context.Context, st *stage, rng *rand.Rand) error {
	for version := st.fleet.next(); ; version = st.fleet.next() {
		for _, slot := range rng.Perm(st.set.processes) {
			if !pause(ctx, upTo(rng, st.set.lease/4)) {
				return nil
			}
			st.note("version %d in the place of %s", version, st.fleet.slots[slot].name)
			if err := st.fleet.replace(context.WithoutCancel(ctx), slot); err != nil {
				return err
			}
		}
	}
}
