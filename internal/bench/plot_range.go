//go:build linux

package main

import (
	"fmt"
	"math"
)

// stretch is one side's times: median, the 99th and the 99.9th of a hundred.
type stretch struct {
	label, name string
	head        bool
	times       [3]float64 // ms
}

// plotRange draws stretches on a logarithmic axis.
func plotRange(title, subtitle string, all []stretch) []byte {
	const w, left, right, top, step = 760, 250, 40, 84, 27
	bottom := top + float64(len(all))*step
	d := draw(w, bottom+48, title, subtitle)
	low, high := math.Inf(1), math.Inf(-1)
	for _, s := range all {
		if !s.head {
			low, high = min(low, s.times[0]), max(high, s.times[2])
		}
	}
	from, to := math.Floor(math.Log10(low)), math.Ceil(math.Log10(high))
	x := func(ms float64) float64 { return left + (math.Log10(ms)-from)/(to-from)*(w-right-left) }
	for e := from; e <= to; e++ {
		for _, part := range []float64{1, 2, 5} {
			v := part * math.Pow(10, e)
			if x(v) > w-right+1 {
				break
			}
			d.line(x(v), top-6, x(v), bottom, "grid", 1)
			d.text(x(v), bottom+18, "soft", middle, fmt.Sprintf("%g", math.Round(v*1000)/1000))
		}
	}
	d.text((left+w-right)/2, bottom+38, "soft", middle, "milliseconds, logarithmic")
	for i, s := range all {
		y := top + float64(i)*step + 10
		if s.head {
			d.text(20, y+6, "soft", begin, s.label)
			continue
		}
		d.text(left-12, y+4, "text", end, s.label)
		d.line(x(s.times[0]), y, x(s.times[1]), y, stroke(s.name), 4)
		d.line(x(s.times[1]), y, x(s.times[2]), y, stroke(s.name), 1.5)
		d.dot(x(s.times[0]), y, 5.5, paint(s.name))
		d.dot(x(s.times[1]), y, 5.5, paint(s.name))
		d.line(x(s.times[2]), y-6, x(s.times[2]), y+6, stroke(s.name), 2)
	}
	return d.done()
}
