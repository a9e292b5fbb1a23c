//go:build linux

package main

import (
	"cmp"
	"fmt"
	"slices"
)

// plot is a file beside the page.
type plot struct {
	file, about string
	svg         []byte
}

// plots are those that the rows of this run allow.
func (r *report) plots() (all []plot) {
	if bars := goalBars(r); len(bars) > 0 {
		all = append(all, plot{"goals.svg", "How far each goal is reached", plotBars(
			"How far each goal is reached", "share of the goal: at the line it is just met, beyond it surpassed; bars are cut at three times the goal", bars, 1, 3)})
	}
	if m := r.row("m"); m != nil {
		for _, size := range m.sizes() {
			title := fmt.Sprintf("Requests per second by connections, bodies of %s bytes", number(float64(size), 0))
			all = append(all, plot{fmt.Sprintf("requests-%d.svg", size), title, plotLines(
				title, "closed loop, the server on one core; medians of the rounds, thin lines from the least to the most", perSecond.name, m.curves(size, perSecond))})
		}
	}
	if s := r.stretches(); len(s) > 0 {
		title := "Time to the answer"
		all = append(all, plot{"latency.svg", title, plotRange(title, "first dot the median, second dot p99, stroke p99.9", s)})
	}
	if bars := r.costs(); len(bars) > 0 {
		title := "CPU per event"
		all = append(all, plot{"cpu.svg", title, plotBars(title, "microseconds of the server's processes, kernel included; thin lines from the least to the most round", bars, 0, 0)})
	}
	return all
}

func (row *reportRow) sizes() (all []int) {
	for _, s := range row.Series {
		if !slices.Contains(all, s.Body) {
			all = append(all, s.Body)
		}
	}
	return all
}

// curves are the sides with bodies of one size.
func (row *reportRow) curves(size int, m metric) (all []curve) {
	for _, s := range row.Series {
		if s.Body != size || s.median(m.of) == unknown {
			continue
		}
		i := slices.IndexFunc(all, func(c curve) bool { return c.name == s.Name })
		if i < 0 {
			i, all = len(all), append(all, curve{name: s.Name})
		}
		least, most := s.bounds(m)
		all[i].points = append(all[i].points, point{s.Conns, s.median(m.of), least, most})
	}
	for _, c := range all {
		slices.SortFunc(c.points, func(a, b point) int { return cmp.Compare(a.x, b.x) })
	}
	return all
}

// stretches are the times of the rows that speak of them.
func (r *report) stretches() (all []stretch) {
	for _, g := range []struct{ row, head string }{
		{"3", "at a fixed rate, two cores"},
		{"1", "64 connections, one core"},
		{"2", "the same, beside Express"},
		{"4", "one connection"},
	} {
		row := r.row(g.row)
		if row == nil {
			continue
		}
		if g.row == "3" {
			g.head = fmt.Sprintf("%s/s, two cores", number(float64(row.Series[0].Rate), 0))
		}
		all = append(all, stretch{label: g.head, head: true})
		for _, s := range row.Series {
			if s.median(p50.of) > 0 {
				all = append(all, stretch{label: s.Name, name: s.Name, times: [3]float64{s.median(p50.of), s.median(p99.of), s.median(p999.of)}})
			}
		}
	}
	return all
}

// costs are what an event costs each side.
func (r *report) costs() (all []bar) {
	for _, g := range []struct{ row, head string }{
		{"1", "a new event answered"},
		{"5", "a duplicate answered"},
		{"2", "a new event, beside Express"},
		{"6", "delivered to an app as well"},
	} {
		row := r.row(g.row)
		if row == nil {
			continue
		}
		all = append(all, bar{label: g.head, head: true})
		for _, s := range row.Series {
			if s.median(cpu.of) != unknown {
				all = append(all, barOf(s.label(), s, cpu))
			}
		}
	}
	return all
}
