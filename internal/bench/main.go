package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/sessionstate/sessionstate/internal/bench/figures"
)

func main() {
	rounds := flag.Int("rounds", 21, "how many `rounds` to make")
	long := flag.Duration("time", 20*time.Millisecond, "how `long` each request of each contender is repeated in a round")
	only := flag.String("only", "", "one `framework` only")
	flag.Parse()
	if err := run(os.Stdout, *rounds, *long, *only); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run measures the frameworks and writes the tables.
func run(w io.Writer, rounds int, long time.Duration, only string) error {
	if rounds < 1 || long <= 0 {
		return errors.New("bench: rounds and time must be more than 0")
	}
	slog.SetDefault(slog.New(slog.DiscardHandler)) // gin-contrib reports foreign cookies
	fmt.Fprintf(w, "%s, %d processors; %s %s/%s; %d rounds of %v; load average %s.\n\n",
		figures.CPU(), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, rounds, long, figures.LoadAverage())
	found := false
	for _, f := range frameworks() {
		if only != "" && !strings.EqualFold(only, f.name) {
			continue
		}
		found = true
		res, err := compare(f, rounds, long)
		if err != nil {
			return err
		}
		res.print(w, f)
	}
	if !found {
		return fmt.Errorf("bench: there is no framework %q", only)
	}
	fmt.Fprintf(w, "Load average at the end: %s.\n", figures.LoadAverage())
	return nil
}

// print writes the framework's table in Markdown.
func (res *result) print(w io.Writer, f framework) {
	fmt.Fprintf(w, "### %s\n\n", f.name)
	fmt.Fprintln(w, "| request | library | ns/op (quartiles) | B/op | allocs/op | over bare: ns (quartiles) | B | allocs | ours / theirs: time (quartiles) | allocs |")
	fmt.Fprintln(w, "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	ns := func(_, c cost) float64 { return c.ns }
	bytes := func(_, c cost) float64 { return c.bytes }
	allocs := func(_, c cost) float64 { return c.allocs }
	over := func(figure func(_, c cost) float64) func(a, b cost) float64 {
		return func(a, b cost) float64 { return figure(cost{}, b.minus(a)) }
	}
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

// ratios returns what ours costs over the bare framework as parts of what
// theirs does, in time and in allocations. A request that costs them next to
// nothing has no ratio.
func (*result) ratios(bare, ours, theirs []cost) (time, allocs string) {
	time, allocs = "–", "–"
	o, t := make([]cost, len(bare)), make([]cost, len(bare))
	for i, b := range bare {
		o[i], t[i] = ours[i].minus(b), theirs[i].minus(b)
	}
	if across(t, t, func(_, c cost) float64 { return c.ns }).Low >= 50 {
		time = across(o, t, func(o, t cost) float64 { return o.ns / t.ns }).Text(2)
	}
	if across(t, t, func(_, c cost) float64 { return c.allocs }).Median >= 0.5 {
		allocs = fmt.Sprintf("%.2f", across(o, t, func(o, t cost) float64 { return o.allocs / t.allocs }).Median)
	}
	return time, allocs
}
