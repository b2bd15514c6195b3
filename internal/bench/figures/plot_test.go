package figures

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

// svgText returns all text of an SVG, after proof that it is one.
func svgText(t *testing.T, svg []byte) string {
	t.Helper()
	var text strings.Builder
	root := ""
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("it is no XML: %v\n%.300s", err, svg)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if root == "" {
				root = token.Name.Space + " " + token.Name.Local
			}
		case xml.CharData:
			text.Write(token)
			text.WriteByte('\n')
		}
	}
	if root != "http://www.w3.org/2000/svg svg" {
		t.Errorf("the root is %q", root)
	}
	return text.String()
}

func linePlot() Plot {
	a, b := Series{Name: "first series"}, Share("second series", []float64{1, 2, 3, 64}, 9)
	for _, x := range []float64{1, 4, 16, 64} {
		a.Add(x, Spread{100 * x, 90 * x, 120 * x})
	}
	return Plot{Name: "lines", Title: "A title", X: "clients", Y: "per second", LogX: true, Series: []Series{a, b}}
}

func barPlot() Plot {
	return Plot{Name: "bars", Title: "Another title", Y: "bytes", Bars: []string{"one place", "two places"}, Series: []Series{
		{Name: "first series", Y: []float64{1, 2}}, {Name: "second series", Y: []float64{3, 0}},
	}}
}

// TestPlotsSayWhatTheyShow: a plot is SVG in which the axes, the title and each
// series are named, and which does not differ from one time to the next.
func TestPlotsSayWhatTheyShow(t *testing.T) {
	for _, p := range []Plot{linePlot(), barPlot()} {
		t.Run(p.Name, func(t *testing.T) {
			svg, err := p.SVG()
			if err != nil {
				t.Fatal(err)
			}
			again, err := p.SVG()
			if err != nil || !bytes.Equal(svg, again) {
				t.Error("the second time it is another picture", err)
			}
			text := svgText(t, svg)
			for _, want := range append([]string{p.Title, p.X, p.Y, p.Series[0].Name, p.Series[1].Name}, p.Bars...) {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in it:\n%s", want, text)
				}
			}
			fewer := p
			fewer.Series = p.Series[:1]
			if less, err := fewer.SVG(); err != nil || len(less) >= len(svg) {
				t.Error("a series more draws nothing more", err)
			}
		})
	}
}

// TestPlotsThatCannotBe: what the library would panic at is an error.
func TestPlotsThatCannotBe(t *testing.T) {
	for name, spoil := range map[string]func(*Plot){
		"no series":           func(p *Plot) { p.Series = nil },
		"no name":             func(p *Plot) { p.Name = "" },
		"no points":           func(p *Plot) { p.Series[1] = Series{} },
		"a figure too few":    func(p *Plot) { p.Series[0].Y = p.Series[0].Y[1:] },
		"a quartile too few":  func(p *Plot) { p.Series[0].High = p.Series[0].High[1:] },
		"not a number":        func(p *Plot) { p.Series[0].Y[1] = math.NaN() },
		"endless":             func(p *Plot) { p.Series[0].High[1] = math.Inf(1) },
		"logarithm of zero":   func(p *Plot) { p.Series[0].X[0] = 0 },
		"logarithm of zero Y": func(p *Plot) { p.LogY, p.Series[0].Low[0] = true, 0 },
	} {
		p := linePlot()
		spoil(&p)
		if svg, err := p.SVG(); err == nil {
			t.Errorf("%s: it was drawn: %.100s", name, svg)
		}
	}
}
