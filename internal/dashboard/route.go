package dashboard

import (
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/page"
)

// routeView is one route.
type routeView struct {
	frame
	Row      *routeRow
	Took     page.Plot
	Waiting  page.Plot
	Schedule string
	// Words chooses the route's events, as a query string.
	Words template.URL
}

// route shows one route.
func (d *Dashboard) route(c *call) error {
	q := c.r.URL.Query()
	s, err := d.status.get(c.r.Context())
	if err != nil {
		return err
	}
	m, err := d.minutes.get(c.r.Context())
	if err != nil && statusOf(err) != http.StatusNotFound {
		return err
	}
	source, name := q.Get("source"), q.Get("route")
	v := routeView{Words: words(control.Filter{Source: source, Route: name})}
	for _, row := range rowsOf(s, m, c.now) {
		if row.Source == source && row.Route.Route == name {
			v.Row = row
		}
	}
	if s.Store.Unavailable != "" {
		return &control.Error{Status: http.StatusServiceUnavailable, Message: s.Store.Unavailable}
	}
	if v.Row == nil {
		return &control.Error{Status: http.StatusNotFound, Message: fmt.Sprintf("source %s has no route %q: it may have been renamed", source, name)}
	}
	v.Row.Plot.Bare = false
	for _, of := range m.Routes {
		if of.Source == source && of.Route == name {
			v.Took = page.Plot{ID: "took", Title: "Time of attempts in which 99 of 100 ended, by the minute", Times: m.Minutes, Format: millis, Series: []page.Series{{Name: "attempt", Values: of.P99}}}
			v.Waiting = page.Plot{ID: "waiting", Title: "Deliveries waiting at the end of each minute", Times: m.Minutes, Series: []page.Series{{Name: "waiting", Values: floats(of.Waiting)}}}
		}
	}
	var steps []string
	for _, wait := range v.Row.Schedule {
		steps = append(steps, page.Duration(wait.Duration()))
	}
	v.Schedule = strings.Join(steps, ", ")
	v.frame = c.frame("Route "+name, "/")
	v.Every = 2
	return c.show("route", http.StatusOK, v)
}

// back returns the address of the page that a form about a route came from, to which
// words can be added.
func back(c *call, source, route string) string {
	if c.field("back") == "route" {
		return routePath(source, route) + "&"
	}
	return "/?"
}

// until returns how long it is to a time, in whole seconds; empty where it is past.
func until(now, t time.Time) string {
	if d := t.Sub(now); d > 0 {
		return page.Duration(d.Truncate(time.Second))
	}
	return ""
}

// since returns how long ago a time is, in whole seconds.
func since(now, t time.Time) string { return page.Duration(max(now.Sub(t), 0).Truncate(time.Second)) }

// deadOf returns what chooses the events with a dead letter of a route, as a query
// string.
func deadOf(r control.Route) template.URL {
	return words(control.Filter{Source: r.Source, Route: r.Route, State: "dead"})
}
