// Package routing decides which routes of a source get an event, and by which key each
// of them orders it.
//
// An event goes to every route whose types take it and whose `if` is true of it; where
// there is none, to the routes without types (`to`), whose `if` counts too.
//
// Guarantee: for one event and one table the answer is always the same, whatever
// process gives it. An event of a type that no route with an `if` or an `order` takes
// costs one look into a map.
//
// Limits: an `if` that can be evaluated neither to true nor to false of an event does
// not match; it is told, not mended.
package routing

import (
	"fmt"
	"slices"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/condition"
	"github.com/inboxgate/inboxgate/internal/orderkey"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// Route is what decides about a route's events.
type Route struct {
	Name string
	// Types are its patterns; none makes it a route for what no other took.
	Types []string
	// Order is the member of data that orders its events, empty for no order.
	Order string
	// If is a CEL expression, empty for all events.
	If string
}

// Check refuses an Order and an If that can never work.
func (r Route) Check() error {
	if r.Order != "" {
		if err := orderkey.Check(r.Order); err != nil {
			return err
		}
	}
	if r.If != "" {
		if _, err := condition.Compile(r.If); err != nil {
			return fmt.Errorf("if: %w", err)
		}
	}
	return nil
}

// Match is a route that gets an event.
type Match struct {
	// Route is its index in what the table was made of.
	Route int
	// Key is what orders the event there, empty for nothing.
	Key string
}

// Table finds the routes of an event. It may be used concurrently.
type Table struct {
	routes   []Route
	ifs      []*condition.Condition // Of routes, nil for those without.
	failed   func(route int, why error)
	known    map[string]choice // Of each type that is known beforehand.
	fallback []int             // Of what no other route takes.
}

// choice are the routes that a type may go to.
type choice struct {
	routes []int
	// plain is the whole answer where no route of the type, nor one that may get it
	// instead, has an `if` or an `order`. It is nil where one has.
	plain []Match
}

// NewTable makes the table of a source's routes; own are its types besides the
// platform's. failed is called for each event of which an `if` is neither true nor
// false; the error has nothing of the event.
func NewTable(routes []Route, own []string, failed func(route int, why error)) (*Table, error) {
	t := &Table{routes: routes, ifs: make([]*condition.Condition, len(routes)), failed: failed, known: make(map[string]choice)}
	for i, r := range routes {
		if len(r.Types) == 0 {
			t.fallback = append(t.fallback, i)
		}
		if r.If == "" {
			continue
		}
		var err error
		if t.ifs[i], err = condition.Compile(r.If); err != nil {
			return nil, fmt.Errorf("route %q: if: %w", r.Name, err)
		}
	}
	for _, typ := range slices.Concat(event.Types(), own) {
		t.known[typ] = t.choose(typ)
	}
	return t, nil
}

// Match returns the routes that get a copy of the event, in their order; none means
// that it is unrouted. The result is shared and must not be written to.
func (t *Table) Match(e *spool.Event) []Match {
	c, ok := t.known[e.Type]
	if !ok {
		c = t.choose(e.Type)
	}
	if c.plain != nil {
		return c.plain
	}
	q := question{table: t, event: e}
	matched := q.all(c.routes)
	if len(matched) == 0 && !slices.Equal(c.routes, t.fallback) {
		matched = q.all(t.fallback)
	}
	return matched
}

// Key returns what orders the event on a route whatever its types and `if` say, empty
// for nothing.
func (t *Table) Key(route string, e *spool.Event) string {
	for _, r := range t.routes {
		if r.Name == route {
			return orderkey.Of(e.Request.Body, r.Order)
		}
	}
	return ""
}

// choose returns the routes that a type may go to.
func (t *Table) choose(typ string) (c choice) {
	unconditional := false
	for i, r := range t.routes {
		if slices.ContainsFunc(r.Types, func(p string) bool { return takes(p, typ) }) {
			c.routes = append(c.routes, i)
			unconditional = unconditional || r.If == ""
		}
	}
	possible := c.routes
	if !unconditional {
		possible = slices.Concat(c.routes, t.fallback)
	}
	if len(c.routes) == 0 {
		c.routes = t.fallback
	}
	asks := func(i int) bool { return t.routes[i].If != "" || t.routes[i].Order != "" }
	if slices.ContainsFunc(possible, asks) {
		return c
	}
	c.plain = make([]Match, len(c.routes))
	for i, route := range c.routes {
		c.plain[i].Route = route
	}
	return c
}

// question is one event's. What is read of its body is read once.
type question struct {
	table *Table
	event *spool.Event
	input *condition.Input // nil until an `if` is asked.

	member, key string // The last member that was looked for, and its key.
}

func (q *question) all(routes []int) (matched []Match) {
	for _, i := range routes {
		if q.holds(i) {
			matched = append(matched, Match{Route: i, Key: q.keyOf(q.table.routes[i].Order)})
		}
	}
	return matched
}

func (q *question) holds(i int) bool {
	c := q.table.ifs[i]
	if c == nil {
		return true
	}
	if q.input == nil {
		e := q.event
		received := e.Received
		if received.IsZero() {
			received = time.Now() // As the store will stamp it, near enough.
		}
		q.input = condition.NewInput(condition.Event{
			ID: e.ID, Type: e.Type, Source: e.Source, CreatedAt: e.CreatedAt, ReceivedAt: received, Body: e.Request.Body,
		})
	}
	ok, err := c.Match(q.input)
	if err != nil {
		q.table.failed(i, err)
	}
	return ok
}

func (q *question) keyOf(member string) string {
	if member != q.member {
		q.member, q.key = member, orderkey.Of(q.event.Request.Body, member)
	}
	return q.key
}
