package figures

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Rank is the place of a target among all of them.
type Rank int

// The figures that have targets, in the order in which a reader asks for them.
const (
	ReadAgainstSelect Rank = iota
	WriteAgainstSCS
	ReadAgainstSCS
	HandOffMemory
	HandOffSQL
	HandOffAgainstPolling
	RequestAgainstSCS
	Unused
	BytesPerSession
	ReapPause
	GrowthMemory
	GrowthSQL
	Turns
	HOT
)

// Target is a figure beside what it is to be.
type Target struct {
	Rank    Rank
	What    string
	AtLeast bool // it must reach Want; otherwise it must not exceed it
	Want    float64
	Got     Spread
	Unit    string // of both; empty for ratios
	Digits  int
}

// Met reports whether the figure is what it is to be.
func (t Target) Met() bool {
	if t.AtLeast {
		return t.Got.Median >= t.Want
	}
	return t.Got.Median <= t.Want
}

// TargetTable returns the table of the targets, in their order.
func TargetTable(targets []Target) string {
	sorted := slices.Clone(targets)
	slices.SortStableFunc(sorted, func(a, b Target) int { return cmp.Compare(a.Rank, b.Rank) })
	var b strings.Builder
	fmt.Fprint(&b, "| figure | target | measured (quartiles) | |\n| --- | ---: | ---: | --- |\n")
	for _, t := range sorted {
		sign, word, unit := "≤", "**not met**", ""
		if t.AtLeast {
			sign = "≥"
		}
		if t.Met() {
			word = "met"
		}
		if t.Unit != "" {
			unit = " " + t.Unit
		}
		got := t.Got.Text(t.Digits)
		if t.Got.Low == t.Got.High { // there is only one
			got = fmt.Sprintf("%.*f", t.Digits, t.Got.Median)
		}
		fmt.Fprintf(&b, "| %s | %s %g%s | %s%s | %s |\n", t.What, sign, t.Want, unit, got, unit, word)
	}
	return b.String()
}

// Only is the spread of a single figure.
func Only(figure float64) Spread { return Spread{figure, figure, figure} }
