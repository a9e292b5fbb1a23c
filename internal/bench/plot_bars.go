//go:build linux

package main

import (
	"cmp"
	"fmt"
)

// bar is one line of a plot of bars.
type bar struct {
	label, text string // before the bar and behind it
	class       string
	value       float64
	least, most float64 // of the rounds, unknown for none
	head        bool    // a heading without a bar
}

// plotBars draws lying bars from 0. A line stands at goal, if that is above 0,
// and longest bounds the scale, if that is above 0: what is longer is cut.
func plotBars(title, subtitle string, bars []bar, goal, longest float64) []byte {
	const w, left, right, top, step = 760, 290, 180, 78, 27
	h := top + float64(len(bars))*step + 18
	d := draw(w, h, title, subtitle)
	most := goal
	for _, b := range bars {
		most = max(most, b.value, b.most)
	}
	if longest > 0 {
		most = min(most, longest)
	}
	x := func(v float64) float64 { return left + min(v, most)/most*(w-right-left) }
	for i, b := range bars {
		y := top + float64(i)*step
		if b.head {
			d.text(20, y+17, "soft", begin, b.label)
			continue
		}
		d.text(left-10, y+15, "text", end, b.label)
		d.rect(left, y+3, max(1, x(b.value)-left), step-11, b.class)
		tip := x(b.value)
		if b.most > 0 && b.most <= most {
			d.line(x(b.least), y+11, x(b.most), y+11, "axis", 1.5)
			tip = max(tip, x(b.most))
		}
		if b.value > most {
			d.text(tip-14, y+16, "back", middle, "»")
		}
		if goal > 0 {
			tip = max(tip, x(goal))
		}
		d.text(tip+8, y+15, "text", begin, b.text)
	}
	d.line(left, top-4, left, h-18, "axis", 1)
	if goal > 0 {
		d.line(x(goal), top-8, x(goal), h-18, "goal", 1.5)
		d.text(x(goal), top-12, "text", middle, "goal")
	}
	return d.done()
}

func barOf(label string, s *series, m metric) bar {
	least, most := s.bounds(m)
	v := s.median(m.of)
	return bar{label: label, text: number(v, m.digits), class: paint(s.Name), value: v, least: least, most: most}
}

// goalBars are the goals, as shares of what was wanted.
func goalBars(r *report) (bars []bar) {
	for _, row := range r.Rows {
		for _, c := range row.Comparisons {
			if c.Goal == "" {
				continue
			}
			class := "f7"
			if c.Met != "yes" {
				class = "f4"
			}
			bars = append(bars, bar{
				label: cmp.Or(c.Brief, row.Brief) + ": " + c.Metric, class: class, value: c.Reach, least: unknown, most: unknown,
				text: fmt.Sprintf("%s; %s", c.verdict(), c.Goal),
			})
		}
	}
	return bars
}
