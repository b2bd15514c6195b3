package clients

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"time"
)

func noMeter() Used { return Used{} }

// TestLoadCountsTheWholeTime: clients that do not get to run for a while, since
// others do, have not been fast. With a lock for all of them there are not more
// operations in a second with more clients.
func TestLoadCountsTheWholeTime(t *testing.T) {
	var one sync.Mutex
	var made int
	do := func(context.Context, int, int) error {
		one.Lock()
		defer one.Unlock()
		for begun := time.Now(); time.Since(begun) < 100*time.Microsecond; {
		}
		made++
		return nil
	}
	const long = 200 * time.Millisecond
	o, err := Load(t.Context(), noMeter, Most, Most, long, do)
	if err != nil {
		t.Fatal(err)
	}
	if most := float64(time.Second / (100 * time.Microsecond)); o.Rate > 1.01*most || o.Rate <= 0 {
		t.Errorf("%.0f operations a second, of which there can be %.0f", o.Rate, most)
	}
	if made == 0 || o.P50 < 100 || o.P99 < o.P50 {
		t.Errorf("%d were made; %+v", made, o)
	}
}

// TestLoadFails: with the first error, and not later.
func TestLoadFails(t *testing.T) {
	failure := errors.New("it fails")
	_, err := Load(t.Context(), noMeter, 2, 2, time.Hour, func(context.Context, int, int) error { return failure })
	if !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
}

func TestWithin(t *testing.T) {
	at := func(s float64) time.Time { return time.Unix(0, 0).Add(time.Duration(s * float64(time.Second))) }
	for _, c := range []struct{ started, done, want float64 }{
		{10, 11, 1},
		{9, 11, 0.5},
		{19, 23, 0.25},
		{5, 25, 0.5}, // all of the ten seconds
		{5, 10, 0},
		{20, 21, 0},
		{15, 15, 0},
	} {
		if got := within(at(c.started), at(c.done), at(10), at(20)); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%v to %v: got %v, want %v", c.started, c.done, got, c.want)
		}
	}
}
