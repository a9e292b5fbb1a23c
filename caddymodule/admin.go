package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/instance"
	"github.com/inboxgate/inboxgate/internal/loghandler"
	"github.com/inboxgate/inboxgate/internal/metrics"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/storage"
)

// Admin serves the operator's API below `/inbox/` on Caddy's admin endpoint.
//
// A load that fails leaves Caddy's admin endpoint to the configuration that was
// refused, so this asks for the one in force at every call.
type Admin struct{}

// CaddyModule returns the Caddy module information.
func (Admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api." + appID, New: func() caddy.Module { return new(Admin) }}
}

// Routes implements caddy.AdminRouter.
func (a *Admin) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: control.Prefix, Handler: caddy.AdminHandlerFunc(a.serve)}}
}

func (a *Admin) serve(w http.ResponseWriter, r *http.Request) error {
	app := activeApp()
	if app == nil {
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: fmt.Errorf("nothing here uses %s", directiveName)}
	}
	run := app.started()
	if run == nil {
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: errors.New("no store is open: only webhooks with routes have one")}
	}
	app.api(run).ServeHTTP(w, r)
	return nil
}

// provisionAdmin resolves the token, and warns of what is open to others.
func (a *App) provisionAdmin(ctx caddy.Context) error {
	token, literal, err := adminToken(a.AdminToken)
	if err != nil {
		return err
	}
	a.token, a.admin = token, adminAddress(ctx)
	if literal {
		a.log.Warn("admin_token is written into the configuration, where logs and the admin API show it: use {env.NAME} or {file./path}")
	}
	if at := openAdmin(ctx); at != "" {
		a.log.Warn("Caddy's admin API is open to other machines: who reaches it can change the configuration and read every secret, and no token is asked for. "+
			"Write `admin 127.0.0.1:2019` or `admin unix//run/inboxgate.sock`, and serve the operator's API with the directive "+operatorDirective+", which asks for the token",
			"address", at)
	}
	return nil
}

// api returns the operator's API on the store.
func (a *App) api(run *engine) http.Handler {
	return control.New(control.Options{
		Store:      run.Store,
		Token:      a.token,
		Configured: a.configured,
		Pace:       func(k spool.RouteKey) control.Pace { return control.Pace(run.dispatcher.Pace(k)) },
		Route:      a.route,
		Minutes:    metrics.Process().Minutes,
		Ended:      run.OnDeliveryEnded,
		Done:       run.done,
		Retry:      run.dispatcher.Retry,
		Release: func(ctx context.Context, rec spool.Record, dryRun bool) (control.Released, error) {
			return a.release(ctx, run, rec, dryRun)
		},
		Key:      a.orderKey,
		Audit:    a.audit,
		About:    a.about,
		Database: func() *control.Database { return databaseOf(run.Storage) },
		Instead:  a.place.Instead,
	})
}

// databaseOf returns what operators see of the database; nil for a directory.
func databaseOf(st *storage.Storage) *control.Database {
	h, ok := st.Health()
	if !ok {
		return nil
	}
	return &control.Database{
		Address: st.Place.String(), Version: h.Server, Schema: h.Schema, Durability: h.Durability.String(), Batches: st.Place.Database.Batches,
		Standbys: h.Standbys, Synchronous: h.Synchronous, Connections: h.Connections, Reconnects: h.Reconnects, Ambiguous: h.Ambiguous,
		Snapshot: h.OldestSnapshot.Seconds(), Blind: h.Blind, Dead: h.DeadRows,
	}
}

// route returns what this configuration has of a route.
func (a *App) route(k spool.RouteKey) (c control.RouteConfig) {
	if s := a.sources.find(k.Source); s != nil {
		if i := slices.Index(s.keys, k); i >= 0 {
			c = s.Routes[i].shown()
		}
	}
	return c
}

// configured returns every route of this configuration.
func (a *App) configured() map[spool.RouteKey]bool {
	all := make(map[spool.RouteKey]bool)
	for _, s := range a.sources.routed() {
		for _, k := range s.keys {
			all[k] = true
		}
	}
	return all
}

// release takes a quarantined body as an event. With dryRun it returns what would
// become of it.
func (a *App) release(ctx context.Context, run *engine, rec spool.Record, dryRun bool) (control.Released, error) {
	src := a.sources.find(rec.Event.Source)
	if src == nil {
		return control.Release(ctx, run.Store, rec, nil, dryRun)
	}
	return control.Release(ctx, run.Store, rec, func(e *spool.Event) (wishes []spool.RouteWish) {
		for _, m := range src.table.Match(e) {
			wishes = append(wishes, spool.RouteWish{Route: src.Routes[m.Route].Name, Key: m.Key})
		}
		return wishes
	}, dryRun)
}

// orderKey returns what orders an event on a configured route, empty for nothing.
func (a *App) orderKey(k spool.RouteKey, e *spool.Event) string {
	if src := a.sources.find(k.Source); src != nil {
		return src.table.Key(k.Route, e)
	}
	return ""
}

// about returns what the status shows of this process.
func (a *App) about() control.About {
	v := control.About{Started: started, Accepted: metrics.Process().Accepts.LastMinute(time.Now()), Max: a.settings().MaxSize, LastWarning: lastWarning()}
	v.Version = version()
	if run := a.started(); run != nil {
		if full := run.Full(float64(v.Max - run.Store.Stats().Used)); !math.IsInf(full, 0) {
			v.Full = control.Seconds(math.Round(full))
		}
	}
	for _, s := range a.sources.sorted() {
		v.Sources = append(v.Sources, control.SourceStatus{Source: s.Name})
		if list := s.secrets.Set(); list != nil {
			list.Each(func(label string, ok bool) {
				v.Secrets = append(v.Secrets, control.Secret{Source: s.Name, Secret: label, Valid: ok, Used: metrics.Process().Used(s.Name, label)})
			})
		}
	}
	return v
}

// warned keeps the newest warning of the app's log, of any configuration.
var warned loghandler.Newest

// lastWarning returns the newest line of the log that is a warning or worse, or nil.
func lastWarning() *control.Notice {
	line := warned.Load()
	if line == nil {
		return nil
	}
	return &control.Notice{At: line.At, Level: strings.ToLower(line.Level.String()), Text: line.Text}
}

// adminToken resolves the configured token, or else that of the environment.
// None is no error. literal says that the configuration itself shows it.
func adminToken(configured string) (token string, literal bool, err error) {
	if configured == "" {
		token, err = env.ReadAdminToken()
		return token, false, err
	}
	token, err = caddy.NewReplacer().ReplaceOrErr(configured, true, true)
	if err != nil {
		return "", false, fmt.Errorf("admin_token: %w: set what the placeholder names", err)
	}
	literal = token == configured
	token, err = env.CheckToken("admin_token", token)
	return token, literal, err
}

// announce leaves the pointer until the process exits. Without it commands need
// --admin, which is no reason not to start.
func (a *App) announce() {
	if a.admin == "" {
		instance.Withdraw(instance.Directories()) // A configuration before this one may have left it.
		return
	}
	p := instance.Pointer{Admin: a.admin, DataDir: a.place.Dir, Started: started}
	if a.guards != nil {
		p.Probes = a.guards.probesAt()
	}
	withdraw, err := instance.Announce(p, instance.Directories())
	if err != nil {
		a.log.Debug("commands find this process by its data directory only", "error", err)
		return
	}
	a.withdraw = withdraw
}

// started is when this process began, near enough.
var started = time.Now().UTC()

// Interface guards.
var _ caddy.AdminRouter = (*Admin)(nil)
