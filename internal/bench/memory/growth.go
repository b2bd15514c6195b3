package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/sessionstate/sessionstate/internal/bench/clients"
	"github.com/sessionstate/sessionstate/internal/bench/figures"
)

const few = 1_000

// growth compares a whole request with few and with many stored sessions, all
// of which are asked for, by one client.
func growth(ctx context.Context, progress io.Writer, p plan, report *figures.Report) error {
	var sizes []int
	for n := few; n < p.many; n *= 10 {
		sizes = append(sizes, n)
	}
	sizes = append(sizes, p.many)
	var all []*contender
	for _, n := range sizes {
		fmt.Fprintf(progress, "growth: stores %d sessions\n", n)
		mgr, err := ourManager()
		if err != nil {
			return err
		}
		c := newContender(ours, mgr)
		if err := c.FillAll(ctx, n, text, 2, nobody); err != nil {
			return err
		}
		all = append(all, c)
	}
	w := report.Block("memory-growth")
	fmt.Fprint(w, "| request, one client: p50 µs with … sessions |")
	for _, n := range sizes {
		fmt.Fprintf(w, " %d |", n)
	}
	fmt.Fprintf(w, " most / fewest (quartiles) |\n| --- |%s ---: |\n", strings.Repeat(" ---: |", len(sizes)))
	picture := figures.Plot{Name: "growth-memory", Title: "A request in memory", X: "stored sessions", Y: "p50, µs", LogX: true}
	for _, request := range []struct {
		name string
		do   func(*contender) clients.Operation
	}{
		{"Exclusive", func(c *contender) clients.Operation { return c.Step }},
		{"read-only", func(c *contender) clients.Operation { return c.Read }},
	} {
		fmt.Fprintln(progress, "growth:", request.name)
		series := make([]*clients.Series, len(all))
		for i := range all {
			series[i] = new(clients.Series)
		}
		for range p.Rounds {
			for _, i := range rand.Perm(len(all)) {
				o, err := clients.Load(ctx, own, 1, sizes[i], p.Long, request.do(all[i]))
				if err != nil {
					return err
				}
				series[i].Rounds = append(series[i].Rounds, o)
			}
		}
		line := figures.Series{Name: request.name}
		fmt.Fprintf(w, "| %s |", request.name)
		for i, s := range series {
			fmt.Fprintf(w, " %s |", s.Spread(clients.Middle).Text(1))
			line.Add(float64(sizes[i]), s.Spread(clients.Middle))
		}
		ratio := series[len(series)-1].Ratio(series[0], clients.Middle)
		fmt.Fprintf(w, " %s |\n", ratio.Text(2))
		picture.Series = append(picture.Series, line)
		report.Target(figures.Target{
			Rank: figures.GrowthMemory, What: fmt.Sprintf("Memory, p50 with %d stored sessions × with %d: %s", p.many, few, request.name),
			Want: 1.1, Got: ratio, Digits: 2,
		})
	}
	report.Plot(picture)
	for _, c := range all {
		if err := c.Verify(ctx); err != nil {
			return err
		}
		if err := c.close(); err != nil {
			return err
		}
	}
	return nil
}
