package figures

import (
	"bytes"
	"cmp"
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Plot is a picture of some series. Its file is docs/plots/NAME.svg.
type Plot struct {
	Name, Title string
	X, Y        string // what the axes are of
	LogX, LogY  bool
	Bars        []string // of each series one bar for each of these, instead of a line
	Series      []Series
}

// Series is a line, or the bars of one colour.
type Series struct {
	Name      string
	X, Y      []float64 // X is not there for bars
	Low, High []float64 // quartiles, if there are any
}

// Add adds a point with its quartiles.
func (s *Series) Add(x float64, y Spread) {
	s.X, s.Y = append(s.X, x), append(s.Y, y.Median)
	s.Low, s.High = append(s.Low, y.Low), append(s.High, y.High)
}

// Share returns which part of figures is not over x, as a line with so many
// points: a distribution's.
func Share(name string, figures []float64, points int) Series {
	sorted := slices.Sorted(slices.Values(figures))
	s := Series{Name: name}
	for i := range points {
		q := float64(i) / float64(points-1)
		s.X, s.Y = append(s.X, quantile(sorted, q)), append(s.Y, 100*q)
	}
	return s
}

// colours can be told apart by those who see fewer of them, too (Okabe and Ito).
var colours = []color.Color{
	color.RGBA{0x00, 0x72, 0xb2, 0xff},
	color.RGBA{0xd5, 0x5e, 0x00, 0xff},
	color.RGBA{0x00, 0x9e, 0x73, 0xff},
	color.RGBA{0xcc, 0x79, 0xa7, 0xff},
	color.RGBA{0xe6, 0x9f, 0x00, 0xff},
	color.RGBA{0x56, 0xb4, 0xe9, 0xff},
	color.RGBA{0x55, 0x55, 0x55, 0xff},
}

// SVG draws the plot. The same plot gives the same bytes.
func (p Plot) SVG() ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("bench: plot %s: %w", p.Name, err)
	}
	drawn := plot.New()
	drawn.BackgroundColor = color.White
	drawn.Title.Text, drawn.X.Label.Text, drawn.Y.Label.Text = p.Title, p.X, p.Y
	drawn.Title.Padding = vg.Points(8)
	for _, f := range []*font.Font{
		&drawn.Title.TextStyle.Font, &drawn.X.Label.TextStyle.Font, &drawn.Y.Label.TextStyle.Font,
		&drawn.X.Tick.Label.Font, &drawn.Y.Tick.Label.Font, &drawn.Legend.TextStyle.Font,
	} {
		f.Variant = "Sans"
	}
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Gray{0xdd}, color.Gray{0xdd}
	if p.Bars != nil {
		grid.Vertical.Width = 0
	}
	drawn.Add(grid)
	add := p.addLines
	if p.Bars != nil {
		add = p.addBars
	}
	if err := add(drawn); err != nil {
		return nil, fmt.Errorf("bench: plot %s: %w", p.Name, err)
	}
	if p.LogX {
		drawn.X.Scale, drawn.X.Tick.Marker = plot.LogScale{}, p.ticks(func(s Series) []float64 { return s.X })
	}
	if p.LogY {
		drawn.Y.Scale, drawn.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	} else {
		drawn.Y.Min = 0
	}
	// The legend stands beside the plot, where it hides nothing.
	const margin = 8
	legend := drawn.Legend
	drawn.Legend = plot.NewLegend()
	legend.Top, legend.Left, legend.Padding = true, true, vg.Points(3)
	beside := vg.Length(0)
	if p.Bars == nil || len(p.Series) > 1 {
		beside = legend.Rectangle(draw.New(vgsvg.New(vg.Inch, vg.Inch))).Size().X + 3*margin
	}
	canvas := vgsvg.New(7*vg.Inch+beside, 4*vg.Inch)
	whole := draw.New(canvas)
	drawn.Draw(draw.Crop(whole, margin, -margin-beside, margin, -margin))
	legend.Draw(draw.Crop(whole, 7*vg.Inch, -margin, margin, -6*margin))
	var b bytes.Buffer
	_, err := canvas.WriteTo(&b)
	return b.Bytes(), err
}

