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

// TestMain lets this program be the other process, too.
func TestMain(m *testing.M) {
	if os.Getenv(waiterVariable) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestRun: parts measure something, if only for a moment, and report it
// with the lines and pictures that they promise.
func TestRun(t *testing.T) {
	db := testDatabase(t)
	file := filepath.Join(t.TempDir(), "sql.json")
	args := []string{
		"-rounds=1", "-time=1ms", "-sessions=64", "-many=1001", "-turns=100ms", "-only=http/.*/300B/(1|64)$|turns|growth",
		"-contenders=^(sessionstate|scs|the reference's algorithm)$", // others need the server's connections too
		"-report=" + file, "-postgres=" + db.dsn,
	}
	if err := run(t.Context(), args, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	r, err := figures.ReadReport(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"sql-comparisons": {"### Read-only request, 300 B, clients: 1", "| the reference's algorithm |"},
		"sql-clients":     {"| sessionstate / scs |", "clients: 1 | clients: 64", "| sessionstate / the reference's algorithm |"},
		"sql-turns":       {"| one of two processes |", "| the other |"},
		"sql-growth":      {" 1000 | 1001 |", "| a bare SELECT of the same table |"},
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
	for name, series := range map[string]int{"clients-sql-read": 3, "clients-sql-write": 3, "growth-sql": 4} {
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
	// Of the comparisons only that with scs at 64 clients has a target here.
	if n := len(r.Targets); n != 1+1+3 {
		t.Errorf("%d targets", n)
	}
}

// TestHandOff: to the other process too, which is this program again.
func TestHandOff(t *testing.T) {
	db := testDatabase(t)
	to, err := db.pool(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	for _, way := range []struct {
		mode  string
		other bool
	}{{byNotify, false}, {byNotify, true}, {byPoll, true}} {
		h, err := db.handOffs(t.Context(), to, way.mode, way.other, 2)
		if err != nil || len(h.FromCall) != 2 || len(h.FromReturn) != 2 {
			t.Errorf("%s, to the other process: %v: got %v, %v", way.mode, way.other, h, err)
		}
	}
}
