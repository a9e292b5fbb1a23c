package term

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Painted is a cell of a table whose text has colours, and whose parts from
// elsewhere went through Cell. It can stand last in a row only, because colours
// count as columns.
type Painted string

// Table aligns the columns of its rows. It is an io.Writer for rows that are written
// by hand, with a tab behind each cell but the last.
type Table struct{ *tabwriter.Writer }

// NewTable returns a table that is written to w by Flush.
func NewTable(w io.Writer) Table {
	return Table{tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)}
}

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
