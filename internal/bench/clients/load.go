package clients

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// warmUp is how long clients go on before anything counts: the pool asks
// whether connections that were idle still live.
const warmUp = 40 * time.Millisecond

// Operation does the i-th session's work for one client.
type Operation func(ctx context.Context, client, i int) error

// Outcome is what one run of a load gave.
type Outcome struct {
	Rate     float64 // operations a second
	P50, P99 float64 // µs
	Client   float64 // µs of this process's processor time for each
	Server   float64 // µs of the server's, 0 where that cannot be told
}

// Used is processor time in µs, of this process and of the server's.
type Used struct{ Client, Server float64 }

// Meter tells how much processor time was used so far.
type Meter func() Used

// Load has clients call do for so long. Each has sessions of its own, of which
// it takes one at random each time, so that no two meet. Each finishes what it
// has begun, and at least one operation, however slow the machine is; what is
// only partly within the time counts as that part.
func Load(ctx context.Context, cpu Meter, clients, sessions int, long time.Duration, do Operation) (Outcome, error) {
	runtime.GC() // what others left is not this one's to clear away
	var wg sync.WaitGroup
	var failure atomic.Pointer[error]
	begin := time.Now().Add(warmUp)
	end := begin.Add(long)
	took := make([][]float64, clients)
	times := make([]float64, clients)
	for c := range clients {
		wg.Go(func() { // until a little after end
			own := make([]float64, 0, 1024)
			r := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
			started := time.Now()
			for (len(own) == 0 || started.Before(end)) && failure.Load() == nil {
				// The context of a request: it can end.
				request, cancel := context.WithCancel(ctx)
				err := do(request, c, c+clients*r.IntN(sessions/clients))
				cancel()
				done := time.Now()
				if err != nil {
					failure.CompareAndSwap(nil, &err)
				}
				if !started.Before(begin) {
					own = append(own, Microseconds(done.Sub(started)))
				}
				times[c] += within(started, done, begin, end)
				started = done
			}
			took[c] = own
		})
	}
	time.Sleep(time.Until(begin))
	before := cpu()
	wg.Wait()
	after := cpu()
	if err := failure.Load(); err != nil {
		return Outcome{}, *err
	}
	o := Outcome{}
	for _, n := range times {
		o.Rate += n / long.Seconds()
	}
	all := slices.Sorted(slices.Values(slices.Concat(took...)))
	n := float64(len(all))
	o.P50, o.P99 = all[len(all)/2], all[len(all)*99/100]
	o.Client, o.Server = (after.Client-before.Client)/n, (after.Server-before.Server)/n
	return o, nil
}

// within is which part of an operation was between begin and end.
func within(started, done, begin, end time.Time) float64 {
	whole := done.Sub(started)
	if started.Before(begin) {
		started = begin
	}
	if done.After(end) {
		done = end
	}
	if whole <= 0 || !started.Before(done) {
		return 0
	}
	return float64(done.Sub(started)) / float64(whole)
}

// Microseconds returns a time as the tables have it.
func Microseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
