package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/sessionstate/sessionstate/internal/bench/figures"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const module = "github.com/sessionstate/sessionstate/"

// part is a program that measures.
type part struct {
	name, program string   // its package; none for the benchmarks of core
	few           []string // its flags for a try
}

var parts = []part{
	{name: "core", few: []string{"-benchtime=5ms", "-count=2"}},
	{"memory", module + "internal/bench/memory", []string{
		"-rounds=2", "-time=20ms", "-sessions=1024", "-hand-offs=50", "-polls=8", "-many=10000", "-beside=2000",
	}},
	{"peers", module + "internal/bench", []string{"-rounds=3", "-time=2ms"}},
	{"sql", module + "internal/bench/sql", []string{
		"-rounds=2", "-time=40ms", "-sessions=1024", "-many=10000", "-turns=1s", "-cycles=8000",
	}},
}

// run does what the program does.
func run(ctx context.Context, args []string, progress io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(progress)
	only := flags.String("only", "", "measure only parts that match this `regexp`: core, memory, peers, sql; of the others what they measured last is taken")
	docs := flags.String("docs", "docs", "the `folder` of performance.md and plots")
	out := flags.String("out", filepath.Join("bin", "figures"), "the `folder` for what was measured")
	quick := flags.Bool("quick", false, "measure everything for a moment only, to try the program")
	limit := flags.Duration("limit", 15*time.Minute, "how `long` a part may take before it is ended")
	if err := flags.Parse(args); err != nil {
		return err
	}
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("bench: -only: %w", err)
	}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return err
	}
	var reports []*figures.Report
	for _, p := range parts {
		file := filepath.Join(*out, p.name+".json")
		if wanted.MatchString(p.name) {
			fmt.Fprintf(progress, "== %s\n", p.name)
			begun := time.Now()
			if err := p.measure(ctx, file, *quick, *limit, progress); err != nil {
				return fmt.Errorf("bench: %s: %w", p.name, err)
			}
			fmt.Fprintf(progress, "== %s took %v\n", p.name, time.Since(begun).Round(time.Second))
		}
		r, err := figures.ReadReport(file)
		if errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("bench: %s was never measured here: leave -only away, or let it match %[1]s", p.name)
		}
		if err != nil {
			return err
		}
		reports = append(reports, r)
	}
	if err := write(*docs, reports); err != nil {
		return fmt.Errorf("bench: what was measured is in %s, but: %w", *out, err)
	}
	fmt.Fprintf(progress, "== %s is written\n", filepath.Join(*docs, "performance.md"))
	return nil
}

// measure runs the part, which leaves its report in a file.
func (p part) measure(ctx context.Context, file string, quick bool, limit time.Duration, progress io.Writer) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var few []string
	if quick {
		few = p.few
	}
	folder, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if p.program == "" {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return measureCore(ctx, file, few, progress)
	}
	// Built first: `go run` would not pass on that it is to end.
	program := filepath.Join(folder, p.name)
	build := exec.CommandContext(ctx, "go", "build", "-o", program, p.program)
	build.Stderr = progress
	if err := build.Run(); err != nil {
		return fmt.Errorf("go build %s: %w", p.program, err)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append(few, "-report="+file)...)
	cmd.Stderr = progress
	// It has servers to stop before it ends.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	if err := cmd.Run(); err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	return nil
}
