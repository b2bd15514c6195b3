package main

import (
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sessionstate/sessionstate/internal/bench/figures"
)

// TestRun: everything is measured, if only for a moment, and reported with the
// lines and pictures that it promises.
func TestRun(t *testing.T) {
	file := filepath.Join(t.TempDir(), "memory.json")
	args := strings.Fields("-rounds=1 -time=1ms -sessions=64 -hand-offs=2 -polls=2 -many=2000 -beside=50 -report=" + file)
	if err := run(t.Context(), args, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	r, err := figures.ReadReport(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"memory-clients":  {"| sessionstate |", "| sessionstate / scs |", "| sessionstate / scs, idle timeout |", "| sessionstate / the reference's algorithm |", "clients: 64"},
		"memory-hand-off": {"| sessionstate | 2 |", "| the reference's algorithm | 2 |"},
		"memory-pages":    {"| sessionstate |", "| 0 of 8 |", "| scs |"},
		"memory-bytes":    {"| sessionstate |", "| scs |", "| fiber |", "| gorilla, memstore |", "| saved often |"},
		"memory-reap":     {"while 2000 expired sessions are removed", "finds nothing due"},
		"memory-growth":   {"| Exclusive |", "| read-only |", " 1000 | 2000 |"},
	} {
		i := slices.IndexFunc(r.Blocks, func(b *figures.Block) bool { return b.Name == name })
		if i < 0 {
			t.Errorf("there is no %q", name)
			continue
		}
		for _, w := range want {
			if !strings.Contains(r.Blocks[i].Text, w) {
				t.Errorf("%q is not in %s:\n%s", w, name, r.Blocks[i].Text)
			}
		}
	}
	if len(r.Blocks) != 6 {
		t.Errorf("%d blocks", len(r.Blocks))
	}
	for name, series := range map[string]int{"clients-memory-read": 4, "clients-memory-write": 4, "hand-off-memory": 2, "bytes": 1, "growth-memory": 2} {
		i := slices.IndexFunc(r.Plots, func(p figures.Plot) bool { return p.Name == name })
		if i < 0 {
			t.Errorf("there is no plot %q", name)
			continue
		}
		if n := len(r.Plots[i].Series); n != series {
			t.Errorf("%s has %d series", name, n)
		}
		if _, err := r.Plots[i].SVG(); err != nil {
			t.Error(err)
		}
	}
	var ranks []figures.Rank
	for _, target := range r.Targets {
		ranks = append(ranks, target.Rank)
	}
	want := []figures.Rank{figures.HandOffMemory, figures.HandOffAgainstPolling, figures.BytesPerSession, figures.ReapPause, figures.ReapPause, figures.GrowthMemory, figures.GrowthMemory}
	if !slices.Equal(ranks, want) {
		t.Errorf("the targets are %v, want %v", ranks, want)
	}
}

// TestOnly: what is not wanted is not measured, and what cannot be is refused.
func TestOnly(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), []string{"-only=^bytes", "-beside=10", "-many=1001"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if strings.Count(out.String(), "\n## ") != 2 { // and the targets
		t.Errorf("got\n%s", out.String())
	}
	for _, args := range []string{"-rounds=0", "-time=-1s", "-sessions=63", "-many=1000", "-polls=0", "-only=("} {
		if err := run(t.Context(), []string{args}, io.Discard, io.Discard); err == nil {
			t.Errorf("%s was measured", args)
		}
	}
}
