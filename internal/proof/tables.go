package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// table is written for people in a terminal, or for a page.
type table struct {
	head  []string
	right []bool // columns of numbers
	lines [][]string
}

// faultTable is what was sent, answered and lost, by fault.
func (p *proof) faultTable() table {
	t := table{
		head:  []string{"fault", "rows", "rounds", "events sent", "200s", "lost", "doubled", "repeats allowed (7)", "wrongly accepted"},
		right: []bool{false, false, true, true, true, true, true, true, true},
	}
	all := tally(p.records)
	sum := total(all)
	sum.Fault = "all"
	for _, r := range append(all, sum) {
		line := []string{r.Fault, numbers(r.Rows)}
		for _, n := range []int{r.Rounds, r.Sent, r.Acked, r.Lost, r.Doubled, r.Repeated, r.WronglyAccepted} {
			line = append(line, strconv.Itoa(n))
		}
		t.lines = append(t.lines, line)
	}
	return t
}

func numbers(rows []int) string {
	s := make([]string, len(rows))
	for i, n := range rows {
		s[i] = strconv.Itoa(n)
	}
	return strings.Join(s, ", ")
}

// rowTable is the catalogue with the result of each test.
func (p *proof) rowTable() table {
	t := table{head: []string{"row", "fault", "what must happen", "test", "result"}, right: []bool{true, false, false, false, false}}
	for _, r := range p.rows {
		if len(r.tests) == 0 {
			t.lines = append(t.lines, []string{strconv.Itoa(r.n), r.fault, r.expect, "none", r.why})
			continue
		}
		line := []string{strconv.Itoa(r.n), r.fault, r.expect}
		for _, named := range r.tests {
			t.lines = append(t.lines, append(line, short(named), p.result(named)))
			line = []string{"", "", ""}
		}
	}
	return t
}

// checkerTable is the tests of the proof itself.
func (p *proof) checkerTable() table {
	t := table{head: []string{"what was broken on purpose, and how it showed", "test", "result"}, right: []bool{false, false, false}}
	for _, c := range p.checks {
		t.lines = append(t.lines, []string{c.about, short(c.test), p.result(c.test)})
	}
	return t
}

// short is a test as it is told: with the last word of its package.
func short(t test) string {
	return t.pkg[strings.LastIndex(t.pkg, "/")+1:] + "." + t.name
}

func (p *proof) print(out io.Writer) {
	fmt.Fprintln(out)
	p.faultTable().print(out)
	fmt.Fprintln(out)
	p.rowTable().without(2).print(out) // The page has room for what must happen.
	if len(p.checks) > 0 {
		fmt.Fprintln(out)
		p.checkerTable().print(out)
	}
	passed := 0
	for _, t := range p.tests {
		if p.result(t) == "pass" {
			passed++
		}
	}
	fmt.Fprintf(out, "\n%d rows, %d of %d tests passed, %s\n", len(p.rows), passed, len(p.tests), p.took.Round(time.Second))
}

// without leaves a column out.
func (t table) without(column int) table {
	cut := func(line []string) []string { return slices.Delete(slices.Clone(line), column, column+1) }
	less := table{head: cut(t.head), right: slices.Delete(slices.Clone(t.right), column, column+1)}
	for _, line := range t.lines {
		less.lines = append(less.lines, cut(line))
	}
	return less
}

// print aligns the columns with blanks.
func (t table) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, line := range append([][]string{t.head}, t.lines...) {
		fmt.Fprintln(w, strings.Join(line, "\t"))
	}
	_ = w.Flush() // To a terminal: nobody could be told.
}

// markdown writes the table for a page.
func (t table) markdown(out *strings.Builder) {
	rule := make([]string, len(t.head))
	for i, right := range t.right {
		rule[i] = "---"
		if right {
			rule[i] = "---:"
		}
	}
	for _, line := range append([][]string{t.head, rule}, t.lines...) {
		for i, cell := range line {
			line[i] = strings.ReplaceAll(cell, "|", `\|`)
		}
		out.WriteString("| " + strings.Join(line, " | ") + " |\n")
	}
}
