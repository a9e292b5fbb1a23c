package control

import (
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
	Max int64 `json:"max_bytes"`
	// Full is how long the store's room lasts at the pace of the last minutes, 0 where it
	// does not grow or that is not known.
	Full    Seconds  `json:"full_in_seconds,omitempty"`
	Secrets []Secret `json:"secrets"`
	// Sources are the configured ones, also those without routes. The process gives their
	// names, and the API the rest.
	Sources []SourceStatus `json:"sources"`
	// LastWarning is the newest warning or error that was logged, nil for none.
	LastWarning *Notice `json:"last_warning,omitempty"`
}

// Secret is one secret of a source, by the name that metrics have for it.
type Secret struct {
	Source string `json:"source"`
	Secret string `json:"secret"`
	// Valid reports whether requests that are signed with it are taken.
	Valid bool `json:"valid"`
	// Used is when a request was last signed with it, zero for not since the start.
	Used time.Time `json:"last_used_at,omitzero"`
}

// SourceStatus is how a source is. Its counts are of the last hour of this process.
type SourceStatus struct {
	Source string `json:"source"`
	// LastEvent is when its newest event came, zero where none is known.
	LastEvent   time.Time `json:"last_event_at,omitzero"`
	Accepted    int64     `json:"accepted"`
	Duplicates  int64     `json:"duplicates"`
	Quarantined int64     `json:"quarantined"`
	// Refused counts requests by why they were refused, as metrics name the reasons.
	Refused map[string]int64 `json:"refused"`
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
	a.sources(r.Context(), &s.About)
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
