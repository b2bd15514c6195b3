package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/sessionstate/sessionstate/internal/bench/figures"
)

// embedded finds the pictures of a document.
var embedded = regexp.MustCompile(`\]\(plots/([^)]*)\.svg\)`)

// write writes the page and its pictures, or nothing if something is not as it
// should be.
func write(docs string, reports []*figures.Report) error {
	file := filepath.Join(docs, "performance.md")
	before, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	after, pictures, err := page(string(before), reports)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	folder := filepath.Join(docs, "plots")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, svg := range pictures {
		if err := os.WriteFile(filepath.Join(folder, name+".svg"), svg, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(file, []byte(after), 0o644)
}

// page returns the document with what was measured, and its pictures by their
// names. The document shows each of them, and no other.
func page(document string, reports []*figures.Report) (string, map[string][]byte, error) {
	blocks := []*figures.Block{{Name: "targets"}, {Name: "machine", Text: machine(reports)}}
	var targets []figures.Target
	pictures := make(map[string][]byte)
	var errs []error
	for _, r := range reports {
		blocks, targets = append(blocks, r.Blocks...), append(targets, r.Targets...)
		for _, p := range r.Plots {
			svg, err := p.SVG()
			errs = append(errs, err)
			pictures[p.Name] = svg
			if !strings.Contains(document, "](plots/"+p.Name+".svg)") {
				errs = append(errs, fmt.Errorf("it does not show plots/%s.svg", p.Name))
			}
		}
	}
	for _, m := range embedded.FindAllStringSubmatch(document, -1) {
		if _, ok := pictures[m[1]]; !ok {
			errs = append(errs, fmt.Errorf("nothing draws plots/%s.svg, which it shows", m[1]))
		}
	}
	blocks[0].Text = figures.TargetTable(targets)
	after, err := figures.Replace(document, blocks)
	return after, pictures, errors.Join(append(errs, err)...)
}

// machine says where and how everything was measured.
func machine(reports []*figures.Report) string {
	var b strings.Builder
	fmt.Fprint(&b, "| part | measured | machine | how | load average: before | after | took |\n| --- | --- | --- | --- | --- | --- | ---: |\n")
	for _, r := range reports {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %v |\n", r.Command, r.Began.Format("2006-01-02"), r.Machine, r.Setting, r.Load[0], r.Load[1], r.Took)
	}
	return b.String()
}
