package control

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Filter chooses events, or entries of quarantine. The zero value chooses all. Each
// field is a word of the table words, which says what it chooses.
type Filter struct {
	Source string `json:"source,omitempty"`
	ID     string `json:"id,omitempty"`
	Type   string `json:"type,omitempty"`
	Route  string `json:"route,omitempty"`
	// State is a delivery's, or "unrouted" for an event that has none.
	State string `json:"state,omitempty"`
	// Status and Error are of a delivery's last attempt: its HTTP status, and a text
	// that its error holds in any case.
	Status int    `json:"status,omitempty"`
	Error  string `json:"error,omitempty"`
	// Kind is a Group.Kind: it chooses the dead letters of a route that ended alike, and
	// no other.
	Kind string `json:"kind,omitempty"`
	// Contains is a text in the body as it came: an order's number, a code, a phone
	// number. No index serves it.
	Contains  string `json:"contains,omitempty"`
	MessageID string `json:"message_id,omitempty"`
	// Reason is why an entry is in quarantine, or how that begins.
	Reason string `json:"reason,omitempty"`
	// Since and Until bound the time of receipt: Since <= t < Until.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
}

// query returns the filter in the store's words.
func (f Filter) query() spool.Query {
	var q spool.Query
	for _, w := range words {
		if w.text(&f) != "" {
			w.narrow(&f, &q)
		}
	}
	return q
}

// queryOf returns the filter's query of a list.
func (f Filter) queryOf(list Lists) spool.Query {
	q := f.query()
	switch list {
	case OfDead:
		q.State = spool.Dead
	case OfQuarantine:
		q.Kind = spool.Quarantined
	}
	return q
}

// query returns a filter's query of a list. What is parked only a process knows that
// has a configuration.
func (a *api) query(f Filter, list Lists) (spool.Query, error) {
	q := f.queryOf(list)
	if f.State != parked {
		return q, nil
	}
	served := a.served(context.Background())
	if served == nil {
		return q, bad("what is parked is known to a running inboxgate only: ask for waiting and the name of the route")
	}
	also := q.Delivery
	q.Delivery = func(k spool.RouteKey, d spool.DeliveryRecord) bool {
		return !served[k] && (also == nil || also(k, d))
	}
	return q, nil
}

// check returns an error where the filter has a word that cannot choose from the
// list, or a value that a word cannot have.
func (f Filter) check(list Lists) error {
	for _, w := range words {
		if w.text(&f) == "" {
			continue
		}
		if w.lists&list == 0 {
			return bad(fmt.Sprintf("%s cannot choose here: there are %s", w.Name, wordNames(list)))
		}
		if err := w.valid(&f); err != nil {
			return bad(w.Name + ": " + err.Error())
		}
	}
	return f.checkRange()
}

// Inverted reports whether Until is before Since, which chooses nothing.
func (f Filter) Inverted() bool {
	return !f.Since.IsZero() && !f.Until.IsZero() && f.Until.Before(f.Since)
}

// checkRange returns an error where Since and Until are the wrong way round.
func (f Filter) checkRange() error {
	if f.Inverted() {
		return bad("since is not before until, which chooses nothing: exchange them")
	}
	return nil
}

// last returns a delivery's last attempt, zero where none was made.
func last(d spool.DeliveryRecord) (at spool.Attempt) {
	if n := len(d.Log); n > 0 {
		at = d.Log[n-1]
	}
	return at
}

// lastWas reports whether the last attempt of a delivery was as Status, Error and Kind
// say.
func (f Filter) lastWas(d spool.DeliveryRecord) bool {
	at := last(d)
	return f.wants(ending{d.State == spool.Dead, d.Route, at.Status, at.Error, d.Reason})
}

// tried is lastWas for a query, whose Delivery all words about attempts share.
func (f Filter) tried(_ spool.RouteKey, d spool.DeliveryRecord) bool { return f.lastWas(d) }

// wants reports whether a delivery that ended so is as Status, Error and Kind say.
func (f Filter) wants(e ending) bool {
	return (f.Status == 0 || f.Status == e.status) &&
		(f.Error == "" || strings.Contains(strings.ToLower(e.text), strings.ToLower(f.Error))) &&
		(f.Kind == "" || e.dead && f.Kind == e.kind())
}

