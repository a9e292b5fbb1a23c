package control

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Counts is how many events a filter chooses, by one of their properties.
type Counts struct {
	By   string     `json:"by"`
	Rows []CountRow `json:"rows"`
	// Partial reports that the counting ended early: of any row there may be more, and
	// rows may be missing.
	Partial bool `json:"partial,omitempty"`
}

// CountRow is how many events have one value of the property.
type CountRow struct {
	// Key is the value: a state, type, route or source as a filter has it, or when an
	// hour or a day began, in UTC as a filter's since.
	Key string `json:"key"`
	N   int64  `json:"n"`
	// Partial reports that there are N of them, or more.
	Partial bool `json:"partial,omitempty"`
}

// The properties that events are counted by.
const (
	ByState  = "state"
	ByType   = "type"
	ByRoute  = "route"
	BySource = "source"
	ByHour   = "hour"
	ByDay    = "day"
)

var countedBy = []string{ByState, ByType, ByRoute, BySource, ByHour, ByDay}

// countsWithin bounds a count by some property.
const countsWithin = 250 * time.Millisecond

// Counts returns how many events a filter chooses by one of the By properties.
func (c *Client) Counts(ctx context.Context, by string, f Filter) (n Counts, err error) {
	v := f.values()
	v.Set("by", by)
	err = c.call(ctx, http.MethodGet, Prefix+"counts", v, nil, &n)
	return n, err
}

func (a *api) counts(r *request) (any, error) {
	v := r.URL.Query()
	f, err := readFilter(v, OfEvents, "by")
	if err != nil {
		return nil, err
	}
	by := v.Get("by")
	if !slices.Contains(countedBy, by) {
		return nil, bad(fmt.Sprintf("by is %q: give one of %s", by, strings.Join(countedBy, ", ")))
	}
	if err := a.sane(f); err != nil {
		return nil, err
	}
	c := &census{a: a, by: by, filter: f, ends: time.Now().Add(countsWithin), out: Counts{By: by, Rows: []CountRow{}}}
	if err := c.count(r.Context()); err != nil {
		return nil, err
	}
	return c.out, nil
}

// census is one count by a property.
type census struct {
	a      *api
	by     string
	filter Filter
	ends   time.Time
	out    Counts
}

// count counts: by what is known beforehand each value on its own, as the indexes of an
// engine can, and else by a walk through the log.
func (c *census) count(ctx context.Context) error {
	switch c.by {
	case ByState:
		return c.each(ctx, c.states(), func(f *Filter) *string { return &f.State })
	case ByRoute:
		return c.each(ctx, c.names(ctx, func(k spool.RouteKey) string { return k.Route }), func(f *Filter) *string { return &f.Route })
	case BySource:
		return c.each(ctx, c.names(ctx, func(k spool.RouteKey) string { return k.Source }), func(f *Filter) *string { return &f.Source })
	}
	return c.walk(ctx)
}

// states returns the states that are counted, in the order of a delivery's life: what
// waits is one, whether it was tried or not.
func (c *census) states() []string {
	known := c.a.Configured() != nil
	return slices.DeleteFunc(stateNames(), func(name string) bool {
		return name == spool.Available.String() || name == parked && !known
	})
}

// names returns the names of all routes, or sources, that are known.
func (c *census) names(ctx context.Context, of func(spool.RouteKey) string) []string {
	names := map[string]bool{}
	for k := range c.a.known(ctx) {
		if c.filter.Source == "" || c.filter.Source == k.Source {
			names[of(k)] = true
		}
	}
	return sortedNames(names)
}

// least is how long one of many values is counted at the least.
const least = 2 * time.Millisecond

// each counts the values one by one. Each has its share of the time that is left.
func (c *census) each(ctx context.Context, values []string, field func(*Filter) *string) error {
	if only := *field(&c.filter); only != "" {
		values = []string{only}
	}
	for i, value := range values {
		left := time.Until(c.ends)
		if left < least {
			c.out.Partial = true
			break
		}
		f := c.filter
		*field(&f) = value
		q, err := c.a.query(f, OfEvents)
		if err != nil {
			return err
		}
		n, err := c.a.countIn(ctx, q, max(left/time.Duration(len(values)-i), least))
		if err != nil {
			return err
		}
		c.out.Rows = append(c.out.Rows, CountRow{Key: value, N: n.N, Partial: n.Partial})
		c.out.Partial = c.out.Partial || n.Partial
	}
	if c.by != ByState {
		c.largestFirst()
	}
	return nil
}

// largestFirst sorts the rows.
func (c *census) largestFirst() {
	slices.SortStableFunc(c.out.Rows, func(a, b CountRow) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Key, b.Key))
	})
}

// walk counts by what each event has, newest first, a page a read.
func (c *census) walk(ctx context.Context) error {
	q, err := c.a.query(c.filter, OfEvents)
	if err != nil {
		return err
	}
	n := map[string]int64{}
	oldest := ""
	for {
		page, err := c.a.Store.Records(ctx, q)
		if err != nil {
			return err
		}
		for _, rec := range page.Records {
			oldest = c.key(rec.Event)
			n[oldest]++
		}
		if q.Cursor = page.Next; q.Cursor == 0 {
			break
		}
		if c.out.Partial = time.Now().After(c.ends); c.out.Partial {
			break
		}
	}
	for key, k := range n {
		// Of the hours before the one that was come to, all is counted.
		c.out.Rows = append(c.out.Rows, CountRow{Key: key, N: k, Partial: c.out.Partial && (c.by == ByType || key == oldest)})
	}
	if c.by == ByType {
		c.largestFirst()
		return nil
	}
	slices.SortFunc(c.out.Rows, func(a, b CountRow) int { return cmp.Compare(b.Key, a.Key) })
	return nil
}

// key returns the value by which an event is counted.
func (c *census) key(e *spool.Event) string {
	at := e.Received.UTC()
	switch c.by {
	case ByType:
		return e.Type
	case ByDay:
		return time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC).Format(time.RFC3339)
	}
	return at.Truncate(time.Hour).Format(time.RFC3339)
}

// sortedNames returns a set of names in their order.
func sortedNames(names map[string]bool) []string { return slices.Sorted(maps.Keys(names)) }

// sortedKeys returns a set of routes in the order of their sources and names.
func sortedKeys(keys map[spool.RouteKey]bool) []spool.RouteKey {
	return slices.SortedFunc(maps.Keys(keys), func(a, b spool.RouteKey) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Route, b.Route))
	})
}
