package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/sessionstate/sessionstate/internal/bench/figures"
)

func main() {
	rounds := flag.Int("rounds", 21, "how many `rounds` to make")
	long := flag.Duration("time", 20*time.Millisecond, "how `long` each request of each contender is repeated in a round")
	only := flag.String("only", "", "one `framework` only")
	file := flag.String("report", "", "write what was measured to this `file` too, for make bench")
	flag.Parse()
	if err := run(os.Stdout, os.Stderr, *rounds, *long, *only, *file); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run measures the frameworks and writes the tables.
func run(w, progress io.Writer, rounds int, long time.Duration, only, file string) error {
	if rounds < 1 || long <= 0 {
		return errors.New("bench: rounds and time must be more than 0")
	}
	slog.SetDefault(slog.New(slog.DiscardHandler)) // gin-contrib reports foreign cookies
	report := figures.Begin("peers", "make bench-peers", fmt.Sprintf("%d rounds of %v", rounds, long))
	found := false
	for _, f := range frameworks() {
		if only != "" && !strings.EqualFold(only, f.name) {
			continue
		}
		found = true
		fmt.Fprintln(progress, "peers:", f.name)
		res, err := compare(f, rounds, long)
		if err != nil {
			return err
		}
		block := "peers"
		if f.settings {
			block = "settings"
		}
		res.print(report.Block(block), f)
		res.targets(report, f)
		if !f.settings {
			report.Plot(res.plot(f))
		}
	}
	if !found {
		return fmt.Errorf("bench: there is no framework %q", only)
	}
	return report.End(w, file)
}

// print writes the framework's table in Markdown.
func (res *result) print(w io.Writer, f framework) {
	fmt.Fprintf(w, "### %s\n\n", f.name)
	fmt.Fprintln(w, "| request | library | ns/op (quartiles) | B/op | allocs/op | over bare: ns (quartiles) | B | allocs | first / this one: time (quartiles) | allocs |")
	fmt.Fprintln(w, "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, r := range requests {
		bare := res.bare[r.name]
		ours := res.with[f.ours.name][r.name]
		fmt.Fprintf(w, "| %s | bare | %s | %s | %s | | | | | |\n", r.name,
			across(bare, bare, ns).Text(0), across(bare, bare, bytes).Middle(), across(bare, bare, allocs).Middle())
		for _, c := range append([]contender{f.ours}, f.peers...) {
			with := res.with[c.name][r.name]
			fmt.Fprintf(w, "| | %s | %s | %s | %s | %s | %s | %s |", c.name,
				across(bare, with, ns).Text(0), across(bare, with, bytes).Middle(), across(bare, with, allocs).Middle(),
				across(bare, with, over(ns)).Text(0), across(bare, with, over(bytes)).Middle(), across(bare, with, over(allocs)).Middle())
			if c.name == f.ours.name {
				fmt.Fprint(w, " | |\n")
				continue
			}
			time, memory := res.ratios(bare, ours, with)
			fmt.Fprintf(w, " %s | %s |\n", time, memory)
		}
	}
	fmt.Fprintln(w)
}

// The figures of a request, c, that is compared with the bare framework's.
func ns(_, c cost) float64     { return c.ns }
func bytes(_, c cost) float64  { return c.bytes }
func allocs(_, c cost) float64 { return c.allocs }

// over is what such a figure is more than the bare framework's.
func over(figure func(_, c cost) float64) func(a, b cost) float64 {
	return func(a, b cost) float64 { return figure(cost{}, b.minus(a)) }
}

// targets notes what a request costs that uses no session, and one that reads
// and writes beside scs, which has the same middleware in all of them.
func (res *result) targets(report *figures.Report, f framework) {
	if f.settings {
		return
	}
	for _, r := range requests {
		bare, with := res.bare[r.name], res.with[f.ours.name][r.name]
		if r.path == nothing {
			what := fmt.Sprintf("%s, request that never acquires (%s), over the bare framework", f.name, r.name)
			report.Target(figures.Target{Rank: figures.Unused, What: what, Want: 200, Got: across(bare, with, over(ns)), Unit: "ns"})
			report.Target(figures.Target{Rank: figures.Unused, What: what, Want: 3, Got: across(bare, with, over(allocs)), Unit: "allocations"})
		}
		scs := f.peerLike("scs")
		if r.path != step || scs == "" {
			continue
		}
		ours, theirs := minus(with, bare), minus(res.with[scs][r.name], bare)
		what := f.name + ", one read and one write over the bare framework, × scs: "
		report.Target(figures.Target{
			Rank: figures.RequestAgainstSCS, What: what + "time", Want: 0.3, Digits: 2,
			Got: across(ours, theirs, func(o, t cost) float64 { return o.ns / t.ns }),
		})
		report.Target(figures.Target{
			Rank: figures.RequestAgainstSCS, What: what + "allocations", Want: 0.12, Digits: 2,
			Got: across(ours, theirs, func(o, t cost) float64 { return o.allocs / t.allocs }),
		})
	}
}

// plot shows what each contender costs over the bare framework.
func (res *result) plot(f framework) figures.Plot {
	p := figures.Plot{Name: "requests-" + strings.ToLower(f.name), Title: "A request in " + f.name + ", over the bare framework", Y: "µs"}
	for _, c := range append([]contender{f.ours}, f.peers...) {
		s := figures.Series{Name: c.name}
		for _, r := range requests {
			s.Y = append(s.Y, max(0, across(res.bare[r.name], res.with[c.name][r.name], over(ns)).Median/1000))
		}
		p.Series = append(p.Series, s)
	}
	for _, r := range requests {
		p.Bars = append(p.Bars, r.name)
	}
	return p
}

// minus is what each round took more than that of the bare framework.
func minus(all, bare []cost) []cost {
	more := make([]cost, len(all))
	for i, c := range all {
		more[i] = c.minus(bare[i])
	}
	return more
}

// ratios returns what ours costs over the bare framework as parts of what
// theirs does, in time and in allocations. A request that costs them next to
// nothing has no ratio.
func (*result) ratios(bare, ours, theirs []cost) (time, allocs string) {
	time, allocs = "–", "–"
	o, t := minus(ours, bare), minus(theirs, bare)
	if across(t, t, func(_, c cost) float64 { return c.ns }).Low >= 50 {
		time = across(o, t, func(o, t cost) float64 { return o.ns / t.ns }).Text(2)
	}
	if across(t, t, func(_, c cost) float64 { return c.allocs }).Median >= 0.5 {
		allocs = fmt.Sprintf("%.2f", across(o, t, func(o, t cost) float64 { return o.allocs / t.allocs }).Median)
	}
	return time, allocs
}