// known returns the routes that are configured, and those that only the store knows.
func (a *api) known(ctx context.Context) map[spool.RouteKey]bool {
	all := map[spool.RouteKey]bool{}
	maps.Copy(all, a.Configured())
	if states, err := a.Store.Routes(ctx); err == nil {
		for _, s := range states {
			all[s.Key] = true
		}
	}
	return all
}

// sane returns an error for a source or a route that is neither configured nor in the
// store: a mistyped one would find nothing, as if all were well.
func (a *api) sane(f Filter) error {
	if f.Source == "" && f.Route == "" {
		return nil
	}
	known := a.known(context.Background())
	if len(known) == 0 {
		return nil
	}
	sources, routes := map[string]bool{}, map[string]bool{}
	for k := range known {
		sources[k.Source] = true
		if f.Source == "" || f.Source == k.Source {
			routes[k.Route] = true
		}
	}
	for _, c := range []struct {
		what, name string
		among      map[string]bool
	}{{"source", f.Source, sources}, {"route", f.Route, routes}} {
		if c.name != "" && !c.among[c.name] && !(c.what == "source" && a.hasEntries(c.name)) {
			return bad(fmt.Sprintf("there is no %s %q; there are %s", c.what, c.name, strings.Join(slices.Sorted(maps.Keys(c.among)), ", ")))
		}
	}
	return nil
}

// hasEntries reports whether the store has events or quarantine of a source that has
// no route: one without routes, or that left the configuration.
func (a *api) hasEntries(source string) bool {
	for _, kind := range []spool.Kind{spool.Events, spool.Quarantined} {
		page, err := a.Store.Records(context.Background(), spool.Query{Kind: kind, Source: source, Limit: 1})
		if err != nil || len(page.Records) > 0 {
			return true
		}
	}
	return false
}

// logged returns the filter for the audit log, without the text that was searched for:
// it may be a phone number.
func (f Filter) logged() Filter {
	if f.Contains != "" {
		f.Contains = "(a text)"
	}
	return f
}

// empty reports whether the filter chooses all.
func (f Filter) empty() bool { return f == Filter{} }

// values returns the filter as a query string.
func (f Filter) values() url.Values {
	v := url.Values{}
	for _, w := range words {
		if text := w.text(&f); text != "" {
			v.Set(w.Name, text)
		}
	}
	return v
}

// The query parameters of lists besides those of a Filter.
var (
	logWords    = []string{"cursor", "limit", "reveal"}
	listWords   = append(slices.Clone(logWords), "total")
	eventsWords = append(slices.Clone(listWords), "settled")
)

// readFilter reads the query string of a list. A word that is not known is an error:
// a mistyped filter would choose everything.
func readFilter(v url.Values, list Lists, also ...string) (f Filter, err error) {
	known := Words(list)
	for name, values := range v {
		if len(values) != 1 {
			return f, bad(name + " is given more than once")
		}
		if slices.Contains(also, name) {
			continue
		}
		i := slices.IndexFunc(known, func(w Word) bool { return w.Name == name })
		if i < 0 {
			return f, bad(fmt.Sprintf("unknown parameter %q: there are %s", name, wordNames(list, also...)))
		}
		if values[0] == "" {
			continue
		}
		if err := known[i].Set(&f, values[0], time.Now()); err != nil {
			return f, bad(name + ": " + err.Error())
		}
	}
	return f, f.checkRange()
}

// ParseTime returns the time of a text: an RFC 3339 time, a date, or how long ago: 90s, 15m, 2h, 3d.
func ParseTime(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.AddDate(0, 0, -int(n)), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("%q is no time: write 2026-03-01T14:00:00Z, 2026-03-01 or 2h (ago)", text)
}

// readNumber returns a parameter that is a number, 0 where it is missing.
func readNumber(v url.Values, name string) (int64, error) {
	text := v.Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, bad(fmt.Sprintf("%s is %q: give a number", name, text))
	}
	return n, nil
}
