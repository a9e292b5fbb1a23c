package term

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// On a terminal no line is wider than it, whatever the cells are; into a pipe all of
// them are whole.
func TestTableFits(t *testing.T) {
	t.Parallel()
	cell := rapid.StringMatching(`[a-z0-9 äß…]{0,60}`)
	rapid.Check(t, func(t *rapid.T) {
		columns := rapid.IntRange(1, 9).Draw(t, "columns")
		rows := rapid.SliceOfN(rapid.SliceOfN(cell, columns, columns), 1, 5).Draw(t, "rows")
		width := rapid.SampledFrom([]int{0, 20, 40, 80, 132}).Draw(t, "width")
		var b bytes.Buffer
		table := NewTable(&b)
		table.width = width
		for _, row := range rows {
			cells := make([]any, len(row))
			for i, c := range row {
				cells[i] = c
			}
			cells[len(cells)-1] = Painted(Palette(true).Bad(row[len(row)-1]))
			table.Row(cells...)
		}
		if err := table.Flush(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			line = strings.TrimSuffix(line, "\n")
			if width > 0 && Width(line) > width {
				t.Fatalf("%d columns on a terminal of %d: %q", Width(line), width, line)
			}
			if emptyColour.MatchString(line) {
				t.Fatalf("a colour of nothing: %q", line)
			}
			if n := len(colour.FindAllString(line, -1)); n%2 != 0 {
				t.Fatalf("a colour does not end: %q", line)
			}
		}
		if width > 0 {
			return
		}
		for _, row := range rows {
			for _, c := range row {
				if !strings.Contains(b.String(), strings.TrimRight(c, " ")) {
					t.Fatalf("%q is not whole in %q", c, b.String())
				}
			}
		}
	})
}

// What one types or compares stays whole, and what is long is cut.
func TestTableKeepsIDs(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	table := NewTable(&b, Column{Head: "NUMBER", Keep: true}, Column{Head: "ID", Keep: true}, Column{Head: "TYPE", KeepEnd: true}, Column{Head: "ERROR"})
	table.width = 60
	table.Row("12", "evt_01HZX3V5B1Q7N2M4K6J8", "message.delivered", strings.Repeat("connection refused ", 9))
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	want := "NUMBER  ID                        TYPE      ERROR\n" +
		"12      evt_01HZX3V5B1Q7N2M4K6J8  …livered  connection refu…\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

// The columns give way in their order, and the last one keeps enough to be read.
func TestTableGivesWay(t *testing.T) {
	t.Parallel()
	for width, want := range map[int]string{
		120: "ID              RECEIVED                         TYPE            MESSAGE         DELIVERIES\n" +
			"evt_1234567890  2026-03-01 10:00:00 (1 min ago)  message.failed  msg_1234567890  default dead (12 attempts)\n",
		100: "ID              RECEIVED             TYPE            MESSAGE         DELIVERIES\n" +
			"evt_1234567890  2026-03-01 10:00:00  message.failed  msg_1234567890  default dead (12 attempts)\n",
		80: "ID              RECEIVED  TYPE      MESSAGE         DELIVERIES\n" +
			"evt_1234567890  10:00:00  ….failed  msg_1234567890  default dead (12 attempts)\n",
		66: "ID              RECEIVED  TYPE      DELIVERIES\n" +
			"evt_1234567890  10:00:00  ….failed  default dead (12 attempts)\n",
		52: "ID              TYPE      DELIVERIES\n" +
			"evt_1234567890  ….failed  default dead (12 attempts)\n",
	} {
		var b bytes.Buffer
		table := NewTable(&b, Column{Head: "ID", Keep: true}, Column{Head: "RECEIVED", Keep: true, Shorten: 1, Drop: 4},
			Column{Head: "TYPE", Shorten: 2, KeepEnd: true}, Column{Head: "MESSAGE", Keep: true, Drop: 3}, Column{Head: "DELIVERIES"})
		table.width = width
		at := Forms{"2026-03-01 10:00:00 (1 min ago)", "2026-03-01 10:00:00", "10:00:00"}
		table.Row("evt_1234567890", at, Forms{"message.failed", "….failed"}, "msg_1234567890", Painted("default dead (12 attempts)"))
		if err := table.Flush(); err != nil {
			t.Fatal(err)
		}
		if b.String() != want {
			t.Errorf("%d columns: got\n%swant\n%s", width, b.String(), want)
		}
	}
}
