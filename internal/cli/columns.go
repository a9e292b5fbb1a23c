package cli

import (
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/internal/cli/term"
)

// This is the order in which the columns of a list give way on a narrow terminal.
// State, status, error and reason are not in it: they are why one looks.
const (
	timesGive    = iota + 1 // the age, then the date
	messageGives            // the column
	sizesGive               // the columns
	typeGives               // the prefix that all types have
	countsGive              // the columns
	numberGives             // the column, where there is an id as well
	diedGives               // the column
	typesGoLast             // the column
)

// plain returns a column of a head that stays, and whose cells may be cut.
func plain(head string) term.Column { return term.Column{Head: head} }

// whole returns a column that stays, with whole cells.
func whole(head string) term.Column { return term.Column{Head: head, Keep: true} }

// failing returns the column of why something failed, which is free text.
func failing(head string) term.Column { return term.Column{Head: head, Least: 16} }

// given returns a column with whole cells that is left out in that order.
func given(head string, order int) term.Column {
	return term.Column{Head: head, Keep: true, Drop: order}
}

// timed returns a column for cells of times.
func timed(head string) term.Column {
	return term.Column{Head: head, Keep: true, Shorten: timesGive}
}

// typesColumn returns the column of the types of events, with cells of typeForms.
func typesColumn() term.Column {
	return term.Column{Head: "TYPE", KeepEnd: true, Shorten: typeGives, Drop: typesGoLast}
}

// typeForms returns the type of an event, and without the word that all types begin
// with.
func typeForms(typ string) term.Forms {
	if _, rest, ok := strings.Cut(typ, "."); ok {
		return term.Forms{typ, "…." + rest}
	}
	return term.Forms{orDash(typ)}
}

// whenForms returns when, without its age, and short.
func (o *printer) whenForms(t time.Time) term.Forms {
	if t.IsZero() || !o.onTerminal() {
		return term.Forms{instant(t)}
	}
	return term.Forms{o.when(t), t.Local().Format(time.DateTime), shortTime(t, time.Now(), time.TimeOnly)}
}

// clockForms returns clock, and short.
func (o *printer) clockForms(t time.Time) term.Forms {
	if t.IsZero() || !o.onTerminal() {
		return term.Forms{moment(t)}
	}
	return term.Forms{o.clock(t), shortTime(t, time.Now(), time.TimeOnly+".000")}
}

// shortTime returns the time of day in the layout ofDay where it is today, and else as
// much of the date as says which day it was.
func shortTime(t, now time.Time, ofDay string) string {
	t, now = t.Local(), now.Local()
	switch {
	case t.Year() == now.Year() && t.YearDay() == now.YearDay():
		return t.Format(ofDay)
	case t.Year() == now.Year():
		return t.Format("01-02 15:04")
	}
	return t.Format(time.DateOnly)
}
