//go:build linux

package main

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"
)

// drawing is an SVG file in the making. Its colours are in one style sheet, so
// that a reader's dark page gets a dark plot.
type drawing struct {
	strings.Builder
	w, h float64
}

// The hues: one for each side, the same in every plot.
const style = `
.back{fill:#ffffff}.text{fill:#1f2328}.soft{fill:#59636e}.grid{stroke:#d8dee4}.axis{stroke:#818b98}.goal{stroke:#1f2328}
.f0{fill:#0969da}.s0{stroke:#0969da}.f1{fill:#1b7c83}.s1{stroke:#1b7c83}.f2{fill:#6e7781}.s2{stroke:#6e7781}
.f3{fill:#8250df}.s3{stroke:#8250df}.f4{fill:#cf222e}.s4{stroke:#cf222e}.f5{fill:#e16f24}.s5{stroke:#e16f24}
.f6{fill:#bf8700}.s6{stroke:#bf8700}.f7{fill:#1a7f37}.s7{stroke:#1a7f37}
text{font-family:system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;font-size:12px}
.title{font-size:15px;font-weight:600}
@media (prefers-color-scheme:dark){
.back{fill:#0d1117}.text{fill:#f0f6fc}.soft{fill:#9198a1}.grid{stroke:#2a313c}.axis{stroke:#656c76}.goal{stroke:#f0f6fc}
.f0{fill:#4493f8}.s0{stroke:#4493f8}.f1{fill:#39c5cf}.s1{stroke:#39c5cf}.f2{fill:#9198a1}.s2{stroke:#9198a1}
.f3{fill:#ab7df8}.s3{stroke:#ab7df8}.f4{fill:#f85149}.s4{stroke:#f85149}.f7{fill:#3fb950}.s7{stroke:#3fb950}
}
`

func draw(w, h float64, title, subtitle string) *drawing {
	d := &drawing{w: w, h: h}
	fmt.Fprintf(d, `<svg xmlns="http://www.w3.org/2000/svg" width="%g" height="%g" viewBox="0 0 %g %g" role="img" aria-label="%s">`+"\n<title>%[5]s</title>\n<style>%s</style>\n", w, h, w, h, escape(title), style)
	d.rect(0, 0, w, h, "back")
	d.text(20, 28, "text title", begin, title)
	d.text(20, 47, "soft", begin, subtitle)
	return d
}

func (d *drawing) done() []byte {
	d.WriteString("</svg>\n")
	return []byte(d.String())
}

// Where a text stands beside its point.
const (
	begin  = "start"
	middle = "middle"
	end    = "end"
)

func (d *drawing) text(x, y float64, class, anchor, text string) {
	fmt.Fprintf(d, `<text x="%s" y="%s" class="%s" text-anchor="%s">%s</text>`+"\n", at(x), at(y), class, anchor, escape(text))
}

func (d *drawing) rect(x, y, w, h float64, class string) {
	fmt.Fprintf(d, `<rect x="%s" y="%s" width="%s" height="%s" class="%s"/>`+"\n", at(x), at(y), at(w), at(h), class)
}

func (d *drawing) line(x1, y1, x2, y2 float64, class string, width float64) {
	fmt.Fprintf(d, `<line x1="%s" y1="%s" x2="%s" y2="%s" class="%s" stroke-width="%g"/>`+"\n", at(x1), at(y1), at(x2), at(y2), class, width)
}

func (d *drawing) dot(x, y, r float64, class string) {
	fmt.Fprintf(d, `<circle cx="%s" cy="%s" r="%g" class="%s"/>`+"\n", at(x), at(y), r, class)
}

func (d *drawing) path(points [][2]float64, class string) {
	fmt.Fprintf(d, `<polyline fill="none" stroke-width="2" class="%s" points="`, class)
	for i, p := range points {
		if i > 0 {
			d.WriteByte(' ')
		}
		d.WriteString(at(p[0]) + "," + at(p[1]))
	}
	d.WriteString("\"/>\n")
}

// at writes a place to a tenth of a pixel.
func at(v float64) string { return fmt.Sprintf("%g", math.Round(v*10)/10) }

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // A Builder never fails.
	return b.String()
}

// hue is a side's number in the style sheet.
func hue(name string) int {
	switch name {
	case ourName:
		return 0
	case copiesName:
		return 1
	case bareName:
		return 2
	case proxyName:
		return 3
	case queueName:
		return 4
	case redisName:
		return 5
	case aloneName:
		return 6
	}
	return 2
}

func paint(name string) string  { return fmt.Sprintf("f%d", hue(name)) }
func stroke(name string) string { return fmt.Sprintf("s%d", hue(name)) }

// ticks are round values from 0 to at least most.
func ticks(most float64) (all []float64) {
	if most <= 0 {
		most = 1
	}
	step := math.Pow(10, math.Floor(math.Log10(most)))
	for _, part := range []float64{0.1, 0.2, 0.25, 0.5, 1, 2} {
		if most/(step*part) <= 6 {
			step *= part
			break
		}
	}
	for n := 0; ; n++ {
		all = append(all, float64(n)*step)
		if float64(n)*step >= most {
			return all
		}
	}
}

// apart moves places that are closer than gap, in their order, as little as
// it takes; none leaves low to high, if there is room.
func apart(places []float64, gap, low, high float64) []float64 {
	moved := make([]float64, len(places))
	copy(moved, places)
	for i := range moved {
		moved[i] = max(moved[i], low+float64(i)*gap)
		if i > 0 {
			moved[i] = max(moved[i], moved[i-1]+gap)
		}
	}
	for i := len(moved) - 1; i >= 0; i-- {
		limit := high - float64(len(moved)-1-i)*gap
		moved[i] = min(moved[i], limit)
		if i < len(moved)-1 {
			moved[i] = min(moved[i], moved[i+1]-gap)
		}
	}
	return moved
}
