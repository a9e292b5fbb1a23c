package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"

	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/control"
)

// list prints what the flags choose, page by page. What l has already stays; rows
// prints a page as text.
func (o *operator) list(ctx context.Context, l control.List, rows func(*operator, []control.Event) error) (err error) {
	state := l.State
	if l.Filter, err = readFilter(o.cmd); err != nil {
		return err
	}
	if state != "" {
		l.State = state
	}
	l.Reveal = revealed(o.cmd)
	limit := limitOf(o.cmd)
	l.Total = limit > 0 && o.json == nil
	all, err := o.eachPage(ctx, l, limit, func(page []control.Event) error {
		if o.json == nil {
			return rows(o, page)
		}
		return encodeAll(o.printer, page)
	})
	switch {
	case err != nil || o.json != nil:
	case all.n == 0:
		return o.say("There are none.")
	case all.more:
		fmt.Fprintf(o.cmd.ErrOrStderr(), "These are %s, the newest: --limit 0 lists all.\n", all.text(l.Quarantine))
	case all.n > 1 && o.onTerminal():
		fmt.Fprintf(o.cmd.ErrOrStderr(), "These are all %s.\n", humanize.Comma(int64(all.n)))
	}
	return err
}

// text returns how many were listed, and of how many.
func (l listed) text(quarantine bool) string {
	one, many := "event", "events"
	if quarantine {
		one, many = "entry", "entries"
	}
	if l.total == nil {
		return count(int64(l.n), one, many)
	}
	total := count(*l.total, one, many)
	if l.partial {
		total = humanize.Comma(*l.total) + "+ " + many
	}
	return humanize.Comma(int64(l.n)) + " of " + total
}

// page prints a page of a list: the pages are one table.
func (o *operator) page(columns []term.Column, fill func(row func(cells ...any))) error {
	if o.table == nil {
		o.table = term.NewTable(o.w, columns...)
	}
	fill(o.table.Row)
	return wrote(o.table.Flush())
}

// events prints a page of events.
func (o *operator) events(page []control.Event) error {
	mixed := o.mixes(page)
	columns := []term.Column{given("NUMBER", numberGives), timed("RECEIVED"), whole("ID"), typesColumn(), given("MESSAGE", messageGives), plain("DELIVERIES")}
	return o.page(withSource(mixed, columns), func(row func(...any)) {
		for _, e := range page {
			row(sourceOf(mixed, e, o.whenForms(e.Received), e.ID, typeForms(e.Type), orDash(e.MessageID), term.Painted(o.deliveries(e)))...)
		}
	})
}

// mixes reports whether the list has events of several sources. From the page on that
// brings a second one, the table has a column for it and a new head.
func (o *operator) mixes(page []control.Event) bool {
	for _, e := range page {
		if o.source == "" {
			o.source = e.Source
		}
		if !o.mixed && e.Source != o.source {
			o.mixed, o.table = true, nil
		}
	}
	return o.mixed
}

// withSource returns the columns with a second one for the source if the list is mixed.
func withSource(mixed bool, columns []term.Column) []term.Column {
	if mixed {
		return slices.Insert(columns, 1, plain("SOURCE"))
	}
	return columns
}

// sourceOf returns the cells of an event's line, which begin with its number.
func sourceOf(mixed bool, e control.Event, cells ...any) []any {
	if mixed {
		return append([]any{e.Number, e.Source}, cells...)
	}
	return append([]any{e.Number}, cells...)
}

// deliveries returns in a few words how the deliveries of an event stand.
func (o *operator) deliveries(e control.Event) string {
	if len(e.Deliveries) == 0 {
		return "unrouted"
	}
	words := make([]string, len(e.Deliveries))
	for i, d := range e.Deliveries {
		words[i] = term.Cell(d.Route) + " " + o.state(d.State)
		if d.Attempts > 1 || d.Attempts == 1 && d.State != "delivered" {
			words[i] += fmt.Sprintf(" (%s)", count(int64(d.Attempts), "attempt", "attempts"))
		}
	}
	return strings.Join(words, ", ")
}

