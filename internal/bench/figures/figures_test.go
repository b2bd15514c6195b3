package figures

import (
	"math"
	"testing"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		figures []float64
		want    Spread
	}{
		{[]float64{5}, Spread{5, 5, 5}},
		{[]float64{4, 1, 3, 2, 5}, Spread{3, 2, 4}},
		{[]float64{2, 1}, Spread{1.5, 1.25, 1.75}},
	} {
		got := SpreadOf(c.figures)
		for _, d := range []float64{got.Median - c.want.Median, got.Low - c.want.Low, got.High - c.want.High} {
			if math.Abs(d) > 1e-9 {
				t.Errorf("%v: got %v, want %v", c.figures, got, c.want)
				break
			}
		}
	}
}
