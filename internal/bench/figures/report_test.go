package figures

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestReportIsKept: what a program has measured comes back from its file.
func TestReportIsKept(t *testing.T) {
	r := Begin("part", "make part", "3 rounds")
	r.Block("one").Write([]byte("a"))
	r.Block("two").Write([]byte("b"))
	r.Block("one").Write([]byte("c"))
	r.Target(Target{HOT, "share", true, 0.95, Only(0.5), "", 2})
	r.Plot(linePlot())
	file := filepath.Join(t.TempDir(), "part.json")
	var out strings.Builder
	if err := r.End(&out, file); err != nil {
		t.Fatal(err)
	}
	got, err := ReadReport(file)
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("got %v\n%+v, want\n%+v", err, got, r)
	}
	if r.Block("one").Text != "ac" || len(r.Blocks) != 2 {
		t.Errorf("the blocks are %+v", r.Blocks)
	}
	for _, want := range []string{"3 rounds", "## one\n\nac", "| share | ≥ 0.95 | 0.50 | **not met** |"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in what was printed:\n%s", want, out.String())
		}
	}
}

// TestTargetTable: in their order, and judged by the median.
func TestTargetTable(t *testing.T) {
	got := TargetTable([]Target{
		{HOT, "last", true, 0.95, Only(0.95), "", 2},
		{HandOffMemory, "third", false, 20, Spread{20.6, 3, 50}, "µs", 0},
		{HandOffMemory, "fourth", false, 3, Spread{3.001, 3, 3.2}, "", 0},
		{HandOffMemory, "fifth", false, 3, Spread{-1, -2, 3}, "", 0},
		{ReadAgainstSelect, "first", true, 0.9, Spread{0.91, 0.8, 1}, "", 2},
		{ReadAgainstSelect, "second", true, 0.9, Spread{0.89, 0.8, 1}, "", 2},
	})
	const want = `| figure | target | measured (quartiles) | |
| --- | ---: | ---: | --- |
| first | ≥ 0.9 | 0.91 (0.80–1.00) | met |
| second | ≥ 0.9 | 0.89 (0.80–1.00) | **not met** |
| third | ≤ 20 µs | 21 (3–50) µs | **not met** |
| fourth | ≤ 3 | 3 | met |
| fifth | ≤ 3 | -1 (-2–3) | **unknown**: other programs disturbed it |
| last | ≥ 0.95 | 0.95 | met |
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
