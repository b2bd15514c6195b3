package main

import (
	"context"
	"testing"
	"time"
)

// TestClocks: a process's time of day can be set from outside, and its clocks stop
// with it.
func TestClocks(t *testing.T) {
	t.Parallel()
	s := common.get(t)
	if s.clocked == "" {
		t.Skip("clocks can be set on Linux")
	}
	set := s.set.of(rowsOf("memory", faultClock)[0], s.clocked)
	f := newFleet(&set, "", t.TempDir())
	t.Cleanup(f.killAll)
	f.setSkew(0, -time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := f.start(ctx, 0); err != nil {
		t.Fatal(err)
	}
	p := f.get(0)
	stats := func() (off, elapsed time.Duration) {
		t.Helper()
		said, err := statsOf(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		return time.Until(said.Wall).Round(time.Minute), said.Elapsed
	}
	if off, _ := stats(); off != -time.Hour {
		t.Errorf("it starts with a clock that is %v off, want %v", off, -time.Hour)
	}
	begun := time.Now()
	_, before := stats()
	p.clocks.setWall(time.Hour)
	off, after := stats()
	if off != time.Hour {
		t.Errorf("its clock is %v off, want %v", off, time.Hour)
	}
	if after < before || after-before > time.Since(begun) {
		t.Errorf("setting the time of day moves the other clock from %v to %v", before, after)
	}

	for _, frozen := range []bool{false, true} {
		const stopped, exact = 500 * time.Millisecond, 10 * time.Millisecond
		earliest := time.Now()
		_, before := stats()
		begun := time.Now()
		resume := f.stop(0, frozen)
		pause(ctx, stopped)
		resume()
		least := time.Since(begun) // that passed between the two looks
		_, after := stats()
		most := time.Since(earliest)
		if went := after - before; !frozen && went < least-exact || frozen && (went < 0 || went > most-stopped+exact) {
			t.Errorf("frozen is %v: its clock goes on by %v, in %v to %v", frozen, went, least, most)
		}
	}
}
