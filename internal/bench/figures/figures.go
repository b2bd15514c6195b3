// Package figures is what the benchmarks say their figures with: medians with
// quartiles, the machine that they were measured on, targets, and the tables
// and plots of docs/performance.md.
package figures

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
)

// Spread is the median of some figures, and their quartiles.
type Spread struct{ Median, Low, High float64 }

// SpreadOf returns the spread of figures, of which there is at least one.
func SpreadOf(figures []float64) Spread {
	s := slices.Sorted(slices.Values(figures))
	return Spread{quantile(s, 0.5), quantile(s, 0.25), quantile(s, 0.75)}
}

// Quantile returns the q-th part of figures, such as 0.99, of which there is at
// least one.
func Quantile(figures []float64, q float64) float64 {
	return quantile(slices.Sorted(slices.Values(figures)), q)
}

func quantile(sorted []float64, q float64) float64 {
	x := q * float64(len(sorted)-1)
	i := int(x)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (x-float64(i))*(sorted[i+1]-sorted[i])
}

// Text is the median with the quartiles.
func (s Spread) Text(digits int) string {
	return fmt.Sprintf("%.*f (%.*f–%.*f)", digits, s.Median, digits, s.Low, digits, s.High)
}

// Middle is the median as a whole number.
func (s Spread) Middle() string { return fmt.Sprintf("%d", int(math.Round(s.Median))) }

// CPU returns the processor's name, where the system tells it.
func CPU() string {
	const unknown = "a processor of unknown name"
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return unknown
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return unknown
}

// Machine describes the processor, the system and Go.
func Machine() string {
	return fmt.Sprintf("%s, %d processors; %s %s/%s", CPU(), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// LoadAverage returns how busy the machine was in the last 1, 5 and 15 minutes.
func LoadAverage() string {
	data, err := os.ReadFile("/proc/loadavg")
	if fields := strings.Fields(string(data)); err == nil && len(fields) >= 3 {
		return strings.Join(fields[:3], " ")
	}
	return "unknown"
}
