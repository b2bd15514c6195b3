package figures

import (
	"cmp"
	"fmt"
	"math"
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

// Met reports whether the figure, as it is printed, is what it is to be.
func (t Target) Met() bool {
	scale := math.Pow10(t.Digits)
	got := math.Round(t.Got.Median*scale) / scale
	if t.AtLeast {
		return got >= t.Want
	}
	return got <= t.Want
}

// verdict is what becomes of it. What costs nothing or less than nothing was
// not measured: the machine did too much else.
func (t Target) verdict() string {
	switch {
	case t.Got.Median <= 0:
		return "**unknown**: other programs disturbed it"
	case t.Met():
		return "met"
	}
	return "**not met**"
}

// TargetTable returns the table of the targets, in their order.
func TargetTable(targets []Target) string {
	sorted := slices.Clone(targets)
	slices.SortStableFunc(sorted, func(a, b Target) int { return cmp.Compare(a.Rank, b.Rank) })
	var b strings.Builder
	fmt.Fprint(&b, "| figure | target | measured (quartiles) | |\n| --- | ---: | ---: | --- |\n")
	for _, t := range sorted {
		sign, unit := "≤", ""
		if t.AtLeast {
			sign = "≥"
		}
		if t.Unit != "" {
			unit = " " + t.Unit
		}
		got := t.Got.Text(t.Digits)
		if one := fmt.Sprintf("%.*f", t.Digits, t.Got.Median); got == fmt.Sprintf("%s (%[1]s–%[1]s)", one) {
			got = one
		}
		fmt.Fprintf(&b, "| %s | %s %g%s | %s%s | %s |\n", t.What, sign, t.Want, unit, got, unit, t.verdict())
	}
	return b.String()
}

// Only is the spread of a single figure.
func Only(figure float64) Spread { return Spread{figure, figure, figure} }
