package term

import (
	"cmp"
	"slices"
)

// Column is one column of a table, and what becomes of it on a terminal that is too
// narrow for all of them. The zero value stays, and its cells may be cut.
type Column struct {
	// Head stands above the column.
	Head string
	// Keep leaves the cells whole: one types them, or compares them.
	Keep bool
	// KeepEnd cuts the beginning of a cell, where its end says more.
	KeepEnd bool
	// Shorten is when the cells take their shorter Forms, and Drop when the column is
	// left out: what has the lowest number goes first, and 0 is never.
	Shorten, Drop int
	// Least is to what width the cells may be cut, of a usual one if it is 0.
	Least int
	// Pad is the least width, of each form of the cells.
	Pad []int
}

// Forms are the texts of one cell, from the whole one to the shortest.
type Forms []string

const (
	gap = 2 // columns of the terminal between two of a table
	// leastCell is what a cell keeps that is cut, so that it still says something.
	leastCell = 8
	// leastText is what the last column keeps, and amplyText what it has before any
	// other one is shortened: it is free text, and takes what the others leave.
	leastText, amplyText = 20, 40
)

// layout is how a table stands on a terminal.
type layout struct {
	columns []Column
	forms   []int // which form of its cells each column shows
	dropped []bool
	widths  []int
}

// fit chooses forms, columns and widths, so that the rows need no more than width.
// What was given up before stays so.
func (l *layout) fit(rows [][]Forms, width int) {
	for _, row := range rows {
		for len(l.widths) < len(row) {
			l.widths = append(l.widths, 0)
			l.forms = append(l.forms, 0)
			l.dropped = append(l.dropped, false)
			if len(l.columns) < len(l.widths) {
				l.columns = append(l.columns, Column{})
			}
		}
	}
	for i := range l.widths {
		l.measure(rows, i)
	}
	for _, order := range l.orders() {
		l.shorten(rows, order, width)
		for i, c := range l.columns {
			if c.Drop == order && l.need(leastText) > width {
				l.dropped[i] = true
			}
		}
	}
	l.cut(width)
}

// orders returns when columns give something up, the first one first.
func (l *layout) orders() (all []int) {
	for _, c := range l.columns {
		all = append(all, c.Shorten, c.Drop)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return slices.DeleteFunc(all, func(n int) bool { return n == 0 })
}

// shorten takes form after form of the columns of an order, until the rows fit.
func (l *layout) shorten(rows [][]Forms, order, width int) {
	for more := true; more; {
		more = false
		for i, c := range l.columns {
			if c.Shorten == order && l.forms[i]+1 < longest(rows, i) && l.need(amplyText) > width {
				l.forms[i]++
				l.measure(rows, i)
				more = true
			}
		}
	}
}

// longest returns how many forms the cells of a column have at most.
func longest(rows [][]Forms, column int) (n int) {
	for _, row := range rows {
		if column < len(row) {
			n = max(n, len(row[column]))
		}
	}
	return n
}

// measure sets how wide column i is.
func (l *layout) measure(rows [][]Forms, i int) {
	l.widths[i] = 0
	if pad := l.columns[i].Pad; len(pad) > 0 {
		l.widths[i] = pad[min(l.forms[i], len(pad)-1)]
	}
	for _, row := range rows {
		if i < len(row) {
			l.widths[i] = max(l.widths[i], Width(l.text(row, i)))
		}
	}
}

// text returns the form of a cell that is shown.
func (l *layout) text(row []Forms, i int) string { return row[i][min(l.forms[i], len(row[i])-1)] }

// last returns the last column that is shown.
func (l *layout) last() int {
	for i := len(l.dropped) - 1; i > 0; i-- {
		if !l.dropped[i] {
			return i
		}
	}
	return 0
}

// least returns the width to which column i can be cut.
func (l *layout) least(i, text int) int {
	switch {
	case l.columns[i].Keep:
		return l.widths[i]
	case i == l.last():
		return min(l.widths[i], text)
	}
	return min(l.widths[i], cmp.Or(l.columns[i].Least, leastCell))
}

// need returns the width of the rows when all that can be cut is, but the last column
// has what text says.
func (l *layout) need(text int) int {
	total := -gap
	for i, out := range l.dropped {
		if out {
			continue
		}
		n := l.least(i, text)
		if text == amplyText && i != l.last() {
			n = l.widths[i]
		}
		total += n + gap
	}
	return total
}

// cut narrows the widest columns, until the rows fit or none can be cut further.
func (l *layout) cut(width int) {
	for total := l.total(); total > width; total-- {
		widest := -1
		for i, n := range l.widths {
			if !l.dropped[i] && n > l.least(i, leastText) && (widest < 0 || n > l.widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		l.widths[widest]--
	}
}

// total returns the width of the rows.
func (l *layout) total() int {
	total := -gap
	for i, n := range l.widths {
		if !l.dropped[i] {
			total += n + gap
		}
	}
	return total
}
