package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Changed says how many deliveries or entries a call has changed.
type Changed struct {
	Changed int `json:"changed"`
	// PassedOver tells which routes were left out of a replay.
	PassedOver []PassedOver `json:"passed_over,omitempty"`
	// Released tells what became of a quarantine entry.
	Released *Released `json:"released,omitempty"`
}

// readBody reads the JSON of a call strictly. No body is the zero value.
func readBody(r *request, v any) error {
	d := json.NewDecoder(io.LimitReader(r.Body, 64<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil && !errors.Is(err, io.EOF) {
		return bad("reading the request: " + err.Error())
	}
	return nil
}

// toRoute is the body of a call about one event's deliveries.
type toRoute struct {
	// Route is empty for all routes of the event.
	Route string `json:"route"`
}

func (a *api) replayOne(r *request) (any, error) {
	var to toRoute
	if err := readBody(r, &to); err != nil {
		return nil, err
	}
	rec, err := a.findEvent(r)
	if err != nil {
		return nil, err
	}
	if err := a.knows(rec.Event.Source, to.Route); err != nil {
		return nil, err
	}
	var step Step
	n, err := a.redeliver(r.Context(), Bulk{Route: to.Route}, rec, &step)
	if err != nil {
		return nil, err
	}
	a.audit(r, "replay", "source", rec.Event.Source, "event_id", rec.Event.ID, "route", to.Route, "deliveries", n)
	return Changed{Changed: n, PassedOver: step.PassedOver}, nil
}

// knows refuses a route that is not configured: a replay to a mistyped name would
// wait there for ever.
func (a *api) knows(source, route string) error {
	if route == "" || a.Configured()[spool.RouteKey{Source: source, Route: route}] {
		return nil
	}
	return bad(fmt.Sprintf("source %s has no route %q in its configuration: configure it, or name another route to replay to", source, route))
}

var errNoHands = &Error{http.StatusNotImplemented, "this store cannot do that"}

func (a *api) discard(r *request) (any, error) {
	var to toRoute
	if err := readBody(r, &to); err != nil {
		return nil, err
	}
	rec, err := a.findEvent(r)
	if err != nil {
		return nil, err
	}
	n, err := a.Store.Discard(r.Context(), rec.Event.Seq, to.Route)
	if err != nil {
		return nil, err
	}
	a.audit(r, "discard", "source", rec.Event.Source, "event_id", rec.Event.ID, "route", to.Route, "deliveries", n)
	return Changed{Changed: n}, nil
}

// findEntry finds a quarantine entry by its number.
func (a *api) findEntry(r *request) (spool.Record, error) {
	n, err := strconv.ParseInt(r.PathValue("entry"), 10, 64)
	if err != nil || n <= 0 {
		return spool.Record{}, bad(fmt.Sprintf("%q is no number of a quarantine entry", r.PathValue("entry")))
	}
	return a.first(r.Context(), spool.Query{Kind: spool.Quarantined, Seq: n})
}

func (a *api) entry(r *request) (any, error) { return a.whole(r, a.findEntry) }

func (a *api) release(r *request) (any, error) {
	rec, err := a.findEntry(r)
	if err != nil {
		return nil, err
	}
	if a.Release == nil {
		return nil, errNoHands
	}
	became, err := a.Release(r.Context(), rec, false)
	if err != nil {
		return nil, err
	}
	a.audit(r, "release", "source", rec.Event.Source, "entry", rec.Event.Seq, "event_id", became.ID, "routes", became.Routes)
	return Changed{Changed: 1, Released: &became}, nil
}

func (a *api) discardEntry(r *request) (any, error) {
	rec, err := a.findEntry(r)
	if err != nil {
		return nil, err
	}
	if err := a.Store.DiscardOdd(r.Context(), rec.Event.Seq); err != nil {
		return nil, err
	}
	a.audit(r, "discard entry", "source", rec.Event.Source, "entry", rec.Event.Seq)
	return Changed{Changed: 1}, nil
}

// Route is one route as the API shows it.
type Route struct {
	Source string `json:"source"`
	Route  string `json:"route"`
	// State is ready, slowed, held, held by hand, or parked where it is not
	// configured.
	State string `json:"state"`
	// Waiting counts what waits for its first or next attempt.
	Waiting int64     `json:"waiting"`
	Running int64     `json:"running"`
	Dead    int64     `json:"dead"`
	Oldest  time.Time `json:"oldest,omitzero"`
	Hold    *Hold     `json:"hold,omitempty"`
	// Pace is there where the route has a rate, or is slowed.
	Pace *Pace `json:"pace,omitempty"`
}

// Pace is how fast a route goes.
type Pace struct {
	// Rate is the configured bound, in attempts a second, of which Burst may
	// begin at once; 0 for none.
	Rate  float64 `json:"rate,omitempty"`
	Burst int     `json:"burst,omitempty"`
	// Limit is the pace, in attempts a second, to which the app has slowed the
	// route since Since, and InFlight how many attempts at once; 0 if it has not.
	Limit    float64   `json:"limit,omitempty"`
	InFlight int       `json:"in_flight,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	// Reason is what the app said last.
	Reason string `json:"reason,omitempty"`
	// Next is when the next attempt may begin, zero if at once.
	Next time.Time `json:"next_at,omitzero"`
}

// Hold is why a route waits.
type Hold struct {
	Since     time.Time `json:"since"`
	Reason    string    `json:"reason"`
	Probes    int       `json:"probes"`
	NextProbe time.Time `json:"next_probe_at,omitzero"`
}

// States of a route.
const (
	RouteReady      = "ready"
	RouteSlowed     = "slowed"
	RouteHeld       = "held"
	RouteHeldByHand = "held by hand"
	RouteParked     = "parked"
)

func (a *api) routes(r *request) (any, error) {
	routes, err := a.listRoutes(r.Context())
	return struct {
		Routes []Route `json:"routes"`
	}{routes}, err
}

func (a *api) listRoutes(ctx context.Context) ([]Route, error) {
	states, err := a.Store.Routes(ctx)
	if err != nil {
		return nil, err
	}
	configured := a.Configured()
	routes := []Route{}
	for _, s := range states {
		rt := Route{
			Source: s.Key.Source, Route: s.Key.Route, State: RouteReady,
			Waiting: s.Waiting, Running: s.Running, Dead: s.Dead, Oldest: s.Oldest,
		}
		if p := a.Pace(s.Key); p.Rate > 0 || p.Limit > 0 {
			rt.Pace = &p
			if p.Limit > 0 {
				rt.State = RouteSlowed
			}
		}
		if h := s.Hold; h != nil {
			rt.State = RouteHeld
			if h.ByHand {
				rt.State = RouteHeldByHand
			}
			rt.Hold = &Hold{h.Since, h.Reason, h.Probes, h.NextProbe}
		}
		if !configured[s.Key] {
			rt.State = RouteParked
			if s.Waiting+s.Running+s.Dead == 0 {
				continue // A name that once was, with nothing left.
			}
		}
		routes = append(routes, rt)
	}
	return routes, nil
}

func (a *api) route(r *request) (spool.RouteKey, error) {
	k := spool.RouteKey{Source: r.PathValue("source"), Route: r.PathValue("route")}
	states, err := a.Store.Routes(r.Context())
	if err != nil {
		return k, err
	}
	for _, s := range states {
		if s.Key == k {
			return k, nil
		}
	}
	return k, &Error{http.StatusNotFound, fmt.Sprintf("source %s has no route %q", k.Source, k.Route)}
}

func (a *api) hold(r *request) (any, error) {
	var why struct {
		Reason string `json:"reason"`
	}
	if err := readBody(r, &why); err != nil {
		return nil, err
	}
	if why.Reason == "" {
		why.Reason = "by hand"
	}
	k, err := a.route(r)
	if err != nil {
		return nil, err
	}
	if err := a.Store.Hold(r.Context(), k, spool.Hold{Since: time.Now(), Reason: why.Reason, ByHand: true}); err != nil {
		return nil, err
	}
	a.audit(r, "hold", "source", k.Source, "route", k.Route, "reason", why.Reason)
	return Changed{Changed: 1}, nil
}

func (a *api) resume(r *request) (any, error) {
	k, err := a.route(r)
	if err != nil {
		return nil, err
	}
	if err := a.Store.Resume(r.Context(), k); err != nil {
		return nil, err
	}
	a.audit(r, "resume", "source", k.Source, "route", k.Route)
	return Changed{Changed: 1}, nil
}
