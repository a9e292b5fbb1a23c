package caddymodule

import (
	"context"
	"fmt"
	"time"

	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// leaveStore checks the store that a reload leaves for another one, or for none.
// It refuses while deliveries wait there: they would reach no app, and without its
// ids an event could be accepted twice.
func (a *App) leaveStore(needed bool) error {
	old := activeApp()
	if old == nil || old == a || needed && old.dir == a.dir {
		return nil
	}
	run := old.started()
	if run == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	states, err := run.Store.Routes(ctx)
	if err != nil && needed {
		return fmt.Errorf("data_dir changes from %s to %s, and what waits in the former cannot be counted: %w: reload with the former data_dir, or stop inboxgate, move the directory, and start", old.dir, a.dir, err)
	}
	waiting := int64(0)
	for _, s := range states {
		waiting += s.Waiting + s.Running
	}
	switch {
	case !needed:
		a.log.Warn("no webhook needs the store any more; what is in it stays there", "store", old.dir, "deliveries", waiting)
	case waiting > 0:
		return fmt.Errorf("data_dir changes from %s to %s while %d deliveries wait in the former: they would reach no app, and its ids would be forgotten. Reload when none waits (`routes list` shows them), or stop inboxgate, move the directory, and start",
			old.dir, a.dir, waiting)
	default:
		a.log.Warn("data_dir has changed: the former store stays where it is, and a copy of an event that it knows is accepted again", "former", old.dir, "store", a.dir, "deliveries", 0)
	}
	return nil
}

// undoRenames gives back what routes took over by `was` when this
// configuration's load failed after its Start.
func (a *App) undoRenames(back *App) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, old := range back.sources.routed() {
		var names []spool.RouteName
		taken := a.sources.renamed(old.Name)
		for _, n := range old.routeNames() {
			if by := taken[n.Name]; by != "" {
				n.Was = by
			}
			names = append(names, n)
		}
		if len(taken) == 0 {
			continue
		}
		if err := a.storage.Store.Configure(ctx, "", old.Name, names); err != nil {
			a.log.Error("giving renamed routes back", "source", old.Name, "error", err)
		}
	}
}

// warnParked warns of deliveries whose route is no longer configured.
func (a *App) warnParked(ctx context.Context, routes []deliver.Route) {
	configured := make(map[spool.RouteKey]bool)
	for _, r := range routes {
		configured[r.Key] = true
	}
	states, err := a.storage.Store.Routes(ctx)
	if err != nil {
		a.log.Warn("listing routes", "error", err)
		return
	}
	for _, s := range states {
		if n := s.Waiting + s.Running; n > 0 && !configured[s.Key] {
			a.log.Warn("deliveries are parked: their route is not configured; name the route again, or let another take them over with `was`",
				"source", s.Key.Source, "route", s.Key.Route, "deliveries", n)
		}
	}
}
