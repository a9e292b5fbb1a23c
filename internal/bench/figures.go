//go:build linux

package main

import (
	"math"
	"slices"
	"time"
)

// unknown is a figure that cannot be read here.
const unknown = -1

// figures are what one measurement of one side gave.
type figures struct {
	Events  int     `json:"events"`
	Rate    float64 `json:"per_second"`
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	P999    float64 `json:"p999_ms"`
	CPU     float64 `json:"cpu_us_per_event"`
	Flushes float64 `json:"flushes_per_event"` // unknown where the disk cannot be asked
	Written float64 `json:"disk_bytes_per_event"`
	RSS     float64 `json:"rss_mib"`
	// Start is how long the first answer of the process took, in ms.
	Start float64 `json:"start_ms"`
	// Void says what makes these figures worthless.
	Void string `json:"void,omitempty"`
}

// blank has no figure yet.
func blank() figures {
	return figures{Rate: unknown, P50: unknown, P99: unknown, P999: unknown, CPU: unknown, Flushes: unknown, Written: unknown, RSS: unknown, Start: unknown}
}

// timed are the figures of a sample.
func timed(s sample) figures {
	f := blank()
	f.Events = len(s.times)
	f.Rate = float64(f.Events) / s.took.Seconds()
	f.P50, f.P99, f.P999 = ms(quantile(s.times, 0.5)), ms(quantile(s.times, 0.99)), ms(quantile(s.times, 0.999))
	return f
}

// used adds what n events cost between two readings.
func (f *figures) used(from, to meter, n int) {
	if n == 0 {
		return
	}
	f.CPU = float64((to.use.cpu - from.use.cpu).Microseconds()) / float64(n)
	f.Written = float64(to.use.written-from.use.written) / float64(n)
	f.RSS = float64(to.use.rss) / (1 << 20)
	if from.flushes != unknown && to.flushes != unknown {
		f.Flushes = (to.flushes - from.flushes) / float64(n)
	}
}

// durable refuses figures that the work cannot have: one flush makes at most
// one event of each connection safe, and each event is larger than nothing.
func (f *figures) durable(conns, body int) {
	switch {
	case f.Void != "":
	case f.Flushes != unknown && f.Flushes < 0.95/float64(conns):
		f.Void = "the disk was flushed too seldom for what was answered"
	case f.Written < float64(body):
		f.Void = "fewer bytes went to the disk than were answered for"
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// quantile is the value that a share q of the sorted times does not exceed.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

func median(values []float64) float64 {
	known := slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return v == unknown })
	if len(known) == 0 {
		return unknown
	}
	slices.Sort(known)
	middle := len(known) / 2
	if len(known)%2 == 1 {
		return known[middle]
	}
	return (known[middle-1] + known[middle]) / 2
}

// series is one side of a row: the figures of all its rounds.
type series struct {
	Name    string    `json:"name"`
	Setting string    `json:"setting,omitempty"` // where a row has several
	Rounds  []figures `json:"rounds"`
}

func (s *series) add(f figures) { s.Rounds = append(s.Rounds, f) }

func (s *series) all(of func(figures) float64) (values []float64) {
	for _, f := range s.Rounds {
		values = append(values, of(f))
	}
	return values
}

func (s *series) median(of func(figures) float64) float64 { return median(s.all(of)) }

func (s *series) void() string {
	for _, f := range s.Rounds {
		if f.Void != "" {
			return s.Name + ": " + f.Void
		}
	}
	return ""
}

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
	rss       = metric{"RSS MiB", 0, func(f figures) float64 { return f.RSS }}
	startUp   = metric{"first answer ms", 0, func(f figures) float64 { return f.Start }}
)

// goal is what the comparison should show. The zero value asks nothing.
type goal struct {
	text string
	met  func(c comparison) bool
}

func atLeast(ratio float64, text string) goal {
	return goal{text, func(c comparison) bool { return c.Ratio != unknown && c.Ratio >= ratio }}
}

func atMost(ratio float64, text string) goal {
	return goal{text, func(c comparison) bool { return c.Ratio != unknown && c.Ratio <= ratio }}
}

func below(limit float64, text string) goal {
	return goal{text, func(c comparison) bool { return c.Ours != unknown && c.Ours <= limit }}
}

// comparison sets one figure of ours beside that of the yardstick: the medians
// of the rounds and their ratio, and the least and largest ratio of a round.
type comparison struct {
	What   string  `json:"what"`
	Metric string  `json:"metric"`
	Yard   float64 `json:"yardstick"`
	Ours   float64 `json:"ours"`
	Ratio  float64 `json:"ratio"`
	Least  float64 `json:"least_ratio"`
	Most   float64 `json:"largest_ratio"`
	Goal   string  `json:"goal,omitempty"`
	Met    string  `json:"met,omitempty"` // yes, no or void

	yardName string
	digits   int
}

func compare(what string, m metric, yard, ours *series, g goal) comparison {
	c := comparison{
		What: what, Metric: m.name, Goal: g.text, digits: m.digits, yardName: yard.Name,
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
	switch {
	case yard.void() != "" || ours.void() != "":
		c.Met = "void"
	case g.met == nil:
	case g.met(c):
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
