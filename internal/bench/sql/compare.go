package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sessionstate/sessionstate/internal/bench/clients"
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
		{referenceName, []string{"http/read", "http/write"}, openReference},
		{bareName, everywhere, openBare},
		{updatesName, []string{"store/write"}, openUpdates},
		{updateName, []string{"store/write"}, openUpdate},
	}
)

const (
	ours          = "sessionstate"
	referenceName = "the reference's algorithm"
	bareName      = "bare SELECT, bare UPDATE"
	updatesName   = "bare UPDATE without the disk, bare UPDATE"
	updateName    = "bare UPDATE alone"
)

// comparison is one table: a kind of request at one size and number of clients.
type comparison struct {
	slot          string
	size, clients int
}

func (c comparison) String() string { return fmt.Sprintf("%s/%dB/%d", c.slot, c.size, c.clients) }

const shortText, longText = 300, 4096

// comparisons returns all there are, those of one size together. Few clients
// are measured where they are a line of a plot.
func comparisons() (all []comparison) {
	for _, size := range []int{shortText, longText} {
		for _, slot := range everywhere {
			for _, clients := range []int{1, 4, 16, 64} {
				if clients >= 16 || size == shortText && strings.HasPrefix(slot, "http/") {
					all = append(all, comparison{slot, size, clients})
				}
			}
		}
	}
	return all
}

// operation is what a client does in such a comparison.
func (c comparison) operation(with *contender) clients.Operation {
	switch c.slot {
	case "http/read":
		return with.Read
	case "http/write":
		return with.Step
	case "store/read":
		return with.load
	}
	return with.write
}

// target is a figure of the design: the throughput of this project's library
// as a part of another's.
type target struct {
	rank       figures.Rank
	slot, peer string
	atLeast    float64
}

var targets = []target{
	{figures.ReadAgainstSelect, "http/read", bareName, 0.9},
	{figures.ReadAgainstSelect, "store/read", bareName, 0.9},
	{figures.ReadAgainstSCS, "http/read", "scs, idle timeout", 3.5},
	{figures.ReadAgainstSCS, "store/read", "scs, idle timeout", 3.5},
	{figures.WriteAgainstSCS, "http/write", "scs", 1},
	{figures.WriteAgainstSCS, "store/write", "scs", 1},
}

// plan is how long and what to measure.
type plan struct {
	clients.Plan
	only       *regexp.Regexp
	contenders *regexp.Regexp
}

// compareAll makes all comparisons that are wanted, and reports their tables,
// their targets, and the throughput by clients.
func compareAll(ctx context.Context, progress io.Writer, db *database, p plan, report *figures.Report) error {
	byClients := map[string]*clients.ByClients{
		"http/read":  {Name: "clients-sql-read", Title: "Read-only requests on PostgreSQL, 300 B"},
		"http/write": {Name: "clients-sql-write", Title: "Exclusive requests on PostgreSQL, 300 B"},
	}
	var size int
	var open []*contender
	leave := func() error {
		for _, c := range open {
			if c.Handler != nil {
				if err := c.Verify(ctx); err != nil {
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
				fmt.Fprintf(progress, "%s makes %d sessions of %d B\n", e.name, p.Sessions, size)
				with, err := openEntry(ctx, db, e, p.Sessions, size)
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
		c.report(all, report)
		if by := byClients[c.slot]; by != nil && c.size == shortText && all[0].Name == ours {
			by.Add(c.clients, all)
		}
	}
	for _, slot := range everywhere {
		if by := byClients[slot]; by != nil && !by.Empty() {
			fmt.Fprintf(report.Block("sql-clients"), "%s\n", by.Table())
			report.Plot(by.Plot())
		}
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

// run measures all contenders, which take turns.
func (c comparison) run(ctx context.Context, db *database, open []*contender, p plan) (all []*clients.Series, err error) {
	cpu, err := findProcessors(ctx, db.admin)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		for _, with := range open {
			if with.Name == e.name && slices.Contains(e.slots, c.slot) {
				all = append(all, &clients.Series{Name: with.Name, Do: c.operation(with)})
			}
		}
	}
	return all, p.Measure(ctx, cpu.read, c.clients, c.String(), all)
}

// report writes the comparison's table in Markdown, and notes the targets.
func (c comparison) report(all []*clients.Series, report *figures.Report) {
	w := report.Block("sql-comparisons")
	fmt.Fprintf(w, "\n### %s, %d B, clients: %d\n\n", titles[c.slot], c.size, c.clients)
	fmt.Fprintln(w, "| | per second (quartiles) | p50 µs | p99 µs | processor µs: client | server | ours / theirs: throughput (quartiles) | processor time |")
	fmt.Fprintln(w, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, s := range all {
		fmt.Fprintf(w, "| %s | %s | %.0f | %.0f | %.1f | %.1f |", s.Name,
			s.Spread(clients.Throughput).Text(0),
			s.Spread(clients.Middle).Median,
			s.Spread(func(o clients.Outcome) float64 { return o.P99 }).Median,
			s.Spread(func(o clients.Outcome) float64 { return o.Client }).Median,
			s.Spread(func(o clients.Outcome) float64 { return o.Server }).Median)
		if all[0].Name != ours || s.Name == ours {
			fmt.Fprintln(w, " | |")
			continue
		}
		ratio := all[0].Ratio(s, clients.Throughput)
		fmt.Fprintf(w, " %s | %s |\n", ratio.Text(2), all[0].Ratio(s, clients.Processor).Text(2))
		for _, t := range targets {
			if t.slot == c.slot && t.peer == s.Name && c.clients >= 16 {
				what := fmt.Sprintf("PostgreSQL, %s, %d B, %d clients: throughput × that of %s", inSentence[c.slot], c.size, c.clients, s.Name)
				report.Target(figures.Target{Rank: t.rank, What: what, AtLeast: true, Want: t.atLeast, Got: ratio, Digits: 2})
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

var inSentence = map[string]string{
	"http/read":   "read-only request",
	"http/write":  "Exclusive request",
	"store/read":  "the store's part of a read-only request",
	"store/write": "the store's part of an Exclusive request",
}
