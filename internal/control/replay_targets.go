package control

import (
	"context"
	"errors"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// PassedOver is how many deliveries of a route were not sent again, because the route
// is not configured: they would wait there for ever.
type PassedOver struct {
	Source     string `json:"source"`
	Route      string `json:"route"`
	Deliveries int64  `json:"deliveries"`
}

// passOver counts one more delivery of a route.
func (s *Step) passOver(source, route string) {
	for i, p := range s.PassedOver {
		if p.Source == source && p.Route == route {
			s.PassedOver[i].Deliveries++
			return
		}
	}
	s.PassedOver = append(s.PassedOver, PassedOver{source, route, 1})
}

// finished reports whether a delivery in that state can be sent again.
func finished(state spool.State) bool {
	return state == spool.Delivered || state == spool.Dead || state == spool.Discarded
}

// targets returns the routes to which the event of a record is to be sent again.
// Routes that nobody serves are recorded in step.PassedOver instead.
func (a *api) targets(b Bulk, rec spool.Record, step *Step) (routes []string) {
	served := a.served(context.Background())
	add := func(route string) {
		if served[spool.RouteKey{Source: rec.Event.Source, Route: route}] {
			routes = append(routes, route)
		} else {
			step.passOver(rec.Event.Source, route)
		}
	}
	known := false
	for _, d := range rec.Deliveries {
		switch {
		case b.Route != "" && d.Route != b.Route, b.Route == "" && b.Filter.Route != "" && d.Route != b.Filter.Route:
			continue
		case b.OnlyState && !b.Filter.lastWas(d):
			continue
		case finished(d.State) && (!b.OnlyState || d.State == states[b.Filter.State]):
			add(d.Route)
		}
		known = true
	}
	if b.Route != "" && !known {
		add(b.Route)
	}
	return routes
}

// sendAgain sends one event again when the pacer lets it. The record is read again
// then: another call may have sent it in the meantime.
func (a *api) sendAgain(ctx context.Context, b Bulk, pace *pacer, rec spool.Record, step *Step) (n int, err error) {
	var early Step
	routes := a.targets(b, rec, &early)
	if len(routes) > 0 {
		if err := pace.wait(ctx, rec.Event.Source, routes); err != nil {
			return 0, err
		}
		if rec, err = a.first(ctx, spool.Query{Seq: rec.Event.Seq}); errors.Is(err, spool.ErrNotFound) {
			return 0, nil // Retention was faster.
		} else if err != nil {
			return 0, err
		}
	}
	return a.redeliver(ctx, b, rec, step)
}

// redeliver sends one event again to its targets, and returns how many deliveries wait
// for it.
func (a *api) redeliver(ctx context.Context, b Bulk, rec spool.Record, step *Step) (n int, err error) {
	for _, route := range a.targets(b, rec, step) {
		to := spool.RouteWish{Route: route}
		if b.Route != "" { // Else it is one that the event has a delivery for, which keeps its key.
			to.Key = a.Key(spool.RouteKey{Source: rec.Event.Source, Route: route}, rec.Event)
		}
		one, err := a.Store.Redeliver(ctx, rec.Event.Seq, to)
		if err != nil {
			return n, err
		}
		n += one
	}
	return n, nil
}
