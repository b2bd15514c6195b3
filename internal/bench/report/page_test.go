package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sessionstate/sessionstate/internal/bench/figures"
)

// measured are reports like those of the parts: with all the blocks and plots
// that they have.
func measured(t *testing.T) []*figures.Report {
	t.Helper()
	var reports []*figures.Report
	for _, part := range []struct {
		name          string
		blocks, plots []string
	}{
		{"core", []string{"core-requests", "core-frame", "core-stored", "core-hostile"}, nil},
		{
			"memory",
			[]string{"memory-clients", "memory-hand-off", "memory-pages", "memory-bytes", "memory-reap", "memory-growth"},
			[]string{"clients-memory-read", "clients-memory-write", "hand-off-memory", "bytes", "growth-memory"},
		},
		{"peers", []string{"peers", "settings"}, []string{"requests-chi", "requests-gin", "requests-echo", "requests-fiber"}},
		{
			"sql",
			[]string{"sql-comparisons", "sql-clients", "sql-hand-off", "sql-turns", "sql-growth", "sql-hot", "sql-syncs"},
			[]string{"clients-sql-read", "clients-sql-write", "hand-off-sql", "growth-sql"},
		},
	} {
		r := figures.Begin(part.name, "make bench-"+part.name, "1 round")
		for _, b := range part.blocks {
			io.WriteString(r.Block(b), "measured: "+b+"\n")
		}
		for _, p := range part.plots {
			r.Plot(figures.Plot{Name: p, Bars: []string{"a"}, Series: []figures.Series{{Name: "s", Y: []float64{1}}}})
		}
		r.Target(figures.Target{Rank: figures.HOT, What: "a figure of " + part.name, Want: 1, Got: figures.Only(2)})
		reports = append(reports, r)
	}
	return reports
}

// TestPage: docs/performance.md has a place for everything that is measured,
// and shows every picture; the second time nothing changes any more.
func TestPage(t *testing.T) {
	docs := t.TempDir()
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "performance.md"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(docs, "performance.md")
	if err := os.WriteFile(file, page, 0o644); err != nil {
		t.Fatal(err)
	}
	reports := measured(t)
	var first []byte
	for range 2 {
		if err := write(docs, reports); err != nil {
			t.Fatal(err)
		}
		after, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if first != nil && string(first) != string(after) {
			t.Error("the second time it is another page")
		}
		first = after
	}
	for _, want := range []string{"measured: sql-syncs", "| a figure of memory | ≤ 1 | 2 | **not met** |", "`make bench-peers`"} {
		if !strings.Contains(string(first), want) {
			t.Errorf("%q is not in the page", want)
		}
	}
	svgs, err := filepath.Glob(filepath.Join(docs, "plots", "*.svg"))
	if err != nil || len(svgs) != 13 {
		t.Errorf("the plots are %v, %v", svgs, err)
	}
}

// TestPageIsLeftAlone: if anything is wrong, no file changes.
func TestPageIsLeftAlone(t *testing.T) {
	for name, c := range map[string]struct {
		page, want string
		spoil      func(*figures.Report)
	}{
		"no place":      {"# Nothing\n", `no place for "targets"`, func(*figures.Report) {}},
		"not shown":     {"# Nothing\n", "does not show plots/bytes.svg", func(*figures.Report) {}},
		"not drawn":     {"![x](plots/x.svg)\n", "nothing draws plots/x.svg", func(*figures.Report) {}},
		"cannot be":     {"# Nothing\n", "plot bytes", func(r *figures.Report) { r.Plots[3].Series = nil }},
		"not a picture": {"<!-- begin x: written by make bench -->\n<!-- end x -->", `nothing measures "x"`, func(*figures.Report) {}},
	} {
		t.Run(name, func(t *testing.T) {
			docs := t.TempDir()
			file := filepath.Join(docs, "performance.md")
			if err := os.WriteFile(file, []byte(c.page), 0o644); err != nil {
				t.Fatal(err)
			}
			reports := measured(t)
			c.spoil(reports[1])
			if err := write(docs, reports); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			after, err := os.ReadFile(file)
			if err != nil || string(after) != c.page {
				t.Errorf("the page is %q, %v", after, err)
			}
			if _, err := os.Stat(filepath.Join(docs, "plots")); err == nil {
				t.Error("there are plots")
			}
		})
	}
}

// TestBenchmarkTable: figures of several runs come together, with the units that
// each benchmark has.
func TestBenchmarkTable(t *testing.T) {
	got, err := benchmarkTable(`goos: linux
BenchmarkRequest/exclusive/get+set-2         	  300	      30 ns/op	     5 B/op	       1 allocs/op
BenchmarkRequest/exclusive/get+set-2         	  300	      10 ns/op	     5 B/op	       1 allocs/op
BenchmarkStored/4-KB-2   	  300	      2000 ns/op	   318 stored-B	     5 B/op	       1 allocs/op
PASS
`)
	const want = `| benchmark | ns/op | B/op | allocs/op | stored-B |
| --- | ---: | ---: | ---: | ---: |
| Request/exclusive/get+set | 20.0 (15.0–25.0) | 5 | 1 | |
| Stored/4-KB | 2000 (2000–2000) | 5 | 1 | 318 |
`
	if err != nil || got != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, got, want)
	}
	for _, output := range []string{"PASS\n", "BenchmarkX-2 1 much ns/op\n"} {
		if table, err := benchmarkTable(output); err == nil {
			t.Errorf("%q became %s", output, table)
		}
	}
}

// TestFormerFigures: what is not measured again is taken as it was, and missed
// if it never was.
func TestFormerFigures(t *testing.T) {
	out := t.TempDir()
	args := []string{"-only=^none$", "-out=" + out, "-docs=" + t.TempDir()}
	if err := run(t.Context(), args, io.Discard); err == nil || !strings.Contains(err.Error(), "core was never measured here") {
		t.Errorf("got %v", err)
	}
	for _, r := range measured(t) {
		if err := r.End(io.Discard, filepath.Join(out, r.Part+".json")); err != nil {
			t.Fatal(err)
		}
	}
	if err := run(t.Context(), args, io.Discard); err == nil || !strings.Contains(err.Error(), "performance.md") {
		t.Errorf("got %v", err) // there is no such page
	}
	if names := slices.Collect(partNames); !slices.Equal(names, []string{"core", "memory", "peers", "sql"}) {
		t.Errorf("the parts are %v", names)
	}
}

func partNames(yield func(string) bool) {
	for _, p := range parts {
		if !yield(p.name) {
			return
		}
	}
}
