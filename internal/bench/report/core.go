package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/sessionstate/sessionstate/internal/bench/figures"
)

// coreBlocks are the benchmarks of core that docs/performance.md has, by their
// names, and the block of each.
var coreBlocks = []struct{ block, benchmarks string }{
	{"core-requests", "Request|NewSession|Unused"},
	{"core-frame", "Frame"},
	{"core-stored", "Stored"},
	{"core-hostile", "Hostile"},
}

// measureCore runs the benchmarks of core and writes a report on them.
func measureCore(ctx context.Context, file string, few []string, progress io.Writer) error {
	flags := []string{"-benchtime=60ms", "-count=5"}
	if few != nil {
		flags = few
	}
	report := figures.Begin("core", "make bench-go BENCHCOUNT=5", "go test "+strings.Join(flags, " "))
	for _, b := range coreBlocks {
		fmt.Fprintf(progress, "core: %s\n", b.benchmarks)
		args := append([]string{"test", "-run=^$", "-bench=^Benchmark(" + b.benchmarks + ")$", "-benchmem"}, flags...)
		cmd := exec.CommandContext(ctx, "go", append(args, module+"core")...)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, progress
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("go test -bench %s: %w: %s", b.benchmarks, err, out.Bytes())
		}
		table, err := benchmarkTable(out.String())
		if err != nil {
			return err
		}
		fmt.Fprint(report.Block(b.block), table)
	}
	return report.End(io.Discard, file)
}

// benchmarkTable makes a table of what `go test -bench` prints: lines of a
// name, a number of times, and figures with their units.
func benchmarkTable(output string) (string, error) {
	type key struct{ name, unit string }
	all := make(map[key][]float64)
	var names, units []string
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		if len(fields) < 4 || len(fields)%2 != 0 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(fields[0], "Benchmark")
		if i := strings.LastIndexByte(name, '-'); i >= 0 { // the number of processors
			name = name[:i]
		}
		for i := 2; i < len(fields); i += 2 {
			figure, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return "", fmt.Errorf("bench: %q is no figure in %q", fields[i], line)
			}
			k := key{name, fields[i+1]}
			if all[k] == nil {
				if !slices.Contains(names, name) {
					names = append(names, name)
				}
				if !slices.Contains(units, k.unit) {
					units = append(units, k.unit)
				}
			}
			all[k] = append(all[k], figure)
		}
	}
	if len(names) == 0 {
		return "", fmt.Errorf("bench: no benchmark has run: %s", output)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| benchmark | %s |\n| --- |%s\n", strings.Join(units, " | "), strings.Repeat(" ---: |", len(units)))
	for _, name := range names {
		fmt.Fprintf(&b, "| %s |", name)
		for _, unit := range units {
			switch values := all[key{name, unit}]; {
			case values == nil:
				fmt.Fprint(&b, " |")
			case unit == "ns/op":
				s := figures.SpreadOf(values)
				digits := 0
				if s.Median < 100 {
					digits = 1
				}
				fmt.Fprintf(&b, " %s |", s.Text(digits))
			default:
				fmt.Fprintf(&b, " %s |", figures.SpreadOf(values).Middle())
			}
		}
		fmt.Fprintln(&b)
	}
	return b.String(), nil
}
