package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap/exp/zapslog"

	"github.com/inboxgate/inboxgate/internal/audit"
	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/metrics"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/storage"
)

// App keeps the events of the `inbox_webhook` handlers: one durable store,
// shared by all of them, and the deliveries from it to their routes.
//
// It is configured in the global option `inbox`, and started with defaults by
// the first handler that needs it.
type App struct {
	// The directory that holds the store. It belongs to one process at a time
	// and must not lie on a network file system.
	// Default: `inbox` in Caddy's data directory.
	DataDir string `json:"data_dir,omitempty"`

	// A database that holds the store instead of `data_dir`, so that several machines
	// share it: `storage postgres [<address>]`, which may have a block of the words
	// `durability`, `batches` and `name`. `data_dir` then has the admin socket only.
	// Default: the store is in `data_dir`.
	Database *Database `json:"storage,omitempty"`

	// How long an event id is remembered at least, and how old an event may
	// be to be taken as new. Default: 24h. At least 4h, because the platform's
	// own retries span 2 h 42 m 30 s.
	Window caddy.Duration `json:"window,omitempty"`

	// How long delivered events are kept for the log and for replay. What
	// waits longer than this becomes a dead letter. Default: 72h.
	Retention caddy.Duration `json:"retention,omitempty"`

	// The store's size in bytes at most. Delivered events leave early to keep
	// it; undelivered ones never do: when they fill it, new events get 503.
	// Default: 10737418240 (10 GiB).
	MaxSize int64 `json:"max_size,omitempty"`

	// How long a stopping process lets running attempts end before it takes
	// them back, unharmed and uncounted. A reload waits for nothing.
	// Default: 10s.
	Grace caddy.Duration `json:"grace,omitempty"`

	// What callers from other machines must show to see or change anything
	// through the operator's API, as `Authorization: Bearer <token>`. A
	// placeholder such as `{file./run/secrets/token}` keeps it out of the
	// configuration. Without a token only a Unix socket and this machine have
	// the API.
	// Default: what the environment holds in `INBOX_ADMIN_TOKEN`, or in the
	// file named by `INBOX_ADMIN_TOKEN_FILE`.
	AdminToken string `json:"admin_token,omitempty"`

	// The following are set by Provision, or by the handlers' Provision, and do not
	// change afterwards.

	place   storage.Place // DataDir's canonical path, and the Database filled in.
	admin   string        // Where commands reach Caddy's admin endpoint; empty where that is off.
	token   string        // AdminToken filled in, or the environment's; empty for none.
	log     *slog.Logger  // The app's; its newest warning is kept for the status.
	audit   *slog.Logger  // One line for each event taken and each delivery ended.
	emitter *emitter      // To Caddy's event handlers.
	sources *sourceSet    // Of all inbox_webhook handlers; has a lock of its own.
	guards  *guards       // One a server with a webhook; has a lock of its own.

	// The following belong to Start, Stop and Cleanup, which Caddy never calls at the
	// same time.

	judged     bool                // judge has looked at the ways to the webhooks.
	done       chan struct{}       // Ends watch when closed; nil unless watch runs.
	storage    *storage.Storage    // A reference to the pool's, given back by Cleanup; nil without one.
	observer   *audit.Observer     // Of this configuration's deliveries; nil without a store.
	dispatcher *deliver.Dispatcher // nil unless Start has succeeded with a store.
	owner      spool.Owner         // The dispatcher's; empty until the store knows what it serves.
	withdraw   func()              // Removes the pointer for commands; nil where there is none.

	// engine is written before live is closed, and read only after that.
	engine *engine
	live   chan struct{} // Closed when Start has succeeded.
}

// engine is what a handler needs of a started app. It stays usable after Stop:
// handlers of a replaced configuration go on accepting.
type engine struct {
	*storage.Storage
	dispatcher *deliver.Dispatcher
	done       <-chan struct{} // Closed when the app stops.
}

