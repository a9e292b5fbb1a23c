//go:build linux

package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// markdown is the whole report as the terminal shows it.
func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", r.environment())
	b.WriteString("Medians of the rounds, and in brackets the ratios of the worst and the best.\n\n")
	r.comparisons(&b)
	for _, row := range r.Rows {
		fmt.Fprintf(&b, "\nRow %s, %s. Medians of each side (least–most).\n\n", row.Row, row.Title)
		row.sides(&b)
	}
	r.remarks(&b)
	return b.String()
}

func (r *report) environment() string {
	m := r.Machine
	return fmt.Sprintf("%s: %d cores (%s), %s, %s, %s, %s on %s; load before %s; %s; took %s; flags %s",
		m.Date, m.Cores, m.Processor, m.Memory, m.Kernel, m.Go, m.FileSystem, m.Disk, m.LoadBefore, r.Quiet, r.Took, r.Flags)
}

func (r *report) comparisons(b *strings.Builder) {
	line(b, "row", "what", "figure", "yardstick", "is", "ours", "ratio", "goal", "met?")
	line(b, "---", "---", "---", "---", "---:", "---:", "---:", "---", "---")
	for _, row := range r.Rows {
		for _, c := range row.Comparisons {
			line(b, row.Row, c.What, c.Metric, c.Beside, number(c.Yard, c.Digits), number(c.Ours, c.Digits), c.ratioText(), c.Goal, c.Met)
		}
	}
}

// columns of the sides' tables; those that no side of a row knows are left out.
var columns = []metric{perSecond, p50, p99, p999, cpu, serverCPU, syncs, logBytes, flushes, written, rss, startUp, nanos, allocs}

// spread are the columns that show the least and the most of the rounds.
var spread = []string{perSecond.name, p50.name, p99.name, cpu.name, serverCPU.name, startUp.name, nanos.name}

// sides writes a table of each side's medians.
func (row *reportRow) sides(b *strings.Builder) {
	known := slices.DeleteFunc(slices.Clone(columns), func(m metric) bool {
		return !slices.ContainsFunc(row.Series, func(s *series) bool { return s.median(m.of) != unknown })
	})
	head, under := []string{"side", "events"}, []string{"---", "---:"}
	for _, m := range known {
		head, under = append(head, m.name), append(under, "---:")
	}
	line(b, head...)
	line(b, under...)
	for _, s := range row.Series {
		cells := []string{s.label(), number(s.median(func(f figures) float64 { return float64(f.Events) }), 0)}
		for _, m := range known {
			cells = append(cells, s.cell(m))
		}
		line(b, cells...)
	}
}

// cell is the median, and between which values the rounds lay.
func (s *series) cell(m metric) string {
	text := number(s.median(m.of), m.digits)
	least, most := s.bounds(m)
	if len(s.Rounds) < 2 || least == unknown || !slices.Contains(spread, m.name) {
		return text
	}
	return fmt.Sprintf("%s (%s–%s)", text, number(least, m.digits), number(most, m.digits))
}

// bounds are the least and the most of the rounds, or unknown.
func (s *series) bounds(m metric) (least, most float64) {
	least, most = unknown, unknown
	for _, v := range s.all(m.of) {
		if v == unknown {
			continue
		}
		if least == unknown || v < least {
			least = v
		}
		most = max(most, v)
	}
	return least, most
}

// label tells the sides of one row apart.
func (s *series) label() string {
	text := s.Name
	if s.Setting != "" {
		text += ", " + s.Setting
	}
	return text
}

func (r *report) remarks(b *strings.Builder) {
	b.WriteByte('\n')
	for _, row := range r.Rows {
		row.remarks(b, "row "+row.Row)
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(b, "- row %s was not measured: %s\n", s.Row, s.Why)
	}
}

func (row *reportRow) remarks(b *strings.Builder, name string) {
	for _, s := range row.Series {
		if why := s.void(); why != "" {
			fmt.Fprintf(b, "- %s is VOID: %s\n", name, why)
		}
	}
	for _, n := range row.Notes {
		fmt.Fprintf(b, "- %s: %s\n", name, n)
	}
}

func line(b *strings.Builder, cells ...string) {
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}

// number writes a figure, with commas between the thousands.
func number(v float64, digits int) string {
	if v == unknown {
		return "–"
	}
	text := strconv.FormatFloat(v, 'f', digits, 64)
	whole, fraction, _ := strings.Cut(text, ".")
	for at := len(whole) - 3; at > 0 && whole[at-1] != '-'; at -= 3 {
		whole = whole[:at] + "," + whole[at:]
	}
	if fraction == "" {
		return whole
	}
	return whole + "." + fraction
}

func (c comparison) ratioText() string {
	if c.Ratio == unknown {
		return "–"
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", c.Ratio, c.Least, c.Most)
}
