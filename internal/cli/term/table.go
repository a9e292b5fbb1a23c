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

// Table aligns the columns of its rows. It is an io.Writer for rows that are written
// by hand, with a tab behind each cell but the last. On a terminal no line is wider
// than that is: long cells are cut. Elsewhere all is whole.
type Table struct {
	w     io.Writer
	text  *bytes.Buffer // what was written, with tabs
	width int           // of a line, 0 for any
}

// NewTable returns a table that is written to w by Flush.
func NewTable(w io.Writer) Table {
	return Table{w: w, text: new(bytes.Buffer), width: Screen(w)}
}

// NewList returns a table that is whole on a terminal, too: its lines may wrap there.
func NewList(w io.Writer) Table { return Table{w: w, text: new(bytes.Buffer)} }

// Write implements io.Writer.
func (t Table) Write(p []byte) (int, error) { return t.text.Write(p) }

// Row adds a row. Each cell that is not Painted goes through Cell.
func (t Table) Row(cells ...any) {
	texts := make([]string, len(cells))
	for i, c := range cells {
		if p, ok := c.(Painted); ok {
			texts[i] = string(p)
		} else {
			texts[i] = Cell(fmt.Sprint(c))
		}
	}
	fmt.Fprintln(t, strings.Join(texts, "\t"))
}

// Flush writes the table.
func (t Table) Flush() error {
	if t.width == 0 {
		return align(t.w, t.text.String())
	}
	var rows [][]string
	for line := range strings.Lines(t.text.String()) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	cutCells(rows, t.width)
	var b, aligned strings.Builder
	for _, row := range rows {
		b.WriteString(strings.Join(row, "\t") + "\n")
	}
	if err := align(&aligned, b.String()); err != nil {
		return err
	}
	b.Reset()
	for line := range strings.Lines(aligned.String()) {
		b.WriteString(Cut(strings.TrimRight(line, "\n"), t.width) + "\n")
	}
	_, err := io.WriteString(t.w, b.String())
	return err
}

func align(w io.Writer, text string) error {
	tw := tabwriter.NewWriter(w, 0, 8, gap, ' ', 0)
	_, _ = io.WriteString(tw, text) // Flush returns its error.
	return tw.Flush()
}

const (
	gap = 2 // between columns
	// leastCell is what a cell keeps that is cut, so that it still says something.
	leastCell = 8
)

// kept are the heads of columns that are no use where they are cut: one types them, or
// compares them.
var kept = []string{"NUMBER", "COUNT", "ID", "RECEIVED", "DIED", "FIRST", "LAST", "STARTED"}

// cutCells cuts the cells of the widest columns, until the rows fit into width or none
// can be cut further.
func cutCells(rows [][]string, width int) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], Width(cell))
		}
	}
	total := gap * (len(widths) - 1)
	for _, n := range widths {
		total += n
	}
	for ; total > width; total-- {
		widest := -1
		for i, n := range widths {
			if n > leastCell && (widest < 0 || n > widths[widest]) && !slices.Contains(kept, strings.TrimSpace(rows[0][min(i, len(rows[0])-1)])) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	for _, row := range rows {
		for i := range row {
			row[i] = Cut(row[i], widths[i])
		}
	}
}