// emit hands an event to Caddy's event handlers and returns at once.
func (a *App) emit(name string, data map[string]any) { a.emitter.emit(name, data) }

// started returns the engine of the app if it has started, else nil.
func (a *App) started() *engine {
	select {
	case <-a.live:
		return a.engine
	default:
		return nil
	}
}

// await returns the engine of the started app. A request may come before Start, because apps
// start in random order; it waits until ctx ends.
func (a *App) await(ctx context.Context) (*engine, error) {
	select {
	case <-a.live:
		return a.engine, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the store to open: %w", ctx.Err())
	}
}

const (
	// auditName is the logger of the audit log, for Caddy's log options.
	auditName    = appID + ".audit"
	defaultGrace = 10 * time.Second
	minMaxSize   = 16 << 20
)

// startWithin is how long Start waits for a database, and for the store to know its
// routes. A reload that fails by it leaves the former configuration running.
var startWithin = 30 * time.Second

// CaddyModule returns the Caddy module information. By pointer: events are sent
// while Start still writes.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: appID, New: func() caddy.Module { return &App{sources: new(sourceSet), guards: new(guards)} }}
}

// Provision resolves the settings. It opens nothing: a `caddy validate` beside
// a running instance must touch nothing.
func (a *App) Provision(ctx caddy.Context) error {
	a.log = slog.New(warned.Watch(ctx.Slogger().Handler()))
	a.audit = slog.New(zapslog.NewHandler(ctx.Logger().Core(), zapslog.WithName(auditName), zapslog.AddStacktraceAt(slog.Level(127))))
	a.live = make(chan struct{})
	var err error
	if a.emitter, err = newEmitter(ctx, a.log); err != nil {
		return fmt.Errorf("loading the events app: %w", err)
	}
	registry := ctx.GetMetricsRegistry()
	if err := errors.Join(metrics.Process().Register(registry), registry.Register(metrics.Gauges{Now: a.figures})); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	if a.DataDir == "" {
		a.DataDir = defaultDataDir()
	}
	dir, err := caddy.NewReplacer().ReplaceOrErr(a.DataDir, true, true)
	if err != nil {
		return fmt.Errorf("data_dir: %w: set what the placeholder names", err)
	}
	if a.place.Dir, err = env.CanonicalDir(dir); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	if err := a.provisionDatabase(); err != nil {
		return err
	}
	if err := a.provisionAdmin(ctx); err != nil {
		return err
	}
	if a.Grace == 0 {
		a.Grace = caddy.Duration(defaultGrace)
	}
	return nil
}

// Validate refuses settings that would break a promise.
func (a *App) Validate() error {
	var errs []error
	if w := time.Duration(a.Window); w != 0 && w < spool.MinWindow {
		errs = append(errs, fmt.Errorf("window is %s: give at least 4h, because the platform's retries span 2 h 42 m 30 s", w))
	}
	if r := time.Duration(a.Retention); r < 0 || r != 0 && r < time.Minute {
		errs = append(errs, fmt.Errorf("retention is %s: give at least 1m, for example 72h", r))
	}
	if a.MaxSize != 0 && a.MaxSize < minMaxSize {
		errs = append(errs, fmt.Errorf("max_size is %d bytes: give at least 16MiB, for example 10GiB", a.MaxSize))
	}
	if a.Database != nil {
		errs = append(errs, storage.Config(*a.Database).Check())
	}
	if a.Grace < 0 {
		errs = append(errs, errors.New("grace is negative: give a duration such as 10s"))
	}
	return errors.Join(errs...)
}

func (a *App) settings() spool.Settings {
	return spool.Settings{
		Window:    time.Duration(a.Window),
		Retention: time.Duration(a.Retention),
		MaxSize:   a.MaxSize,
	}.WithDefaults()
}

