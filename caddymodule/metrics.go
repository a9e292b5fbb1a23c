package caddymodule

import (
	"context"
	"time"

	"github.com/inboxgate/inboxgate/internal/metrics"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// figures returns what this configuration's metrics show. Caddy's admin endpoint shows
// the registry of the last configuration that was tried, even if its load failed: that
// one shows the figures of the configuration in force.
func (a *App) figures() (now metrics.State) {
	app := a
	if app.started() == nil {
		if active := activeApp(); active != nil {
			app = active
		}
	}
	for _, s := range app.sources.all() {
		if v := s.secrets.Set(); v != nil {
			v.Each(func(label string, ok bool) {
				now.Secrets = append(now.Secrets, metrics.Secret{Source: s.Name, Fingerprint: label, Valid: ok})
			})
		}
	}
	run := app.started()
	if run == nil {
		return now
	}
	now.Open, now.LeasesLost = true, run.LeasesLost()
	stats := run.Store.Stats()
	now.Store, now.Max = &stats, float64(app.settings().MaxSize)
	now.Full = run.Full(now.Max - float64(stats.Used))
	now.Label, now.Database = metrics.LabelOf(run.Store.Identity()), run.Figures()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	states, err := run.Store.Routes(ctx)
	if err != nil {
		return now // inbox_store_up shows it.
	}
	now.Routes, now.Configured, now.Pace = append([]spool.RouteState{}, states...), app.configured(), run.dispatcher.Pace
	for _, s := range app.sources.routed() {
		now.Sources = append(now.Sources, s.Name)
	}
	return now
}