// check finds what the library would panic at, or draw nonsense of.
func (p Plot) check() error {
	if p.Name == "" || len(p.Series) == 0 || len(p.Series) > len(colours) {
		return fmt.Errorf("it has %d series, of which there may be 1 to %d", len(p.Series), len(colours))
	}
	for _, s := range p.Series {
		n := len(s.X)
		if p.Bars != nil {
			n = len(p.Bars)
		}
		if n == 0 || len(s.Y) != n || s.Low != nil && (len(s.Low) != n || len(s.High) != n) {
			return fmt.Errorf("the series %q has %d figures for %d places", s.Name, len(s.Y), n)
		}
		for _, x := range [][]float64{s.X, s.Y, s.Low, s.High} {
			if slices.ContainsFunc(x, func(f float64) bool { return math.IsNaN(f) || math.IsInf(f, 0) }) {
				return fmt.Errorf("the series %q has a figure that is none", s.Name)
			}
		}
		for _, y := range [][]float64{s.Y, s.Low} {
			if p.LogY && len(y) > 0 && slices.Min(y) <= 0 {
				return fmt.Errorf("the series %q has no logarithm", s.Name)
			}
		}
		if p.LogX && len(s.X) > 0 && slices.Min(s.X) <= 0 {
			return fmt.Errorf("the series %q has no logarithm", s.Name)
		}
	}
	return nil
}

// quartiles are the points of a line with its error bars.
type quartiles struct {
	plotter.XYs
	plotter.YErrors
}

func (p Plot) addLines(drawn *plot.Plot) error {
	for i, s := range p.Series {
		points := quartiles{make(plotter.XYs, len(s.Y)), make(plotter.YErrors, len(s.Y))}
		for j := range s.Y {
			points.XYs[j] = plotter.XY{X: s.X[j], Y: s.Y[j]}
			if s.Low != nil {
				points.YErrors[j].Low, points.YErrors[j].High = s.Y[j]-s.Low[j], s.High[j]-s.Y[j]
			}
		}
		line, err := plotter.NewLine(points.XYs)
		if err != nil {
			return err
		}
		line.Color, line.Width = colours[i], vg.Points(1.8)
		line.Dashes = dashes[i%len(dashes)]
		drawn.Add(line)
		drawn.Legend.Add(s.Name, line)
		if s.Low == nil {
			continue
		}
		bars, err := plotter.NewYErrorBars(points)
		if err != nil {
			return err
		}
		bars.Color, bars.Width = colours[i], vg.Points(1)
		dots, err := plotter.NewScatter(points.XYs)
		if err != nil {
			return err
		}
		dots.Color, dots.Shape, dots.Radius = colours[i], draw.CircleGlyph{}, vg.Points(2.5)
		drawn.Add(bars, dots)
	}
	return nil
}

// dashes tell the lines apart without any colour.
var dashes = [][]vg.Length{nil, {vg.Points(6), vg.Points(3)}, {vg.Points(2), vg.Points(2)}}

func (p Plot) addBars(drawn *plot.Plot) error {
	width := vg.Points(min(30, 300/float64(len(p.Bars)*len(p.Series))))
	for i, s := range p.Series {
		bars, err := plotter.NewBarChart(plotter.Values(s.Y), width)
		if err != nil {
			return err
		}
		bars.Color, bars.LineStyle.Width = colours[i], 0
		bars.Offset = width * vg.Length(float64(i)-float64(len(p.Series)-1)/2)
		drawn.Add(bars)
		if len(p.Series) > 1 {
			drawn.Legend.Add(s.Name, bars)
		}
	}
	drawn.NominalX(p.Bars...)
	drawn.X.Min, drawn.X.Max = -0.5, float64(len(p.Bars))-0.5
	return nil
}

// ticks are at the values themselves, if there are few of them.
func (p Plot) ticks(of func(Series) []float64) plot.Ticker {
	var values []float64
	for _, s := range p.Series {
		values = append(values, of(s)...)
	}
	slices.SortFunc(values, cmp.Compare)
	values = slices.Compact(values)
	if len(values) > 8 {
		return plot.LogTicks{Prec: -1}
	}
	ticks := make(plot.ConstantTicks, len(values))
	for i, v := range values {
		ticks[i] = plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'f', -1, 64)}
	}
	return ticks
}