// Start opens the store, or joins the one that is open, and begins to deliver.
// What it holds when it fails is given back by Cleanup.
func (a *App) Start() error {
	for _, s := range a.sources.all() {
		s.begin()
	}
	a.judged = true
	a.judge()
	if a.guards != nil {
		go a.warnOfNames(lookUp)
	}
	a.done = make(chan struct{})
	go a.watch(a.done)
	a.announce()
	sources := a.sources.routed()
	if err := a.leaveStore(len(sources) > 0); err != nil {
		return err
	}
	if len(sources) == 0 {
		return nil // Only pass-through handlers, or none: no disk is needed.
	}
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	st, err := a.openStorage(ctx)
	if err != nil {
		return err
	}
	a.storage, a.observer = st, audit.New(a.configured(), a.log, a.audit, a.emit, st.DeliveryEnded)
	st.Lead(storageUser{a})
	a.owner = deliver.NewOwner()
	var routes []deliver.Route
	for _, s := range sources {
		if err := st.Store.Configure(ctx, a.owner, s.Name, s.routeNames()); err != nil {
			return fmt.Errorf("configuring the routes of %s: %w", s.Name, err)
		}
		s.markAs(markOf(st.Store, s.Name))
		routes = append(routes, s.deliverRoutes()...)
	}
	d, err := deliver.New(deliver.Config{Store: st.Store, Owner: a.owner, Routes: routes, Slots: st.Slots, Log: a.log, Observer: a.observer})
	if err != nil {
		return fmt.Errorf("starting deliveries: %w", err)
	}
	storage.WarnParked(ctx, st.Store, a.configured(), a.log, a.done)
	a.dispatcher = d
	st.Began(d)
	d.Start()
	a.engine = &engine{Storage: st, dispatcher: d, done: a.done}
	close(a.live)
	return nil
}

// Stop ends the leasing of deliveries and returns at once. Only when the
// process exits does it wait for running attempts, for Grace at most.
func (a *App) Stop() error {
	a.endWatch()
	if a.withdraw != nil && caddy.Exiting() {
		a.withdraw()
	}
	if a.dispatcher == nil {
		return nil
	}
	a.dispatcher.Stop()
	if caddy.Exiting() {
		a.storage.Drain(time.Duration(a.Grace)) // Attempts that run count for max_in_flight.
	}
	a.leave()
	return nil
}

// endWatch is called by Stop and by Cleanup, never at the same time.
func (a *App) endWatch() {
	if a.done != nil {
		close(a.done)
		a.done = nil
	}
}

// Cleanup gives the store back. After a reload that happens once the attempts
// that still run have ended, so that they can settle.
func (a *App) Cleanup() error {
	a.endWatch() // A load that failed after Start is not stopped.
	if !a.judged {
		a.judge() // `caddy validate` starts nothing.
		if a.guards != nil {
			a.warnOfNames(lookUp)
		}
	}
	st, d := a.storage, a.dispatcher
	if st == nil {
		a.sources.forget()
		return nil
	}
	if d != nil {
		d.Stop()
	}
	a.leave() // A load that failed after Start is not stopped.
	if back := st.Follow(storageUser{a}); back != nil && !caddy.Exiting() {
		a.undoRenames(back.(storageUser).App)
	}
	a.sources.forget()
	a.storage, a.dispatcher = nil, nil
	if d == nil {
		return closeStorage(a.place)
	}
	release := func() error {
		_ = d.Drain(context.Background())
		st.Ended(d)
		return closeStorage(a.place)
	}
	if caddy.Exiting() {
		return release() // Stop has drained already.
	}
	go func() {
		if err := release(); err != nil {
			a.log.Error("closing the store", "error", err)
		}
	}()
	return nil
}

// Interface guards.
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.Validator    = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)

// defaultDataDir is where the store is unless `data_dir` says otherwise.
func defaultDataDir() string { return env.DefaultDataDir(caddy.AppDataDir()) }
