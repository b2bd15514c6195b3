package figures

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"
)

// Report is what one of the programs has measured, for the one that makes
// docs/performance.md of it.
type Report struct {
	Part    string    // which of the programs
	Command string    // that measures the same again
	Setting string    // how it was measured: how many rounds, with which server
	Machine string    // as Machine describes it
	Load    [2]string // LoadAverage at the beginning and at the end
	Began   time.Time
	Took    time.Duration
	Blocks  []*Block
	Targets []Target
	Plots   []Plot
}

// Block is a piece of Markdown that has a name in docs/performance.md.
type Block struct{ Name, Text string }

// Write adds to the block.
func (b *Block) Write(p []byte) (int, error) {
	b.Text += string(p)
	return len(p), nil
}

// Begin returns the report of a program that begins to measure.
func Begin(part, command, setting string) *Report {
	return &Report{
		Part: part, Command: command, Setting: setting,
		Machine: Machine(), Load: [2]string{LoadAverage()}, Began: time.Now().UTC(),
	}
}

// Block returns the block of that name, to write into, which is made if there
// is none.
func (r *Report) Block(name string) *Block {
	for _, b := range r.Blocks {
		if b.Name == name {
			return b
		}
	}
	b := &Block{Name: name}
	r.Blocks = append(r.Blocks, b)
	return b
}

// Target notes a figure beside its target.
func (r *Report) Target(t Target) { r.Targets = append(r.Targets, t) }

// Plot notes a picture.
func (r *Report) Plot(p Plot) { r.Plots = append(r.Plots, p) }

// End notes when all was measured, prints everything, and writes the report to
// a file if that has a name.
func (r *Report) End(w io.Writer, file string) error {
	r.Load[1], r.Took = LoadAverage(), time.Since(r.Began).Round(time.Second)
	r.print(w)
	if file == "" {
		return nil
	}
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return fmt.Errorf("bench: the report: %w", err)
	}
	return os.WriteFile(file, append(data, '\n'), 0o644)
}

func (r *Report) print(w io.Writer) {
	fmt.Fprintf(w, "%s; %s; load average %s, at the end %s.\n", r.Machine, r.Setting, r.Load[0], r.Load[1])
	for _, b := range r.Blocks {
		fmt.Fprintf(w, "\n## %s\n\n%s", b.Name, b.Text)
	}
	if len(r.Targets) > 0 {
		fmt.Fprintf(w, "\n## targets\n\n%s", TargetTable(r.Targets))
	}
}

// ReadReport reads what End has written.
func ReadReport(file string) (*Report, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := new(Report)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("bench: %s: %w", file, err)
	}
	return r, nil
}
