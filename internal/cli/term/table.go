package term

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Painted is a cell of a table whose text has colours, and whose parts from
// elsewhere went through Cell. It can stand last in a row only, because colours
// count as columns.
type Painted string

// Table aligns the columns of its rows. On a terminal no line is wider than that is:
// columns give way as they say, and long cells are cut. Elsewhere all is whole. It is
// an io.Writer for the rows of a list that are written by hand, with a tab behind each
// cell but the last.
type Table struct {
	w      io.Writer
	text   *bytes.Buffer // what was written, with tabs
	width  int           // of a line, 0 for any
	rows   [][]Forms     // that are not flushed yet
	layout layout
	headed bool // a head stands above the columns that are shown
}

// NewTable returns a table that is written to w by Flush. It has a head if it has
// columns.
func NewTable(w io.Writer, columns ...Column) *Table {
	return &Table{w: w, text: new(bytes.Buffer), width: Screen(w), layout: layout{columns: slices.Clone(columns)}, headed: len(columns) == 0}
}

// NewList returns a table that is whole on a terminal, too: its lines may wrap there.
func NewList(w io.Writer) *Table { return &Table{w: w, text: new(bytes.Buffer)} }

// Write implements io.Writer.
func (t *Table) Write(p []byte) (int, error) { return t.text.Write(p) }

// Row adds a row. Each cell that is not Painted goes through Cell.
func (t *Table) Row(cells ...any) {
	row := make([]Forms, len(cells))
	for i, c := range cells {
		switch c := c.(type) {
		case Painted:
			row[i] = Forms{string(c)}
		case Forms:
			for _, form := range c {
				row[i] = append(row[i], Cell(form))
			}
		default:
			row[i] = Forms{Cell(fmt.Sprint(c))}
		}
	}
	t.rows = append(t.rows, row)
}

// Flush writes the rows that were added since the last one. On a terminal the columns
// that were left out by then stay so; where another one has to go, a new head stands
// above the rows.
func (t *Table) Flush() error {
	head := make([]Forms, len(t.layout.columns))
	for i, c := range t.layout.columns {
		head[i] = Forms{c.Head}
	}
	rows := t.rows
	t.rows = nil
	if t.width == 0 {
		if !t.headed {
			rows = slices.Insert(rows, 0, head)
		}
		t.headed = true
		for _, row := range rows {
			cells := make([]string, len(row))
			for i, forms := range row {
				cells[i] = forms[0]
			}
			fmt.Fprintln(t.text, strings.Join(cells, "\t"))
		}
		defer t.text.Reset()
		return align(t.w, t.text.String())
	}
	was := slices.Clone(t.layout.dropped)
	measured := rows
	if len(head) > 0 {
		measured = append([][]Forms{head}, rows...)
	}
	t.layout.fit(measured, t.width)
	if len(head) > 0 && (!t.headed || was != nil && !slices.Equal(was, t.layout.dropped)) {
		rows = measured
	}
	t.headed = true
	var b strings.Builder
	for _, row := range rows {
		b.WriteString(Cut(t.layout.line(row), t.width) + "\n")
	}
	_, err := io.WriteString(t.w, b.String())
	return err
}

// line returns a row with its columns aligned.
func (l *layout) line(row []Forms) string {
	var b strings.Builder
	for i := range row {
		if l.dropped[i] {
			continue
		}
		text := l.text(row, i)
		if l.columns[i].KeepEnd {
			text = cutStart(text, l.widths[i])
		}
		text = Cut(text, l.widths[i])
		b.WriteString(text + strings.Repeat(" ", l.widths[i]-Width(text)+gap))
	}
	return strings.TrimRight(b.String(), " ")
}

func align(w io.Writer, text string) error {
	tw := tabwriter.NewWriter(w, 0, 8, gap, ' ', 0)
	_, _ = io.WriteString(tw, text) // Flush returns its error.
	return tw.Flush()
}
