//go:build linux

package main

import (
	"cmp"
	_ "embed" // The parts of the page that people write.
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

var (
	//go:embed method.md
	method string
	//go:embed story.md
	story string
	//go:embed several.md
	several string
)

// plotDir is where the plots and figures are, beside the page.
const plotDir = "performance"

// publish writes the page, its plots and every round's figures.
func (r *report) publish(dir string) error {
	into := filepath.Join(dir, plotDir)
	if err := os.MkdirAll(into, 0o755); err != nil {
		return fmt.Errorf("writing page: %w", err)
	}
	plots := r.plots()
	for _, p := range plots {
		if err := os.WriteFile(filepath.Join(into, p.file), p.svg, 0o644); err != nil {
			return fmt.Errorf("writing page: %w", err)
		}
	}
	if err := r.save(filepath.Join(into, "run.json")); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, plotDir+".md"), []byte(r.page(plots)), 0o644); err != nil {
		return fmt.Errorf("writing page: %w", err)
	}
	return nil
}

// page is docs/performance.md.
func (r *report) page(plots []plot) string {
	var b strings.Builder
	b.WriteString("# Performance\n\n")
	if r.Short {
		b.WriteString("**A smoke run: these figures say nothing.**\n\n")
	}
	b.WriteString("inboxgate beside its yardsticks: bare Caddy, Caddy's `reverse_proxy`, the documented Express\nhandler " +
		"alone, with Redis and with BullMQ, and one `fdatasync` of the same disk. Everything on\nthis page is of one run of `make bench`, which also writes the page.\n\n")
	r.goals(&b)
	embed(&b, plots, "goals.svg")
	b.WriteString("## On what\n\n")
	r.machineTable(&b)
	fmt.Fprintf(&b, "\n## How\n\n%s\n", strings.TrimSpace(method)+"\n")
	b.WriteString("## By connections and size\n\n")
	embed(&b, plots, "requests-")
	b.WriteString("## Time and CPU\n\n")
	embed(&b, plots, "latency.svg")
	embed(&b, plots, "cpu.svg")
	b.WriteString("## All figures\n\nMedians, and in brackets the least and the most of the rounds. Every round's figures are in\n[run.json](" + plotDir + "/run.json).\n")
	for _, row := range r.Rows {
		row.section(&b, r.Flags)
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(&b, "\nRow %s was not measured: %s.\n", s.Row, s.Why)
	}
	fmt.Fprintf(&b, "\n## Several machines, on PostgreSQL\n\n%s\n", strings.TrimSpace(several))
	fmt.Fprintf(&b, "\n## What was done to get there\n\n%s\n\n", strings.TrimSpace(story))
	r.again(&b)
	return b.String()
}

func (r *report) goals(b *strings.Builder) {
	b.WriteString("## The goals\n\nThey were set before the code was written. Ratios are ours to the yardstick's, in brackets\nthe worst and the best round.\n\n")
	line(b, "what", "figure", "yardstick", "its figure", "ours", "ratio", "goal", "met", "row")
	line(b, "---", "---", "---", "---:", "---:", "---:", "---", "---", "---")
	met, all := 0, 0
	for _, row := range r.Rows {
		for _, c := range row.Comparisons {
			if c.Goal == "" {
				continue
			}
			all++
			word := "**" + c.Met + "**"
			if c.Met == "yes" {
				word = c.Met
				met++
			}
			line(b, c.What, c.Metric, c.Beside, number(c.Yard, c.Digits), number(c.Ours, c.Digits), c.ratioText(), c.Goal, word, fmt.Sprintf("[%s](#%s)", row.Row, anchor(row.heading())))
		}
	}
	fmt.Fprintf(b, "\n%d of %d are met.\n\n", met, all)
}

func (row *reportRow) heading() string { return fmt.Sprintf("Row %s: %s", row.Row, row.Title) }

// anchor is how a heading is linked to.
func anchor(heading string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == ' ':
			return '-'
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-':
			return c
		}
		return -1
	}, strings.ToLower(heading))
}

func embed(b *strings.Builder, plots []plot, prefix string) {
	for _, p := range plots {
		if strings.HasPrefix(p.file, prefix) {
			fmt.Fprintf(b, "![%s](%s/%s)\n\n", p.about, plotDir, p.file)
		}
	}
}

func (r *report) machineTable(b *strings.Builder) {
	m := r.Machine
	line(b, "", "")
	line(b, "---", "---")
	for _, l := range [][2]string{
		{"date", m.Date},
		{"processor", fmt.Sprintf("%s, %d cores, %s", m.Processor, m.Cores, m.Memory)},
		{"kernel", m.Kernel},
		{"file system", m.FileSystem + " on " + m.Disk},
		{"built with", m.Go + ", at revision " + m.Revision},
		{"beside", strings.Join(m.Programs, ", ")},
		{"load average before", m.LoadBefore},
		{"meanwhile", r.Quiet},
		{"took", r.Took},
	} {
		line(b, l[0], cmp.Or(l[1], "–"))
	}
}

func (row *reportRow) section(b *strings.Builder, flags string) {
	fmt.Fprintf(b, "\n### %s\n\n", row.heading())
	row.sides(b)
	b.WriteByte('\n')
	row.ratios(b)
	var remarks strings.Builder
	row.remarks(&remarks, "row "+row.Row)
	if remarks.Len() > 0 {
		b.WriteString(remarks.String() + "\n")
	}
	fmt.Fprintf(b, "Again: `go run ./internal/bench -rows %s %s`\n", row.Row, flags)
}

// ratios are the comparisons that no goal speaks of.
func (row *reportRow) ratios(b *strings.Builder) {
	if !slices.ContainsFunc(row.Comparisons, func(c comparison) bool { return c.Goal == "" }) {
		return
	}
	line(b, "ours beside", "what", "figure", "ratio")
	line(b, "---", "---", "---", "---:")
	for _, c := range row.Comparisons {
		if c.Goal == "" {
			line(b, c.Beside, c.What, c.Metric, c.ratioText())
		}
	}
	b.WriteByte('\n')
}

func (r *report) again(b *strings.Builder) {
	fmt.Fprintf(b, `## Again

    make bench

installs the packages of the Express yardstick, builds inboxgate, measures all rows and writes
this page; it needs Linux, two cores with nothing else to do, Go, Node.js and Redis, and took
%s here. One row alone: the command below its table. From the kept figures, without measuring:

    go run ./internal/bench -from docs/performance/run.json -write docs
`, r.Took)
}
