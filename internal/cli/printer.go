package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/inboxgate/inboxgate/internal/cli/term"
)

// printer writes what a command has to report, as text or as JSON.
type printer struct {
	w       io.Writer
	json    *json.Encoder // writes a line for each value; nil for text
	program string        // how the user starts a command, for hints
}

func newPrinter(w io.Writer, asJSON bool, program string) *printer {
	o := &printer{w: w, program: program}
	if asJSON {
		o.json = json.NewEncoder(w)
		o.json.SetEscapeHTML(false) // A URL may hold an ampersand.
	}
	return o
}

// say writes a line of text.
func (o *printer) say(format string, args ...any) error {
	_, err := fmt.Fprintf(o.w, format+"\n", args...)
	return wrote(err)
}

// rows writes a table. fill calls row for each row.
func (o *printer) rows(columns []term.Column, fill func(row func(cells ...any))) error {
	table := term.NewTable(o.w, columns...)
	fill(table.Row)
	return wrote(table.Flush())
}

// encode writes v as one line of JSON.
func (o *printer) encode(v any) error { return wrote(o.json.Encode(v)) }

// encodeAll writes a line of JSON for each of all.
func encodeAll[T any](o *printer, all []T) error {
	for _, v := range all {
		if err := o.encode(v); err != nil {
			return err
		}
	}
	return nil
}

// wrote returns the error of a write to the output.
func wrote(err error) error {
	if err != nil {
		return fmt.Errorf("writing output: %w", err)
	}
	return nil
}

// instant returns a time to the second, in UTC; "-" is none.
func instant(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// moment returns a time to the millisecond, in UTC, for logs: the retries of an
// emulator are milliseconds apart. "-" is none.
func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

// onTerminal reports whether the output is a terminal.
func (o *printer) onTerminal() bool { return term.Screen(o.w) > 0 }

// when returns a time for a person: local, with its age. Into a pipe it is in UTC and
// has none, so that the same list is the same text everywhere.
func (o *printer) when(t time.Time) string {
	if t.IsZero() || !o.onTerminal() {
		return instant(t)
	}
	return t.Local().Format(time.DateTime) + aside(t)
}

// exactly is when, to the millisecond.
func (o *printer) exactly(t time.Time) string {
	if t.IsZero() || !o.onTerminal() {
		return moment(t)
	}
	return o.clock(t) + aside(t)
}

// clock is exactly without the age.
func (o *printer) clock(t time.Time) string {
	if t.IsZero() || !o.onTerminal() {
		return moment(t)
	}
	return t.Local().Format(time.DateTime + ".000")
}

// aside returns how far from now a time is, for behind it.
func aside(t time.Time) string {
	now := time.Now()
	if t.After(now) {
		return " (in " + age(t.Sub(now)) + ")"
	}
	return " (" + ago(t, now) + ")"
}

// count returns n with the right form of its noun.
func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return humanize.Comma(n) + " " + many
}

// orDash returns s, or "-" where a column would be empty.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
