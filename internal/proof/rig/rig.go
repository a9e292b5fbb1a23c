package rig

import (
	"cmp"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/history"
)

// Secret signs the rig's events. The processes have it in INBOX_WEBHOOK_SECRET.
const Secret = "a secret of the proof's tests"

// Path is where the processes take webhooks.
const Path = "/webhooks/inbox"

// Route is a route and the app behind it.
type Route struct {
	Name string
	// Types are the words after `on`, such as "message.*". Empty: `to`.
	Types string
	// Retry is the route's schedule. Default "1s 1s 2s 2s 5s".
	Retry string
	// Lines stand in the route's block, such as "timeout 2s".
	Lines string
	// Work is how long the app takes at most, by chance, before it answers 200.
	Work time.Duration
	// Behave answers instead of that; App.Behave changes it later.
	Behave Behaviour
}

// Options are how a rig is made. The zero value is usable.
type Options struct {
	// Routes default to DefaultRoutes.
	Routes []Route
	// Global stands among the global options of the Caddyfile, Store in the global
	// option `inbox`, Source in the directive `inbox_webhook`, Site in the site.
	Global, Store, Source, Site string
	// Admin turns Caddy's admin API on, at Rig.AdminAddr.
	Admin bool
	// Binary defaults to the one of the function Binary.
	Binary string
	// Dir is where the processes run. Default: a new one.
	Dir string
	// Data is the store's directory. Default: spool in Dir.
	Data string
	// Env is added to the processes' environment.
	Env []string
	// Wrap changes a process's command line, such as to run it below strace or
	// prlimit. The rig finds the binary's process below it.
	Wrap func(argv []string) []string
	// Close makes a connection of its own for each request.
	Close bool
	// Rate is how many fresh events Load begins to send in a second. Default 500.
	Rate int
	// Rules are what Report holds the record to.
	Rules history.Rules
	// Host is the address that the apps and the processes listen at. Default
	// 127.0.0.1. Listen is that of this rig's processes, if it is another.
	Host, Listen string
	// Beside is another rig, whose record, apps and ids this one shares: its
	// processes are those of a second machine. Lives are counted over all machines.
	Beside *Rig
}

// DefaultRoutes are two routes, so that some events have two deliveries.
func DefaultRoutes() []Route {
	return []Route{
		{Name: "all", Types: "message.*", Work: 10 * time.Millisecond},
		{Name: "oncall", Types: event.TypeMessageFailed, Work: 10 * time.Millisecond},
	}
}

// Rig is the program under test and all that is around it. It belongs to one
// goroutine; Send, Load and the Log may be used from others.
type Rig struct {
	// Log is the record.
	Log *history.Log
	// Random is of the seed, for the moments of a test's plan.
	Random *rand.Rand
	// Dir is where the processes run, Data the store's directory.
	Dir, Data string
	// Listen and AdminAddr are addresses, URL the one of the webhook.
	Listen, AdminAddr, URL string

	t      testing.TB
	o      Options
	apps   []*App
	client *http.Client
	ids    *ids
	life   *Life         // nil while none runs
	lives  *atomic.Int64 // the highest number of a life, over all machines
	last   atomic.Int64  // the number of the present life, or of the last one
}

// ids is what new ids are drawn from.
type ids struct {
	sync.Mutex
	from io.Reader
}

// New makes a rig. Its apps are up; Start starts a process.
func New(t testing.TB, o Options) *Rig {
	t.Helper()
	if len(o.Routes) == 0 {
		o.Routes = DefaultRoutes()
	}
	o.Rate = cmp.Or(o.Rate, 500)
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	o.Data = cmp.Or(o.Data, filepath.Join(o.Dir, "spool"))
	if o.Binary == "" {
		o.Binary = Binary(t)
	}
	o.Host = cmp.Or(o.Host, "127.0.0.1")
	o.Listen = cmp.Or(o.Listen, o.Host)
	r := &Rig{
		Dir: o.Dir, Data: o.Data, Listen: freeAddress(t, o.Listen), t: t, o: o,
		client: &http.Client{
			Timeout:   10 * time.Second, // as the platform
			Transport: &http.Transport{MaxIdleConnsPerHost: 512, DisableCompression: true, DisableKeepAlives: o.Close},
		},
	}
	r.URL = "http://" + r.Listen + Path
	if o.Admin {
		r.AdminAddr = proctest.FreeAddress(t)
	}
	if b := o.Beside; b != nil {
		r.Log, r.Random, r.ids, r.lives, r.apps = b.Log, b.Random, b.ids, b.lives, b.apps
	} else {
		r.begin()
	}
	t.Cleanup(r.client.CloseIdleConnections)
	r.Configure(r.Caddyfile(""))
	return r
}

// begin makes what rigs beside this one share: the record, the apps, and ids.
func (r *Rig) begin() {
	seed := Seed(r.t)
	r.Log, r.Random, r.lives = history.New(seed), rand.New(rand.NewPCG(seed, 0)), new(atomic.Int64)
	r.ids = &ids{from: rand.NewChaCha8([32]byte(fmt.Appendf(nil, "%032d", seed)))}
	for _, route := range r.o.Routes {
		r.apps = append(r.apps, newApp(r.t, r.Log, r.o.Host, route))
	}
	r.StartApps()
}

// freeAddress is proctest.FreeAddress at another address of this machine.
func freeAddress(t testing.TB, host string) string {
	t.Helper()
	_, port, _ := net.SplitHostPort(proctest.FreeAddress(t))
	return net.JoinHostPort(host, port)
}

// App is the app behind a route.
func (r *Rig) App(route string) *App {
	r.t.Helper()
	for _, a := range r.apps {
		if a.route.Name == route {
			return a
		}
	}
	r.t.Fatalf("no route is named %q", route)
	return nil
}

// StartApps starts all apps that do not run.
func (r *Rig) StartApps() {
	r.t.Helper()
	for _, a := range r.apps {
		a.Start()
	}
}

// StopApps stops them.
func (r *Rig) StopApps() {
	for _, a := range r.apps {
		a.Stop()
	}
}

// Configure writes the file that the next Start or Reload reads.
func (r *Rig) Configure(text string) {
	r.t.Helper()
	if err := os.WriteFile(r.Config(), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// Use has the next processes run another binary.
func (r *Rig) Use(binary string) { r.o.Binary = binary }

// Config is the file that Configure writes.
func (r *Rig) Config() string { return filepath.Join(r.Dir, "Caddyfile") }
