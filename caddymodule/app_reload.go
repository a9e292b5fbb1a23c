package caddymodule

import (
	"context"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// leaveStore checks the store that a reload leaves for another one, or for none.
// It refuses while deliveries wait there that only this process would have brought.
func (a *App) leaveStore(needed bool) error {
	old := activeApp()
	if old == nil || old == a || needed && old.place.Holds() == a.place.Holds() {
		return nil
	}
	run := old.started()
	if run == nil {
		return nil
	}
	if !needed {
		a.log.Warn("no webhook needs the store any more; what is in it stays there", "store", old.place.String())
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return run.Leave(ctx, a.place, a.log)
}

// leave notes in the store that this configuration serves nothing any more. Its
// attempts that still run keep their leases.
func (a *App) leave() {
	if a.owner == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := a.storage.Store.Leave(ctx, a.owner); err != nil {
		a.log.Warn("the store was not told that a configuration has ended", "error", err)
	}
	a.owner = ""
}

// undoRenames gives back what routes took over by `was` when this
// configuration's load failed after its Start. A name that another member serves
// already stays: it went on to the configuration that failed here.
func (a *App) undoRenames(back *App) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	elsewhere, err := spool.ServedElsewhere(ctx, a.storage.Store)
	if err != nil {
		a.log.Error("asking what other members serve: renamed routes are not given back", "error", err)
		return
	}
	for _, old := range back.sources.routed() {
		var names []spool.RouteName
		taken := a.sources.renamed(old.Name)
		for _, n := range old.routeNames() {
			if by := taken[n.Name]; by != "" && !elsewhere[spool.RouteKey{Source: old.Name, Route: by}] {
				n.Was = by
			}
			names = append(names, n)
		}
		if len(taken) == 0 {
			continue
		}
		if err := a.storage.Store.Configure(ctx, back.owner, old.Name, names); err != nil {
			a.log.Error("giving renamed routes back", "source", old.Name, "error", err)
		}
	}
}
