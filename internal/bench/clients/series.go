package clients

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/sessionstate/sessionstate/internal/bench/figures"
)

// Series is what one contender did in the rounds of a comparison.
type Series struct {
	Name   string
	Do     Operation
	Rounds []Outcome
}

// Spread is that of a figure over the rounds.
func (s *Series) Spread(figure func(Outcome) float64) figures.Spread {
	all := make([]float64, len(s.Rounds))
	for i, o := range s.Rounds {
		all[i] = figure(o)
	}
	return figures.SpreadOf(all)
}

// Ratio is a figure of s as a part of another's, round by round.
func (s *Series) Ratio(other *Series, figure func(Outcome) float64) figures.Spread {
	all := make([]float64, len(s.Rounds))
	for i, o := range s.Rounds {
		all[i] = figure(o) / figure(other.Rounds[i])
	}
	return figures.SpreadOf(all)
}

// Throughput is how many operations there were in a second.
func Throughput(o Outcome) float64 { return o.Rate }

// Processor is the processor time of one operation.
func Processor(o Outcome) float64 { return o.Client + o.Server }

// Middle is the median of what an operation took.
func Middle(o Outcome) float64 { return o.P50 }

// Plan says for how long to measure.
type Plan struct {
	Rounds   int
	Long     time.Duration // of each contender, in each round
	Sessions int
}

// Measure makes the rounds, in each of which all take turns in an order that
// changes, so that a busy machine is unfair to all of them.
func (p Plan) Measure(ctx context.Context, cpu Meter, clients int, what string, all []*Series) error {
	for range p.Rounds {
		for _, i := range rand.Perm(len(all)) {
			s := all[i]
			var o Outcome
			var err error
			// In a profile each has its name.
			pprof.Do(ctx, pprof.Labels("contender", s.Name, "what", what), func(ctx context.Context) {
				o, err = Load(ctx, cpu, clients, p.Sessions, p.Long, s.Do)
			})
			if err != nil {
				return fmt.Errorf("%s: %s: %w", what, s.Name, err)
			}
			s.Rounds = append(s.Rounds, o)
		}
	}
	return nil
}

// ByClients collects the same comparison at several numbers of clients.
type ByClients struct {
	Name, Title string
	numbers     []int
	at          [][]*Series
}

// Add adds what was measured with so many clients.
func (b *ByClients) Add(clients int, all []*Series) {
	b.numbers, b.at = append(b.numbers, clients), append(b.at, all)
	// The order in which it is read, not the one in which it was measured.
	for i := len(b.numbers) - 1; i > 0 && b.numbers[i] < b.numbers[i-1]; i-- {
		b.numbers[i], b.numbers[i-1] = b.numbers[i-1], b.numbers[i]
		b.at[i], b.at[i-1] = b.at[i-1], b.at[i]
	}
}

// Empty says that nothing was measured.
func (b *ByClients) Empty() bool { return len(b.at) == 0 }

// Table has a line for each contender, and one for each ratio of the first one
// to another.
func (b *ByClients) Table() string {
	var t strings.Builder
	fmt.Fprintf(&t, "| %s, requests per second (quartiles) |", b.Title)
	for _, n := range b.numbers {
		fmt.Fprintf(&t, " clients: %d |", n)
	}
	fmt.Fprintf(&t, "\n| --- |%s\n", strings.Repeat(" ---: |", len(b.numbers)))
	ours := b.at[0][0].Name
	for i, s := range b.at[0] {
		fmt.Fprintf(&t, "| %s |", s.Name)
		for _, all := range b.at {
			fmt.Fprintf(&t, " %s |", all[i].Spread(Throughput).Text(0))
		}
		fmt.Fprintln(&t)
	}
	for i, s := range b.at[0][1:] {
		fmt.Fprintf(&t, "| %s / %s |", ours, s.Name)
		for _, all := range b.at {
			fmt.Fprintf(&t, " %s |", all[0].Ratio(all[1+i], Throughput).Text(2))
		}
		fmt.Fprintln(&t)
	}
	return t.String()
}

// Plot is the picture of it.
func (b *ByClients) Plot() figures.Plot {
	p := figures.Plot{Name: b.Name, Title: b.Title, X: "clients", Y: "requests per second", LogX: true, LogY: true}
	for i, s := range b.at[0] {
		line := figures.Series{Name: s.Name}
		for j, all := range b.at {
			line.Add(float64(b.numbers[j]), all[i].Spread(Throughput))
		}
		p.Series = append(p.Series, line)
	}
	return p
}
