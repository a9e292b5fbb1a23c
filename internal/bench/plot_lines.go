//go:build linux

package main

import (
	"cmp"
	"slices"
	"strconv"
)

// curve is one side over the numbers of connections.
type curve struct {
	name   string
	points []point
}

// point is a median with the least and the most of its rounds.
type point struct {
	x                  int
	value, least, most float64
}

// plotLines draws curves over connections, each with its name at its end.
func plotLines(title, subtitle, unit string, curves []curve) []byte {
	const w, h, left, right, top, bottom = 760, 420, 70, 180, 94, 366
	d := draw(w, h, title, subtitle)
	var xs []int
	most := 0.
	for _, c := range curves {
		for _, p := range c.points {
			most = max(most, p.most)
			if !slices.Contains(xs, p.x) {
				xs = append(xs, p.x)
			}
		}
	}
	slices.Sort(xs)
	marks := ticks(most)
	x := func(n int) float64 {
		return left + 25 + float64(slices.Index(xs, n))*(w-right-left-40)/float64(max(1, len(xs)-1))
	}
	y := func(v float64) float64 { return bottom - v/marks[len(marks)-1]*(bottom-top) }
	for _, m := range marks {
		d.line(left, y(m), w-right, y(m), "grid", 1)
		d.text(left-8, y(m)+4, "soft", end, number(m, 0))
	}
	d.line(left, bottom, w-right, bottom, "axis", 1)
	for _, n := range xs {
		d.text(x(n), bottom+20, "text", middle, strconv.Itoa(n))
	}
	d.text((left+w-right)/2, bottom+42, "soft", middle, "connections")
	d.text(20, top-20, "soft", begin, unit)
	for _, c := range curves {
		d.curve(c, x, y)
	}
	names(d, curves, w-right+6, y, top, bottom)
	return d.done()
}

func (d *drawing) curve(c curve, x func(int) float64, y func(float64) float64) {
	var path [][2]float64
	for _, p := range c.points {
		path = append(path, [2]float64{x(p.x), y(p.value)})
		d.line(x(p.x), y(p.least), x(p.x), y(p.most), stroke(c.name), 1)
	}
	d.path(path, stroke(c.name))
	for _, p := range path {
		d.dot(p[0], p[1], 3.5, paint(c.name))
	}
}

// names writes each curve's beside its last point, none over another.
func names(d *drawing, curves []curve, x float64, y func(float64) float64, top, bottom float64) {
	last := func(c curve) float64 { return y(c.points[len(c.points)-1].value) }
	sorted := slices.SortedFunc(slices.Values(curves), func(a, b curve) int { return cmp.Compare(last(a), last(b)) })
	var places []float64
	for _, c := range sorted {
		places = append(places, last(c))
	}
	for i, place := range apart(places, 17, top, bottom) {
		d.text(x, place+4, paint(sorted[i].name), begin, sorted[i].name)
	}
}
