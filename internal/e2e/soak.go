package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// soakFault is no fault: nothing goes wrong, for long, with sessions that come and
// go beside those that stay; and what the processes have in use is written down.
func soakFault(stores ...string) fault {
	return fault{faultSoak, "nothing goes wrong, for long, while sessions come and go", stores, soak}
}

const faultSoak = "soak"

// sample is what is in use at one instant, in all processes.
type sample struct {
	at         time.Duration // since the beginning
	goroutines float64
	heap       float64 // bytes, after a collection
	resident   float64 // bytes; 0 where the system does not tell
	files      float64 // open files and connections; the same
	backends   float64 // connections at the server, if that is PostgreSQL
}

// quantity is one of the things that must not grow.
type quantity struct {
	name string
	of   func(sample) float64
	unit float64 // in which it is printed
	// What the last third may have more than the first: a share of it, and that
	// much.
	share, more float64

	// Whether nothing of it may stay when nobody asks any more. What sessions
	// take stays.
	atRest bool
}

const megabyte = 1 << 20

var quantities = []quantity{
	{"goroutines", func(s sample) float64 { return s.goroutines }, 1, 0.1, 30, true},
	{"heap, MiB", func(s sample) float64 { return s.heap }, megabyte, 0.1, 2 * megabyte, false},
	{"memory, MiB", func(s sample) float64 { return s.resident }, megabyte, 0.1, 16 * megabyte, false},
	{"open files", func(s sample) float64 { return s.files }, 1, 0.1, 30, true},
	{"database connections", func(s sample) float64 { return s.backends }, 1, 0, 4, false},
}

// leastSamples are taken however short the time is, and however busy the machine.
const leastSamples = 6

// visitors is how many come and go at a time, for each client that stays.
const visitorsPerClient = 4

// soak has visitors come and go, and takes samples.
func soak(ctx context.Context, st *stage, _ *rand.Rand) error {
	h := &http.Client{Timeout: st.set.patience(), Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer h.CloseIdleConnections()
	var wg sync.WaitGroup
	defer wg.Wait()
	for n := range max(1, st.set.clients/visitorsPerClient) {
		wg.Go(func() { st.visit(ctx, h, rand.New(rand.NewPCG(st.set.seed, 3<<32+uint64(n)))) })
	}
	begun := time.Now()
	for pause(ctx, max(100*time.Millisecond, st.set.time/200)) || len(st.samples) < leastSamples {
		s, err := st.sample(context.WithoutCancel(ctx))
		if err != nil {
			return err
		}
		s.at = time.Since(begun)
		st.samples = append(st.samples, s)
	}
	return nil
}

// visit begins sessions, uses them a few times, and ends them, or leaves them to
// expire. What becomes of the requests others check.
func (st *stage) visit(ctx context.Context, h *http.Client, rng *rand.Rand) {
	for ctx.Err() == nil {
		p := st.fleet.get(rng.IntN(st.set.processes))
		begun, err := get(ctx, h, http.MethodPost, p.url+"/new?brief=1", "")
		for range 3 {
			if err == nil {
				_, err = get(ctx, h, http.MethodGet, p.url+"/read?mode=readonly", begun.cookie)
			}
		}
		if err == nil && rng.IntN(2) == 0 {
			_, _ = get(ctx, h, http.MethodPost, p.url+"/end", begun.cookie)
		}
		pause(ctx, upTo(rng, 2*st.set.think))
	}
}

// sample asks all processes, and PostgreSQL.
func (st *stage) sample(ctx context.Context) (s sample, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for _, p := range st.fleet.slots {
		said, err := statsOf(ctx, p)
		if err != nil {
			return s, err
		}
		s.goroutines += float64(said.Goroutines)
		s.heap += float64(said.Heap)
		s.resident += residentOf(p.cmd.Process.Pid)
		files, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
		s.files += float64(len(files))
	}
	if st.server == nil {
		return s, nil
	}
	conn, err := pgx.Connect(ctx, st.server.DSN())
	if err != nil {
		return s, err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, "SELECT count(*)::float8 - 1 FROM pg_stat_activity WHERE backend_type = 'client backend'").Scan(&s.backends)
	return s, err
}

// residentOf returns how much memory a process takes, as Linux tells.
func residentOf(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	if fields := strings.Fields(string(text)); len(fields) > 1 {
		pages, _ := strconv.Atoi(fields[1])
		return float64(pages * os.Getpagesize())
	}
	return 0
}

// trend is how a quantity went.
type trend struct {
	quantity
	first, last float64 // medians of the first and the last third
	most        float64
	slope       float64 // of the line through all, per hour
}

// allowed is what the last third may have.
func (t *trend) allowed() float64 { return t.first*(1+t.share) + t.more }

// trendsOf returns how all went that were measured, after a sixth of the time in
// which pools and buffers fill.
func trendsOf(samples []sample) (trends []trend) {
	if len(samples) < leastSamples {
		return nil
	}
	samples = samples[len(samples)/6:]
	for _, q := range quantities {
		values := make([]float64, len(samples))
		hours := make([]float64, len(samples))
		for i, s := range samples {
			values[i], hours[i] = q.of(s), s.at.Hours()
		}
		if slices.Max(values) == 0 {
			continue // nobody could tell
		}
		third := len(values) / 3
		trends = append(trends, trend{
			quantity: q, first: median(values[:third]), last: median(values[len(values)-third:]),
			most: slices.Max(values), slope: slope(hours, values),
		})
	}
	return trends
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// slope is that of the line that is closest to the points, by least squares.
func slope(x, y []float64) float64 {
	var sumX, sumY, sumXX, sumXY float64
	for i := range x {
		sumX, sumY = sumX+x[i], sumY+y[i]
		sumXX, sumXY = sumXX+x[i]*x[i], sumXY+x[i]*y[i]
	}
	n := float64(len(x))
	below := n*sumXX - sumX*sumX
	if below == 0 {
		return 0
	}
	return (n*sumXY - sumX*sumY) / below
}

// longEnough is how long a run lasts that tells what grows from pools that fill
// and from a machine that is busy for a while. A shorter one is judged by what is
// in use before it and after it.
const longEnough = time.Minute

// checkTrends reports what has grown.
func (e *evidence) checkTrends(res *result) {
	res.trends = trendsOf(e.samples)
	if e.set.mode != faultSoak {
		return
	}
	for _, t := range res.trends {
		if e.set.time >= longEnough && t.last > t.allowed() {
			res.other++
			res.report("%s: %.1f in the first third, %.1f in the last", t.name, t.first/t.unit, t.last/t.unit)
		}
	}
	for _, q := range quantities {
		if before, after := q.of(e.before), q.of(e.after); q.atRest && after > before*(1+q.share)+q.more {
			res.other++
			res.report("%s: %.0f before the first client came, %.0f after the last had gone, of %d requests and more",
				q.name, before, after, len(e.history))
		}
	}
}

// atRest takes samples while nobody asks, until nothing has ended for a while:
// what requests and connections leave behind takes a moment to end.
func (st *stage) atRest(ctx context.Context) (least sample, err error) {
	if st.set.mode != faultSoak {
		return sample{}, nil
	}
	if least, err = st.sample(ctx); err != nil {
		return sample{}, err
	}
	for same := 0; same < 5 && pause(ctx, 100*time.Millisecond); same++ {
		s, err := st.sample(ctx)
		if err != nil {
			return sample{}, err
		}
		if s.goroutines < least.goroutines || s.files < least.files {
			least, same = s, 0
		}
	}
	return least, ctx.Err()
}