// state returns the state of a delivery in its colour.
func (o *operator) state(s string) string {
	switch s {
	case "dead":
		return o.paint.Bad(s)
	case "delivered":
		return o.paint.Good(s)
	}
	return s
}

// event prints all of one event.
func (o *operator) event(e control.Event) error {
	if o.json != nil {
		return o.encode(e)
	}
	table := term.NewList(o.w)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(table, "%s\t%s\n", name, term.Cell(value))
		}
	}
	line("id", e.ID)
	line("number", fmt.Sprint(e.Number))
	line("source", e.Source)
	line("type", e.Type)
	line("message", e.MessageID)
	if !e.CreatedAt.IsZero() {
		line("created", o.exactly(e.CreatedAt))
	}
	line("received", o.exactly(e.Received))
	line("size", fmt.Sprintf("%d bytes", e.Size))
	line("in quarantine", e.Reason)
	if e.Copies > 1 {
		line("copies", fmt.Sprint(e.Copies))
	}
	if q := e.Request; q != nil {
		line("request", fmt.Sprintf("%s %s://%s%s from %s", q.Method, q.Scheme, q.Host, q.URI, q.Remote))
	}
	if err := wrote(table.Flush()); err != nil {
		return err
	}
	for _, d := range e.Deliveries {
		if err := o.delivery(d); err != nil {
			return err
		}
	}
	return o.payload(e)
}

// delivery prints one delivery of an event with its attempts.
func (o *operator) delivery(d control.Delivery) error {
	text := fmt.Sprintf("\n%s %s: %s", o.paint.Bold("route"), term.Cell(d.Route), o.state(d.State))
	if d.Replay > 0 {
		text += fmt.Sprintf(", replay %d", d.Replay)
	}
	if d.Reason != "" {
		text += ", " + term.Cell(d.Reason)
	}
	if d.Behind {
		text += ", waits for an earlier one of its key to end"
	}
	if !d.Due.IsZero() && d.State != control.RouteParked {
		text += ", due " + o.exactly(d.Due)
	}
	if err := o.say("%s", text); err != nil || len(d.Log) == 0 {
		return err
	}
	columns := []term.Column{whole("  ATTEMPT"), given("REPLAY", countsGive), timed("STARTED"), whole("TOOK"), plain("ANSWER"), plain("RESPONSE")}
	return o.rows(columns, func(row func(...any)) {
		for _, a := range d.Log {
			n := fmt.Sprint("  ", a.N)
			if a.Free {
				n += " (free)"
			}
			answer := a.Error
			if answer == "" {
				answer = fmt.Sprint("status ", a.Status)
			}
			replay := "-"
			if a.Replay > 0 {
				replay = fmt.Sprint(a.Replay)
			}
			row(n, replay, o.clockForms(a.Start), time.Duration(a.DurationMS)*time.Millisecond, answer, a.Response)
		}
	})
}

// payload prints the headers and the body of an event.
func (o *operator) payload(e control.Event) error {
	var b strings.Builder
	if len(e.Header) > 0 {
		fmt.Fprintf(&b, "\n%s\n", o.paint.Bold("headers"))
	}
	for _, name := range slices.Sorted(maps.Keys(e.Header)) {
		for _, value := range e.Header[name] {
			fmt.Fprintf(&b, "  %s: %s\n", term.Cell(name), term.Cell(value))
		}
	}
	text := e.Text
	var indented bytes.Buffer
	if len(e.Body) > 0 && json.Indent(&indented, e.Body, "", "  ") == nil {
		text = indented.String()
	}
	fmt.Fprintf(&b, "\n%s\n", o.paint.Bold("body"))
	for line := range strings.Lines(text) {
		fmt.Fprintf(&b, "  %s\n", term.Cell(strings.TrimSuffix(line, "\n")))
	}
	_, err := io.WriteString(o.w, b.String())
	return wrote(err)
}

// raw writes a body as it came; a terminal gets no character that would move its
// cursor.
func (o *operator) raw(body []byte) error {
	if f, ok := o.w.(*os.File); ok && term.IsTerminal(f) {
		body = bytes.Map(func(r rune) rune {
			if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
				return '\uFFFD'
			}
			return r
		}, body)
	}
	_, err := o.w.Write(body)
	return wrote(err)
}
