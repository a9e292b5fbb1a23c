//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// outcome is what one row gave.
type outcome struct {
	Comparisons []comparison `json:"comparisons"`
	Series      []*series    `json:"series"`
	Notes       []string     `json:"notes,omitempty"`
}

func (o *outcome) note(format string, args ...any) {
	o.Notes = append(o.Notes, fmt.Sprintf(format, args...))
}

// join adds what another measurement of the same row gave.
func (o *outcome) join(other outcome) {
	o.Comparisons = append(o.Comparisons, other.Comparisons...)
	o.Series = append(o.Series, other.Series...)
	o.Notes = append(o.Notes, other.Notes...)
}

// report is the whole run.
type report struct {
	Environment string       `json:"environment"`
	Options     string       `json:"options"`
	Rows        []reportRow  `json:"rows"`
	Skipped     []skippedRow `json:"skipped,omitempty"`
}

type reportRow struct {
	Row string `json:"row"`
	outcome
}

type skippedRow struct {
	Row string `json:"row"`
	Why string `json:"why"`
}

func (r *report) skip(row, why string) { r.Skipped = append(r.Skipped, skippedRow{row, why}) }

func (r *report) add(row string, o outcome) {
	if len(o.Series) > 0 {
		r.Rows = append(r.Rows, reportRow{row, o})
	}
}

func (r *report) void() bool {
	for _, row := range r.Rows {
		for _, s := range row.Series {
			if s.void() != "" {
				return true
			}
		}
	}
	return false
}

// write gives the tables, and everything to a file if one is named.
func (r *report) write(w io.Writer, file string) error {
	if _, err := io.WriteString(w, r.markdown()); err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	return nil
}

var columns = []metric{perSecond, p50, p99, p999, cpu, flushes, written, rss, startUp}

func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s\n\n", r.Environment, r.Options)
	b.WriteString("Medians of the rounds, and in brackets the ratios of the worst and the best.\n\n")
	line(&b, "row", "what", "figure", "yardstick", "is", "ours", "ratio", "goal", "met?")
	line(&b, "---", "---", "---", "---", "---:", "---:", "---:", "---", "---")
	for _, row := range r.Rows {
		for _, c := range row.Comparisons {
			line(&b, row.Row, c.What, c.Metric, c.yardName, number(c.Yard, c.digits), number(c.Ours, c.digits), c.ratioText(), c.Goal, c.Met)
		}
	}
	b.WriteString("\nEach side's medians. Flushes are those of the whole disk.\n\n")
	head, under := []string{"row", "side", "events"}, []string{"---", "---", "---:"}
	for _, m := range columns {
		head, under = append(head, m.name), append(under, "---:")
	}
	line(&b, head...)
	line(&b, under...)
	for _, row := range r.Rows {
		for _, s := range row.Series {
			cells := []string{row.Row, s.label(), number(s.median(func(f figures) float64 { return float64(f.Events) }), 0)}
			for _, m := range columns {
				cells = append(cells, number(s.median(m.of), m.digits))
			}
			line(&b, cells...)
		}
	}
	r.remarks(&b)
	return b.String()
}

func (s *series) label() string {
	if s.Setting == "" {
		return s.Name
	}
	return s.Name + ", " + s.Setting
}

func (r *report) remarks(b *strings.Builder) {
	b.WriteByte('\n')
	for _, row := range r.Rows {
		for _, s := range row.Series {
			if why := s.void(); why != "" {
				fmt.Fprintf(b, "- row %s is VOID: %s\n", row.Row, why)
			}
		}
		for _, n := range row.Notes {
			fmt.Fprintf(b, "- row %s: %s\n", row.Row, n)
		}
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(b, "- row %s was not measured: %s\n", s.Row, s.Why)
	}
}

func line(b *strings.Builder, cells ...string) {
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}

func number(v float64, digits int) string {
	if v == unknown {
		return "–"
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}

func (c comparison) ratioText() string {
	if c.Ratio == unknown {
		return "–"
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", c.Ratio, c.Least, c.Most)
}
