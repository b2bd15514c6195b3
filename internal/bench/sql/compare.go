package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/sessionstate/sessionstate/internal/bench/figures"
)

// entry is who takes part in the comparisons.
type entry struct {
	name  string
	slots []string // of the cases it has figures for: "store/write" and so on
	open  func(ctx context.Context, p *place, n, size int) (*contender, error)
}

var (
	everywhere = []string{"http/read", "http/write", "store/read", "store/write"}
	entries    = []entry{
		{ours, everywhere, openOurs},
		{"scs", everywhere, openSCS(0)},
		{"scs, idle timeout", everywhere, openSCS(20 * time.Minute)},
		{bareName, everywhere, openBare},
		{updatesName, []string{"store/write"}, openUpdates},
		{updateName, []string{"store/write"}, openUpdate},
	}
)

const (
	ours        = "sessionstate"
	bareName    = "bare SELECT, bare UPDATE"
	updatesName = "bare UPDATE without the disk, bare UPDATE"
	updateName  = "bare UPDATE alone"
)

// comparison is one table: a kind of request at one size and number of clients.
type comparison struct {
	slot          string
	size, clients int
}

func (c comparison) String() string { return fmt.Sprintf("%s/%dB/%d", c.slot, c.size, c.clients) }

// comparisons returns all there are, those of one size together.
func comparisons() (all []comparison) {
	for _, size := range []int{300, 4096} {
		for _, slot := range everywhere {
			for _, clients := range []int{16, 64} {
				all = append(all, comparison{slot, size, clients})
			}
		}
	}
	return all
}

// operation is what a client does in such a comparison.
func (c comparison) operation(with *contender) operation {
	switch c.slot {
	case "http/read":
		return with.requestRead
	case "http/write":
		return with.requestStep
	case "store/read":
		return with.load
	}
	return with.write
}

// target is a figure of the design: the throughput of this project's library
// as a part of another's.
type target struct {
	slot, peer string
	atLeast    float64
}

var targets = []target{
	{"http/read", bareName, 0.9},
	{"store/read", bareName, 0.9},
	{"http/read", "scs, idle timeout", 3.5},
	{"store/read", "scs, idle timeout", 3.5},
	{"http/write", "scs", 1},
	{"store/write", "scs", 1},
}

// series is what one contender did in the rounds of a comparison.
type series struct {
	name   string
	do     operation
	rounds []outcome
}

func (s *series) spread(figure func(outcome) float64) figures.Spread {
	all := make([]float64, len(s.rounds))
	for i, o := range s.rounds {
		all[i] = figure(o)
	}
	return figures.SpreadOf(all)
}

// ratio is a figure of s as a part of another's, round by round.
func (s *series) ratio(other *series, figure func(outcome) float64) figures.Spread {
	all := make([]float64, len(s.rounds))
	for i, o := range s.rounds {
		all[i] = figure(o) / figure(other.rounds[i])
	}
	return figures.SpreadOf(all)
}

func throughput(o outcome) float64 { return o.rate }
func processor(o outcome) float64  { return o.client + o.server }

// plan is how long and what to measure.
type plan struct {
	rounds     int
	long       time.Duration
	only       *regexp.Regexp
	contenders *regexp.Regexp
	sessions   int
}

// compareAll makes all comparisons that are wanted, prints their tables, and
// notes what has become of their targets.
func compareAll(ctx context.Context, w, progress io.Writer, db *database, p plan, met *verdicts) error {
	var size int
	var open []*contender
	leave := func() error {
		for _, c := range open {
			if c.handler != nil {
				if err := c.verify(ctx); err != nil {
					return err
				}
			}
			c.close()
		}
		open = nil
		return nil
	}
	for _, c := range comparisons() {
		if !p.only.MatchString(c.String()) {
			continue
		}
		if c.size != size {
			if err := leave(); err != nil {
				return err
			}
			size = c.size
			for _, e := range entries {
				if !p.wants(e, size) {
					continue
				}
				fmt.Fprintf(progress, "%s makes %d sessions of %d B\n", e.name, p.sessions, size)
				with, err := openEntry(ctx, db, e, p.sessions, size)
				if err != nil {
					return err
				}
				open = append(open, with)
			}
			if _, err := db.admin.Exec(ctx, "VACUUM ANALYZE"); err != nil {
				return err
			}
		}
		fmt.Fprintln(progress, c)
		all, err := c.run(ctx, db, open, p)
		if err != nil {
			return err
		}
		c.print(w, all, met)
	}
	return leave()
}

