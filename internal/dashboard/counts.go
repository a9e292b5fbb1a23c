package dashboard

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
)

// countedBy are the properties that events are counted by, as the page offers them.
var countedBy = []string{control.ByType, control.ByState, control.ByRoute, control.BySource, control.ByDay, control.ByHour}

// countsView is how many events a filter chooses, by one of their properties.
type countsView struct {
	frame
	By     string
	Ways   []countWay
	Rows   []countRow
	More   int
	Part   bool // the counting ended early
	Events template.URL
}

// countWay is a property that events can be counted by.
type countWay struct {
	By   string
	Path template.URL
	Here bool
}

// countRow is how many events have one value of the property.
type countRow struct {
	control.CountRow
	// Time is the key where it is one.
	Time time.Time
	// Path leads to the events, empty where no filter chooses them.
	Path template.URL
	// Percent is the count in percent of the largest.
	Percent int
}

// counts shows how many events a filter chooses, by type, state, route or time.
func (d *Dashboard) counts(c *call) error {
	q := c.r.URL.Query()
	by := q.Get("by")
	if !slices.Contains(countedBy, by) {
		by = control.ByType
	}
	f, _, bad := c.readFilter(q, control.OfEvents)
	if bad {
		return &control.Error{Status: http.StatusBadRequest, Message: "this filter chooses nothing: go back and mend it"}
	}
	got, err := d.Client.Counts(c.r.Context(), by, f)
	if err != nil {
		return err
	}
	chosen := filterValues(q, control.OfEvents)
	v := countsView{By: by, Part: got.Partial, Events: template.URL(listAddress("/events", chosen))} // It has escaped its words.
	for _, way := range countedBy {
		v.Ways = append(v.Ways, countWay{By: way, Path: with("/counts", chosen, url.Values{"by": {way}}), Here: way == by})
	}
	rows, more := cut(slices.DeleteFunc(got.Rows, func(r control.CountRow) bool { return r.N == 0 && !r.Partial }))
	v.More = more
	top := int64(1)
	for _, r := range rows {
		top = max(top, r.N)
	}
	for _, r := range rows {
		v.Rows = append(v.Rows, rowOf(r, by, chosen, top))
	}
	v.frame = c.frame("Events by "+by, "/events")
	return c.show("counts", http.StatusOK, v)
}

// rowOf returns a count with where its events are listed.
func rowOf(r control.CountRow, by string, chosen url.Values, top int64) countRow {
	row := countRow{CountRow: r, Percent: int(100 * r.N / top)}
	length := map[string]time.Duration{control.ByDay: 24 * time.Hour, control.ByHour: time.Hour}[by]
	switch t, err := time.Parse(time.RFC3339, r.Key); {
	case length == 0:
		if r.Key != "" {
			row.Path = with("/events", chosen, url.Values{by: {r.Key}})
		}
	case err == nil:
		row.Time = t
		row.Path = with("/events", chosen, url.Values{"since": {t.Format(time.RFC3339)}, "until": {t.Add(length).Format(time.RFC3339)}})
	}
	return row
}

// with returns the address of a list whose words are those that were chosen, and others.
func with(path string, chosen, also url.Values) template.URL {
	v := url.Values{}
	for name, values := range chosen {
		v[name] = values
	}
	for name, values := range also {
		v[name] = values
	}
	return template.URL(listAddress(path, v)) // It has escaped its words.
}
