package control

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// About is what the process knows of itself, beside its store.
type About struct {
	Version string    `json:"version"`
	Started time.Time `json:"started_at"`
	// Accepted counts the new events of the last minute.
	Accepted int64 `json:"accepted_last_minute"`
	// Max is how many bytes the store may use.
	Max     int64    `json:"max_bytes"`
	Secrets []Secret `json:"secrets"`
	// LastWarning is the newest warning or error that was logged, nil for none.
	LastWarning *Notice `json:"last_warning,omitempty"`
}

// Secret is one secret of a source, by the name that metrics have for it.
type Secret struct {
	Source string `json:"source"`
	Secret string `json:"secret"`
	// Valid reports whether requests that are signed with it are taken.
	Valid bool `json:"valid"`
}

// Notice is one line of the log.
type Notice struct {
	At    time.Time `json:"at"`
	Level string    `json:"level"`
	Text  string    `json:"text"`
}

// Status is how an instance is, in one answer.
type Status struct {
	About
	// Takes reports whether new events are taken, and Why says why not.
	Takes bool   `json:"takes_events"`
	Why   string `json:"why,omitempty"`
	// LastEvent is when the newest event in the log came, and LastType its type.
	LastEvent time.Time `json:"last_event_at,omitzero"`
	LastType  string    `json:"last_event_type,omitempty"`
	Routes    []Route   `json:"routes"`
	Dead      Groups    `json:"dead"`
	Store     Store     `json:"store"`
}

// Group is the dead letters of one route that ended alike.
type Group struct {
	Source string `json:"source"`
	Route  string `json:"route"`
	// Status and Error are of the last attempt, Reason says why there was no
	// other.
	Status int       `json:"status,omitempty"`
	Error  string    `json:"error,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Count  int64     `json:"count"`
	Oldest time.Time `json:"oldest_died_at"`
	Newest time.Time `json:"newest_died_at"`
}

// Groups are dead letters, the largest group first.
type Groups struct {
	Groups []Group `json:"groups"`
	Total  int64   `json:"total"`
	// Partial reports that there are older ones, which were not counted.
	Partial bool `json:"partial,omitempty"`
}

// statusDead is how many events with dead letters a Status counts.
const statusDead = 1000

func (a *api) status(r *request) (any, error) {
	s := Status{Routes: []Route{}}
	if a.About != nil {
		s.About = a.About()
	}
	if s.Secrets == nil {
		s.Secrets = []Secret{}
	}
	if v, err := a.store(r); err == nil {
		s.Store = v.(Store)
	}
	s.Takes = s.Store.OK
	switch {
	case s.Store.Unavailable != "":
		s.Why = s.Store.Unavailable
	case s.Store.Refusing:
		s.Why = "the store or its disk is full"
	}
	if s.Store.Unavailable != "" {
		s.Dead.Groups = []Group{}
		return s, nil // Nothing can be read; that much can be said.
	}
	var err error
	if s.Routes, err = a.listRoutes(r.Context()); err != nil {
		return nil, err
	}
	newest, err := a.Store.Records(r.Context(), spool.Query{Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(newest.Records) > 0 {
		s.LastEvent, s.LastType = newest.Records[0].Event.Received, newest.Records[0].Event.Type
	}
	s.Dead, err = a.group(r.Context(), Filter{}, statusDead)
	return s, err
}

func (a *api) deadGroups(r *request) (any, error) {
	f, err := readFilter(r.URL.Query(), OfDead)
	if err != nil {
		return nil, err
	}
	if err := a.sane(f); err != nil {
		return nil, err
	}
	return a.group(r.Context(), f, 0)
}

// group returns the groups of the dead letters that a filter chooses, of at most so
// many events; 0 is no end.
func (a *api) group(ctx context.Context, f Filter, most int) (g Groups, err error) {
	q := f.queryOf(OfDead)
	counts := map[Group]*Group{}
	for seen := 0; ; {
		page, err := a.Store.Records(ctx, q)
		if err != nil {
			return g, err
		}
		for _, rec := range page.Records {
			for _, d := range rec.Deliveries {
				if d.State == spool.Dead && (f.Route == "" || f.Route == d.Route) && f.lastWas(d) {
					g.add(counts, rec.Event.Source, d)
				}
			}
		}
		seen += len(page.Records)
		q.Cursor = page.Next
		if g.Partial = q.Cursor != 0; !g.Partial || most > 0 && seen >= most {
			break
		}
	}
	g.Groups = []Group{}
	for _, one := range counts {
		g.Groups = append(g.Groups, *one)
	}
	slices.SortFunc(g.Groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), b.Newest.Compare(a.Newest), cmp.Compare(a.Route, b.Route), cmp.Compare(a.Error, b.Error))
	})
	return g, nil
}

// add counts one dead letter in its group.
func (g *Groups) add(counts map[Group]*Group, source string, d spool.DeliveryRecord) {
	at := last(d)
	key := Group{Source: source, Route: d.Route, Status: at.Status, Error: at.Error, Reason: d.Reason}
	one := counts[key]
	if one == nil {
		one = &Group{Source: source, Route: d.Route, Status: at.Status, Error: at.Error, Reason: d.Reason, Oldest: d.Ended, Newest: d.Ended}
		counts[key] = one
	}
	one.Count++
	g.Total++
	if d.Ended.Before(one.Oldest) {
		one.Oldest = d.Ended
	}
	if d.Ended.After(one.Newest) {
		one.Newest = d.Ended
	}
}
