package main

import (
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/sessionstate/sessionstate/internal/e2e/wire"
)

// TestTrends: what grows is told from what only varies, and from what fills up at
// first.
func TestTrends(t *testing.T) {
	const n = 120
	series := func(f func(i int) float64) (samples []sample) {
		for i := range n {
			samples = append(samples, sample{at: time.Duration(i) * time.Second, goroutines: f(i), heap: f(i) * megabyte})
		}
		return samples
	}
	for _, c := range []struct {
		name  string
		f     func(i int) float64
		grown bool
		slope float64 // per hour
	}{
		{"flat", func(int) float64 { return 500 }, false, 0},
		{"up and down", func(i int) float64 { return 500 + 100*math.Sin(float64(i)) }, false, 0},
		{"filling up", func(i int) float64 { return 500 + min(float64(i), 15)*100 }, false, 0},
		{"growing", func(i int) float64 { return 500 + 3*float64(i) }, true, 3 * 3600},
		{"shrinking", func(i int) float64 { return 5000 - 3*float64(i) }, false, -3 * 3600},
	} {
		trends := trendsOf(series(c.f))
		if len(trends) != 2 { // the others were never measured
			t.Fatalf("%s: %d trends, want 2", c.name, len(trends))
		}
		for _, tr := range trends {
			if grown := tr.last > tr.allowed(); grown != c.grown || math.Abs(tr.slope/tr.unit-c.slope) > 600 {
				t.Errorf("%s: %s: grown is %v, from %.0f to %.0f, %.0f per hour; want %v, %.0f", c.name, tr.name,
					grown, tr.first, tr.last, tr.slope/tr.unit, c.grown, c.slope)
			}
		}
	}
}

// TestGrowth: a long run is judged by how much was in use meanwhile, a short one
// by what stays behind, and both by that.
func TestGrowth(t *testing.T) {
	growing := func(i int) float64 { return 10 * float64(i) }
	flat := func(int) float64 { return 100 }
	for _, c := range []struct {
		name   string
		time   time.Duration
		f      func(i int) float64
		after  float64
		grown  int
		report string
	}{
		{"nothing", longEnough, flat, 100, 0, ""},
		{"in a long run", longEnough, growing, 100, 2, "goroutines: 360.0 in the first third"},
		{"in a short run", longEnough - 1, growing, 100, 0, ""},
		{"a little stays", longEnough - 1, flat, 140, 0, ""},
		{"much stays", longEnough - 1, flat, 141, 2, "goroutines: 100 before the first client came, 141 after"},
	} {
		e := evidenceOf(stateOf(0))
		set := *e.set
		e.set = &set
		set.mode, set.time = faultSoak, c.time
		for i := range 120 {
			e.samples = append(e.samples, sample{at: time.Duration(i) * time.Second, goroutines: c.f(i), heap: c.f(i) * megabyte})
		}
		e.before = sample{goroutines: 100, files: 100}
		e.after = sample{goroutines: c.after, files: c.after, heap: 1 << 40, backends: 100}
		if res := judge(e); res.other != c.grown || !strings.Contains(res.explain(), c.report) {
			t.Errorf("%s: %d things have grown, want %d: %s", c.name, res.other, c.grown, res.explain())
		}
	}
}

// TestSoak: sessions come and go for a few seconds, and nothing of their requests
// stays.
func TestSoak(t *testing.T) {
	t.Parallel()
	s := common.get(t)
	for _, store := range []string{wire.Memory, wire.PostgreSQL} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			set := s.set.of(row{store, soakFault(store)}, "")
			set.table, set.seed, set.time, set.progress = "soak", rand.Uint64(), 6*time.Second, io.Discard
			set.least = goals{confirmed: 200, within: 40 * time.Second}
			on := new(servers)
			if store == wire.PostgreSQL {
				on = s.serversFor(t, faultThrottle) // one whose connections are the soak's
			}
			res := start(t.Context(), &set, on, s.turns).wait(t)
			if !res.ok() {
				t.Error(res.explain())
			}
			if want := map[string]int{wire.Memory: 4, wire.PostgreSQL: 5}[store]; residentOf(1) > 0 && len(res.trends) != want {
				t.Errorf("%d things were measured, want %d", len(res.trends), want)
			}
		})
	}
}