// wants says whether anything of this size is measured of an entry.
func (p plan) wants(e entry, size int) bool {
	return p.contenders.MatchString(e.name) && slices.ContainsFunc(comparisons(), func(c comparison) bool {
		return c.size == size && slices.Contains(e.slots, c.slot) && p.only.MatchString(c.String())
	})
}

func openEntry(ctx context.Context, db *database, e entry, n, size int) (*contender, error) {
	to, err := db.pool(ctx)
	if err != nil {
		return nil, err
	}
	c, err := e.open(ctx, to, n, size)
	if err != nil {
		to.Close()
		return nil, fmt.Errorf("%s: %w", e.name, err)
	}
	return c, nil
}

// run measures all contenders, which take turns in each round in an order that
// changes.
func (c comparison) run(ctx context.Context, db *database, open []*contender, p plan) (all []*series, err error) {
	cpu, err := findProcessors(ctx, db.admin)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		for _, with := range open {
			if with.name == e.name && slices.Contains(e.slots, c.slot) {
				all = append(all, &series{name: with.name, do: c.operation(with)})
			}
		}
	}
	for range p.rounds {
		for _, i := range rand.Perm(len(all)) {
			s := all[i]
			var o outcome
			// In a profile each has its name.
			pprof.Do(ctx, pprof.Labels("contender", s.name, "slot", c.slot), func(ctx context.Context) {
				o, err = load(ctx, cpu, c.clients, p.sessions, p.long, s.do)
			})
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", c, s.name, err)
			}
			s.rounds = append(s.rounds, o)
		}
	}
	return all, nil
}

// print writes the comparison's table in Markdown.
func (c comparison) print(w io.Writer, all []*series, met *verdicts) {
	fmt.Fprintf(w, "\n### %s, %d B, %d clients\n\n", titles[c.slot], c.size, c.clients)
	fmt.Fprintln(w, "| | per second (quartiles) | p50 µs | p99 µs | processor µs: client | server | ours / theirs: throughput (quartiles) | processor time |")
	fmt.Fprintln(w, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, s := range all {
		fmt.Fprintf(w, "| %s | %s | %.0f | %.0f | %.1f | %.1f |", s.name,
			s.spread(throughput).Text(0),
			s.spread(func(o outcome) float64 { return o.p50 }).Median,
			s.spread(func(o outcome) float64 { return o.p99 }).Median,
			s.spread(func(o outcome) float64 { return o.client }).Median,
			s.spread(func(o outcome) float64 { return o.server }).Median)
		if all[0].name != ours || s.name == ours {
			fmt.Fprintln(w, " | |")
			continue
		}
		ratio := all[0].ratio(s, throughput)
		fmt.Fprintf(w, " %s | %s |\n", ratio.Text(2), all[0].ratio(s, processor).Text(2))
		for _, t := range targets {
			if t.slot == c.slot && t.peer == s.name {
				met.add(fmt.Sprintf("%s, %d B, %d clients, × %s", titles[c.slot], c.size, c.clients, s.name), ratio.Median, t.atLeast, true)
			}
		}
	}
}

var titles = map[string]string{
	"http/read":   "Read-only request",
	"http/write":  "Exclusive request that reads and writes",
	"store/read":  "The store's part of a read-only request",
	"store/write": "The store's part of an Exclusive request",
}

// verdicts collects what has become of the targets.
type verdicts struct{ lines []string }

// add notes a figure beside its target, which it must reach or, if not atLeast,
// not exceed.
func (v *verdicts) add(what string, got, want float64, atLeast bool) {
	sign, met := "≥", got >= want
	if !atLeast {
		sign, met = "≤", got <= want
	}
	word := "**not met**"
	if met {
		word = "met"
	}
	v.lines = append(v.lines, fmt.Sprintf("| %s | %s %g | %.2f | %s |", what, sign, want, got, word))
}

func (v *verdicts) print(w io.Writer) {
	if len(v.lines) == 0 {
		return
	}
	fmt.Fprint(w, "\n### Targets\n\n| | target | measured | |\n| --- | ---: | ---: | --- |\n")
	for _, line := range v.lines {
		fmt.Fprintln(w, line)
	}
}
