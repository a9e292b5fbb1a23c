package control

import (
	"cmp"
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

// Changed is the answer to a call that changes one event or entry.
type Changed struct {
	// Changed counts the deliveries or entries that were changed.
	Changed int `json:"changed"`
	// PassedOver are the routes that were left out of a replay.
	PassedOver []PassedOver `json:"passed_over,omitempty"`
	// Released is what became of a quarantine entry.
	Released *Released `json:"released,omitempty"`
}

// readBody reads the JSON of a call. An unknown member is an error: a mistyped filter
// would choose everything. No body leaves v as it is.
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
	// Reason is why, for the audit log.
	Reason string `json:"reason,omitempty"`
}

// why is the body of a call that needs nothing but a reason, and not even that.
type why struct {
	Reason string `json:"reason,omitempty"`
}

// replayOne sends one event again.
func (a *api) replayOne(r *request) (any, error) {
	var to toRoute
	if err := readBody(r, &to); err != nil {
		return nil, err
	}
	rec, err := a.findEvent(r)
	if err != nil {
		return nil, err
	}
	if err := a.knows(r.Context(), rec.Event.Source, to.Route); err != nil {
		return nil, err
	}
	var step Step
	n, err := a.redeliver(r.Context(), Bulk{Route: to.Route}, rec, &step)
	if err != nil {
		return nil, err
	}
	a.audit(r, "replay", to.Reason, "source", rec.Event.Source, "event_id", rec.Event.ID, "route", to.Route, "deliveries", n)
	return Changed{Changed: n, PassedOver: step.PassedOver}, nil
}

// knows returns an error for a route that nobody serves: a replay to a mistyped name
// would wait there for ever. An empty name is every route.
func (a *api) knows(ctx context.Context, source, route string) error {
	if route == "" || a.served(ctx)[spool.RouteKey{Source: source, Route: route}] {
		return nil
	}
	return bad(fmt.Sprintf("source %s has no route %q in its configuration: configure it, or name another route to replay to", source, route))
}

var errNoHands = &Error{http.StatusNotImplemented, "this store cannot do that"}

// discard lets the dead letters of one event go.
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
	a.audit(r, "discard", to.Reason, "source", rec.Event.Source, "event_id", rec.Event.ID, "route", to.Route, "deliveries", n)
	return Changed{Changed: n}, nil
}

// findEntry returns the quarantine entry of a call, which has its number.
func (a *api) findEntry(r *request) (spool.Record, error) {
	n, err := strconv.ParseInt(r.PathValue("entry"), 10, 64)
	if err != nil || n <= 0 {
		return spool.Record{}, bad(fmt.Sprintf("%q is no number of a quarantine entry", r.PathValue("entry")))
	}
	rec, err := a.first(r.Context(), spool.Query{Kind: spool.Quarantined, Seq: n})
	if errors.Is(err, spool.ErrNotFound) {
		return rec, &Error{http.StatusNotFound, fmt.Sprintf("quarantine entry %d not found: it may have been decided about, or have left by its age", n)}
	}
	return rec, err
}

func (a *api) entry(r *request) (any, error) { return a.whole(r, a.findEntry) }

// release accepts one entry as an event.
func (a *api) release(r *request) (any, error) {
	var why why
	if err := readBody(r, &why); err != nil {
		return nil, err
	}
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
	a.audit(r, "release", why.Reason, "source", rec.Event.Source, "entry", rec.Event.Seq, "event_id", became.ID, "routes", became.Routes)
	return Changed{Changed: 1, Released: &became}, nil
}

// discardEntry removes one entry.
func (a *api) discardEntry(r *request) (any, error) {
	var why why
	if err := readBody(r, &why); err != nil {
		return nil, err
	}
	rec, err := a.findEntry(r)
	if err != nil {
		return nil, err
	}
	if err := a.Store.DiscardOdd(r.Context(), rec.Event.Seq); err != nil {
		return nil, err
	}
	a.audit(r, "discard entry", why.Reason, "source", rec.Event.Source, "entry", rec.Event.Seq)
	return Changed{Changed: 1}, nil
}

// route returns the route of a call, if the store knows it.
func (a *api) route(r *request) (spool.RouteKey, error) {
	s, err := a.routeState(r)
	return s.Key, err
}

// routeState returns how the route of a call is, if the store knows it.
func (a *api) routeState(r *request) (spool.RouteState, error) {
	k := spool.RouteKey{Source: r.PathValue("source"), Route: r.PathValue("route")}
	states, err := a.Store.Routes(r.Context())
	if err != nil {
		return spool.RouteState{Key: k}, err
	}
	for _, s := range states {
		if s.Key == k {
			return s, nil
		}
	}
	return spool.RouteState{Key: k}, &Error{http.StatusNotFound, fmt.Sprintf("source %s has no route %q", k.Source, k.Route)}
}

func (a *api) hold(r *request) (any, error) {
	var why why
	if err := readBody(r, &why); err != nil {
		return nil, err
	}
	k, err := a.route(r)
	if err != nil {
		return nil, err
	}
	next := spool.Hold{Since: time.Now(), Reason: cmp.Or(why.Reason, "by hand"), ByHand: true}
	if now, held := a.Store.HeldByHand(k); held && why.Reason == "" {
		next = now // The first hold said why.
	}
	if err := a.Store.Hold(r.Context(), "", k, next); err != nil {
		return nil, err
	}
	a.audit(r, "hold", next.Reason, "source", k.Source, "route", k.Route)
	return Changed{Changed: 1}, nil
}

func (a *api) resume(r *request) (any, error) {
	var why why
	if err := readBody(r, &why); err != nil {
		return nil, err
	}
	k, err := a.route(r)
	if err != nil {
		return nil, err
	}
	if err := a.Store.Resume(r.Context(), "", k); err != nil {
		return nil, err
	}
	a.audit(r, "resume", why.Reason, "source", k.Source, "route", k.Route)
	return Changed{Changed: 1}, nil
}

// retry attempts now what waits for a route.
func (a *api) retry(r *request) (any, error) {
	var why why
	if err := readBody(r, &why); err != nil {
		return nil, err
	}
	s, err := a.routeState(r)
	if err != nil {
		return nil, err
	}
	k := s.Key
	held := cmp.Or(s.Hold, s.HeldHere)
	switch {
	case !a.Configured()[k] && s.Served > 0:
		return nil, &Error{http.StatusConflict, fmt.Sprintf("route %s of %s is not configured in this inboxgate, but in another that shares the store: ask that one", k.Route, k.Source)}
	case !a.Configured()[k]:
		return nil, &Error{http.StatusConflict, fmt.Sprintf("route %s of %s is not configured: configure it again, or let another take over what waits with `was`", k.Route, k.Source)}
	case held != nil && held.ByHand:
		return nil, &Error{http.StatusConflict, fmt.Sprintf("route %s of %s is held by hand: resume it, and all that waits is attempted", k.Route, k.Source)}
	case held != nil:
		return nil, &Error{http.StatusConflict, fmt.Sprintf("route %s of %s is held (%s): all that waits is attempted as soon as its app answers a probe; resume it to begin now", k.Route, k.Source, held.Reason)}
	}
	if !a.Retry(k, s.Last) {
		return nil, &Error{http.StatusConflict, fmt.Sprintf("route %s of %s was held or reloaded just now: look at the routes, and ask again", k.Route, k.Source)}
	}
	a.audit(r, "retry", why.Reason, "source", k.Source, "route", k.Route, "deliveries", s.Waiting)
	return Changed{Changed: int(s.Waiting)}, nil
}
