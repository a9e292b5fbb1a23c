//go:build linux

package main

import (
	"fmt"
	"strings"
)

// metric is one figure, and how it is called and written.
type metric struct {
	name   string
	digits int
	of     func(figures) float64
}

var (
	perSecond = metric{"req/s", 0, func(f figures) float64 { return f.Rate }}
	p50       = metric{"p50 ms", 3, func(f figures) float64 { return f.P50 }}
	p99       = metric{"p99 ms", 3, func(f figures) float64 { return f.P99 }}
	p999      = metric{"p99.9 ms", 3, func(f figures) float64 { return f.P999 }}
	cpu       = metric{"CPU µs/event", 1, func(f figures) float64 { return f.CPU }}
	flushes   = metric{"flushes/event", 3, func(f figures) float64 { return f.Flushes }}
	written   = metric{"disk B/event", 0, func(f figures) float64 { return f.Written }}
	serverCPU = metric{"database CPU µs/event", 1, func(f figures) float64 { return f.Database }}
	logBytes  = metric{"WAL B/event", 0, func(f figures) float64 { return f.Log }}
	syncs     = metric{"WAL flushes/event", 3, func(f figures) float64 { return f.Syncs }}
	rss       = metric{"RSS MiB", 0, func(f figures) float64 { return f.RSS }}
	nanos     = metric{"ns/check", 0, func(f figures) float64 { return f.Nanos }}
	allocs    = metric{"allocations/check", 0, func(f figures) float64 { return f.Allocs }}
	startUp   = metric{"first answer ms", 0, func(f figures) float64 { return f.Start }}
)

// goal is what the comparison should show. The zero value asks nothing.
type goal struct {
	text string
	// reach is 1 where the goal is just met, and more where it is surpassed.
	reach func(c comparison) float64
	// share says that it speaks of the ratio, and not of our figure alone.
	share bool
}

func atLeast(share float64, text string) goal {
	return goal{text, func(c comparison) float64 { return ratio(c.Ratio, share) }, true}
}

func atMost(times float64, text string) goal {
	return goal{text, func(c comparison) float64 { return ratio(times, c.Ratio) }, true}
}

func below(limit float64, text string) goal {
	return goal{text, func(c comparison) float64 { return ratio(limit, c.Ours) }, false}
}

func above(limit float64, text string) goal {
	return goal{text, func(c comparison) float64 { return ratio(c.Ours, limit) }, false}
}

// none wants a figure to be nought.
func none(text string) goal {
	return goal{text, func(c comparison) float64 {
		if c.Ours == 0 {
			return 1
		}
		return 0
	}, false}
}

// comparison sets one figure of ours beside that of the yardstick: the medians
// of the rounds and their ratio, and the least and largest ratio of a round.
type comparison struct {
	What   string  `json:"what"`
	Brief  string  `json:"brief,omitempty"` // What in a word or two, where the row's is too little
	Metric string  `json:"metric"`
	Digits int     `json:"digits"`
	Beside string  `json:"beside,omitempty"` // the yardstick's name
	Yard   float64 `json:"yardstick"`
	Ours   float64 `json:"ours"`
	Ratio  float64 `json:"ratio"`
	Least  float64 `json:"least_ratio"`
	Most   float64 `json:"largest_ratio"`
	Goal   string  `json:"goal,omitempty"`
	Share  bool    `json:"goal_is_of_ratio,omitempty"`
	Reach  float64 `json:"reach,omitempty"`
	Met    string  `json:"met,omitempty"` // yes, no or void
}

func compare(what string, m metric, yard, ours *series, g goal) comparison {
	c := comparison{
		What: what, Metric: m.name, Digits: m.digits, Beside: yard.Name, Goal: g.text, Share: g.share,
		Yard: yard.median(m.of), Ours: ours.median(m.of), Ratio: unknown, Least: unknown, Most: unknown,
	}
	c.Ratio = ratio(c.Ours, c.Yard)
	for i := range min(len(yard.Rounds), len(ours.Rounds)) {
		r := ratio(m.of(ours.Rounds[i]), m.of(yard.Rounds[i]))
		if r == unknown {
			continue
		}
		if c.Least == unknown || r < c.Least {
			c.Least = r
		}
		c.Most = max(c.Most, r)
	}
	if g.reach != nil {
		c.Reach = max(0, g.reach(c))
	}
	switch {
	case yard.void() != "" || ours.void() != "":
		c.Met = "void"
	case g.reach == nil:
	case c.Reach >= 1:
		c.Met = "yes"
	default:
		c.Met = "no"
	}
	return c
}

func ratio(ours, yard float64) float64 {
	if ours == unknown || yard == unknown || yard == 0 {
		return unknown
	}
	return ours / yard
}

// verdict is what stands against the goal: our share of the yardstick, or our
// figure.
func (c comparison) verdict() string {
	switch unit := c.Metric[strings.LastIndexByte(c.Metric, ' ')+1:]; {
	case !c.Share:
		return number(c.Ours, c.Digits) + " " + unit
	case c.Ratio == unknown:
		return "–"
	case strings.Contains(c.Goal, "%"):
		return fmt.Sprintf("%.0f %%", 100*c.Ratio)
	default:
		return fmt.Sprintf("%.2f×", c.Ratio)
	}
}
