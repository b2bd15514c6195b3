package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/internal/bench/clients"
	"github.com/sessionstate/sessionstate/internal/bench/figures"
	"github.com/sessionstate/sessionstate/internal/bench/reference"
)

// handOff measures how long a session takes from one request to the next one,
// which waits for it, and what a page takes that makes several requests at once.
func handOff(ctx context.Context, progress io.Writer, p plan, report *figures.Report) error {
	mgr, err := ourManager()
	if err != nil {
		return err
	}
	defer clients.Close(mgr)
	party := clients.Party{Manager: mgr}
	cookie, err := party.Start(ctx)
	if err != nil {
		return err
	}
	queued, polled := new(clients.Handed), new(clients.Handed)
	ratios := make([]float64, 0, p.Rounds)
	for round := range p.Rounds {
		fmt.Fprintf(progress, "hand-off: round %d of %d\n", round+1, p.Rounds)
		h := new(clients.Handed)
		for range p.handOffs {
			if err := h.HandOver(ctx, party, party.Ask, cookie, time.Millisecond); err != nil {
				return err
			}
		}
		polls, err := pollOver(ctx, p.polls)
		if err != nil {
			return err
		}
		ratios = append(ratios, figures.Quantile(polls.FromCall, 0.5)/figures.Quantile(h.FromCall, 0.5))
		queued.Add(h)
		polled.Add(polls)
	}
	w := report.Block("memory-hand-off")
	fmt.Fprintln(w, "| waiter, from the call of Release to its Acquire that returns | times | p50 µs | p90 | p99 |\n| --- | ---: | ---: | ---: | ---: |")
	picture := figures.Plot{
		Name: "hand-off-memory", Title: "Hand-off of a session in memory, save included", X: "µs", Y: "% of the hand-offs done", LogX: true,
	}
	at := func(h *clients.Handed, q float64) float64 { return figures.Quantile(h.FromCall, q) }
	for _, line := range []struct {
		name string
		h    *clients.Handed
	}{{ours, queued}, {referenceName, polled}} {
		fmt.Fprintf(w, "| %s | %d | %.1f | %.1f | %.1f |\n", line.name, len(line.h.FromCall), at(line.h, 0.5), at(line.h, 0.9), at(line.h, 0.99))
		picture.Series = append(picture.Series, figures.Share(line.name, line.h.FromCall, 101))
	}
	report.Plot(picture)
	report.Target(figures.Target{
		Rank: figures.HandOffMemory, What: "Memory, hand-off of a contended session, its save included, p50",
		Want: 20, Got: figures.SpreadOf(queued.FromCall), Unit: "µs", Digits: 1,
	})
	report.Target(figures.Target{
		Rank: figures.HandOffAgainstPolling, What: "Memory, hand-off: polling × ours, p50",
		AtLeast: true, Want: 100, Got: figures.SpreadOf(ratios), Digits: 0,
	})
	return pages(ctx, progress, p, report)
}

// pollOver makes hand-offs by polling, of as many sessions at the same time,
// since each takes hundreds of milliseconds. Holder and waiter have a Manager of
// their own each: within one they would not poll.
func pollOver(ctx context.Context, times int) (*clients.Handed, error) {
	st := memstore.New()
	holding, err := referenceManager(st)
	if err != nil {
		return nil, err
	}
	defer clients.Close(holding)
	waiting, err := referenceManager(st)
	if err != nil {
		return nil, err
	}
	defer clients.Close(waiting)
	holder, waiter := clients.Party{Manager: holding}, clients.Party{Manager: waiting}
	each, errs := make([]clients.Handed, times), make([]error, times)
	var wg sync.WaitGroup
	for i := range times {
		cookie, err := holder.Start(ctx)
		if err != nil {
			return nil, err
		}
		wg.Go(func() {
			// Its looks are at any point.
			errs[i] = each[i].HandOver(ctx, holder, waiter.Ask, cookie, 20*time.Millisecond+rand.N(reference.Poll))
		})
	}
	wg.Wait()
	sum := new(clients.Handed)
	for i := range each {
		sum.Add(&each[i])
	}
	return sum, errors.Join(errs...)
}
