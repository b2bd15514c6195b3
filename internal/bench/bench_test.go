package main

import (
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sessionstate/sessionstate/internal/bench/figures"
)

// TestContendersDoTheSameWork: what is compared reads and writes a session that
// is its client's, and goes on to while it is measured.
func TestContendersDoTheSameWork(t *testing.T) {
	for _, f := range frameworks() {
		for _, c := range append([]contender{f.ours}, f.peers...) {
			t.Run(f.name+"/"+c.name, func(t *testing.T) {
				e, err := enter(c)
				if err != nil {
					t.Fatal(err)
				}
				do := e.prepare(request{path: step, cookie: true})
				for range 10 {
					do()
				}
				if err := e.leave(10); err != nil {
					t.Error(err)
				}
			})
		}
		t.Run(f.name+"/bare", func(t *testing.T) {
			app := f.bare()
			app.prepare(nothing, "")()
			if err := sound(app, new(seen)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestVerifyFindsWhoDoesNothing: a contender that forgets, that answers every
// client alike, or that fails is found out.
func TestVerifyFindsWhoDoesNothing(t *testing.T) {
	honest := chiFramework().ours
	for name, spoil := range map[string]func(path string, see *seen){
		"forgets":     func(_ string, see *seen) { see.n = 0 },
		"never grows": func(_ string, see *seen) { see.n = min(see.n, 1) },
		"has no text": func(_ string, see *seen) { see.text = "" },
		"counts for strangers": func(path string, see *seen) {
			if path == step && see.n == 0 {
				see.n = 7
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			see := new(seen)
			app, closer, err := honest.open(see)
			if err != nil {
				t.Fatal(err)
			}
			defer closer()
			if verify(honest, &spoiled{app, see, spoil}, see) == nil {
				t.Error("it was not found out")
			}
		})
	}
}

type spoiled struct {
	client
	see   *seen
	spoil func(path string, see *seen)
}

func (s *spoiled) prepare(path, cookies string) func() {
	do := s.client.prepare(path, cookies)
	return func() { do(); s.spoil(path, s.see) }
}

// TestTable: the whole comparison runs, and each line has all its columns.
func TestTable(t *testing.T) {
	var b strings.Builder
	file := filepath.Join(t.TempDir(), "peers.json")
	if err := run(&b, io.Discard, 3, 100*time.Microsecond, "", file); err != nil {
		t.Fatal(err)
	}
	r, err := figures.ReadReport(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Blocks) != 2 || len(r.Plots) != 4 || len(r.Targets) != 4*4+2*2 {
		t.Errorf("%d blocks, %d plots, %d targets", len(r.Blocks), len(r.Plots), len(r.Targets))
	}
	for _, p := range r.Plots {
		if _, err := p.SVG(); err != nil {
			t.Error(err)
		}
	}
	b.Reset()
	for _, block := range r.Blocks {
		b.WriteString(block.Text)
	}
	rows := 0
	for line := range strings.Lines(b.String()) {
		if strings.HasPrefix(line, "|") {
			rows++
			if n := strings.Count(line, "|"); n != 11 {
				t.Errorf("%d bars in %q", n, line)
			}
		}
	}
	want := 0
	for _, f := range frameworks() {
		want += 2 + len(requests)*(2+len(f.peers))
	}
	if rows != want {
		t.Errorf("%d rows, want %d:\n%s", rows, want, b.String())
	}
	if err := run(&b, io.Discard, 1, time.Microsecond, "martini", ""); err == nil {
		t.Error("a framework that is not there was measured")
	}
}

// Benchmark is for a profile of one contender: `make bench-peers` compares.
func Benchmark(b *testing.B) {
	for _, f := range frameworks() {
		for _, r := range requests {
			b.Run(f.name+"/"+r.name+"/bare", func(b *testing.B) {
				do := f.bare().prepare(nothing, "")
				b.ReportAllocs()
				for b.Loop() {
					do()
				}
			})
			for _, c := range append([]contender{f.ours}, f.peers...) {
				b.Run(f.name+"/"+r.name+"/"+c.name, func(b *testing.B) {
					e, err := enter(c)
					if err != nil {
						b.Fatal(err)
					}
					do := e.prepare(r)
					b.ReportAllocs()
					for b.Loop() {
						do()
					}
					writes := 0
					if r.path == step {
						writes = b.N
					}
					if err := e.leave(writes); err != nil {
						b.Error(err)
					}
				})
			}
		}
	}
}
