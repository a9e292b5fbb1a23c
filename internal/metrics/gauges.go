package metrics

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// Gauges are what there is to know of the store and the routes at the moment that
// somebody asks, totals that the store counts itself among them. What is counted by
// events of ours is in Counters. Each configuration has its own, with a registry of its own.
type Gauges struct {
	// Now returns the state to show.
	Now func() State
}

// State is what the gauges show.
type State struct {
	Secrets []Secret
	// Open is set if a store is open; else nothing of what follows is shown.
	Open bool
	// Store holds the figures of the store, nil for an engine that has none.
	Store *spool.Stats
	// Max is the store's size at most, in bytes, and Full the seconds until it is
	// reached.
	Max, Full float64
	// LeasesLost counts those of every configuration of this process.
	LeasesLost uint64
	// Routes are the store's, nil if it could not be asked.
	Routes []spool.RouteState
	// Configured holds the routes of this configuration; what waits for others is parked
	// unless another member serves them.
	Configured map[spool.RouteKey]bool
	// Sources are the names of the configured sources that have routes.
	Sources []string
	// Pace returns how fast a route may deliver.
	Pace func(spool.RouteKey) deliver.Pace
}

// Secret is a secret of a source, named by its fingerprint.
type Secret struct {
	Source, Fingerprint string
	Valid               bool // Its time has not run out.
}

type gauge struct {
	*prometheus.Desc
	kind prometheus.ValueType
}

func newGauge(name, help string, labels ...string) gauge {
	return gauge{prometheus.NewDesc("inbox_"+name, help, labels, nil), prometheus.GaugeValue}
}

func newTotal(name, help string) gauge {
	return gauge{prometheus.NewDesc("inbox_"+name, help, nil, nil), prometheus.CounterValue}
}

var (
	storeUp       = newGauge("store_up", "1 while the store works.")
	storeRefusing = newGauge("store_refusing", "1 while new events get 503 because the store or its disk is full.")
	storeUsed     = newGauge("store_used_bytes", "Bytes in use in the store, of at most inbox_store_max_bytes; up to 5 s old.")
	storeMax      = newGauge("store_max_bytes", "What the store may use: max_size.")
	storeShare    = newGauge("store_used_ratio", "The share of max_size that is in use.")
	storeFile     = newGauge("store_file_bytes", "Size of the store's file.")
	storeLog      = newGauge("store_log_bytes", "Size of the write-ahead log.")
	storeFull     = newGauge("store_full_seconds", "Time until the store is full at the rate of the last minutes; +Inf while it does not grow.")
	diskFree      = newGauge("disk_free_bytes", "Free space of the store's file system; up to 5 s old.")
	diskFloor     = newGauge("disk_floor_bytes", "Free space below which new events get 503.")
	clockOff      = newGauge("clock_off_seconds", "How far the machine's clock is ahead of what the platform signs, or below zero behind; 0 while nothing speaks against it.")
	commits       = newTotal("store_commits_total", "Commits that were flushed to disk.")
	commitCalls   = newTotal("store_commit_calls_total", "Calls that shared those commits: divided by them, the size of a batch.")
	reopened      = newTotal("store_reopened_total", "How often the store failed and was reopened.")
	oddEntries    = newGauge("quarantine_entries", "Entries in quarantine.")
	oddBytes      = newGauge("quarantine_bytes", "Bytes in quarantine, of at most a tenth of max_size.")
	leasesLost    = newTotal("leases_lost_total", "Deliveries that were taken over because their lease ran out.")

	routeLabels  = []string{"source", "route"}
	routeWaiting = newGauge("route_waiting", "Deliveries that wait for their first or next attempt.", routeLabels...)
	routeRunning = newGauge("route_running", "Attempts in flight, or about to be.", routeLabels...)
	routeDead    = newGauge("route_dead", "Dead letters.", routeLabels...)
	routeHeld    = newGauge("route_held", "1 while the route is held: no inboxgate that serves it reaches its upstream, or an operator holds it.", routeLabels...)
	routeHere    = newGauge("route_held_here", "1 while this process holds the route: it does not reach the upstream, or an operator holds the route.", routeLabels...)
	routeParked  = newGauge("route_parked", "Deliveries of a route that no inboxgate serves any more: it is not configured.", "source")
	routeOldest  = newGauge("route_oldest_seconds", "Age of the oldest event that waits.", routeLabels...)
	routeRate    = newGauge("route_rate", "Attempts a second that may begin: the bound of rate, or what an app that asked for less is given; +Inf for no bound.", routeLabels...)
	routeSlowed  = newGauge("route_slowed", "1 while the route is slowed because its app asked for it.", routeLabels...)
	routePaused  = newGauge("route_paused_seconds", "Time until the next attempt may begin, 0 if at once.", routeLabels...)

	secretValid = newGauge("secret_valid", "1 while what is signed with the secret of that fingerprint is taken, 0 when its time has run out.", "source", "secret")
)

var allGauges = []gauge{
	storeUp, storeRefusing, storeUsed, storeMax, storeShare, storeFile, storeLog, storeFull, diskFree, diskFloor,
	clockOff, commits, commitCalls, reopened, oddEntries, oddBytes, leasesLost,
	routeWaiting, routeRunning, routeDead, routeHeld, routeHere, routeParked, routeOldest, routeRate, routeSlowed, routePaused, secretValid,
}

// Describe implements prometheus.Collector.
func (Gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, g := range allGauges {
		ch <- g.Desc
	}
}

// Collect implements prometheus.Collector.
func (g Gauges) Collect(ch chan<- prometheus.Metric) {
	send := func(g gauge, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(g.Desc, g.kind, v, labels...)
	}
	now := g.Now()
	for _, s := range now.Secrets {
		send(secretValid, truth(s.Valid), s.Source, s.Fingerprint)
	}
	if !now.Open {
		return
	}
	if now.Store != nil {
		now.store(send)
	}
	send(leasesLost, float64(now.LeasesLost))
	if now.Routes != nil {
		now.routes(send)
	}
}

type sendGauge func(g gauge, v float64, labels ...string)

func (now *State) store(send sendGauge) {
	s := now.Store
	send(storeUp, truth(s.Unavailable == nil))
	send(storeRefusing, truth(s.Refusing))
	send(storeUsed, float64(s.Used))
	send(storeMax, now.Max)
	send(storeShare, float64(s.Used)/now.Max)
	send(storeFile, float64(s.File))
	send(storeLog, float64(s.Log))
	send(storeFull, now.Full)
	if s.Free > 0 {
		send(diskFree, float64(s.Free))
	}
	send(diskFloor, float64(s.Floor))
	send(clockOff, s.ClockOff.Seconds())
	send(commits, float64(s.Commits))
	send(commitCalls, float64(s.Calls))
	send(reopened, float64(s.Failures))
	send(oddEntries, float64(s.Odd))
	send(oddBytes, float64(s.Quarantine))
}

func (now *State) routes(send sendGauge) {
	parked := make(map[string]int64)
	for _, name := range now.Sources {
		parked[name] = 0
	}
	for _, s := range now.Routes {
		if !now.Configured[s.Key] {
			if s.Served == 0 { // Else another member shows it.
				parked[s.Key.Source] += s.Waiting + s.Running
			}
			continue
		}
		at := []string{s.Key.Source, s.Key.Route}
		send(routeWaiting, float64(s.Waiting), at...)
		send(routeRunning, float64(s.Running), at...)
		send(routeDead, float64(s.Dead), at...)
		send(routeHeld, truth(s.Hold != nil), at...)
		send(routeHere, truth(s.HeldHere != nil), at...)
		age := 0.0
		if !s.Oldest.IsZero() {
			age = max(time.Since(s.Oldest).Seconds(), 0)
		}
		send(routeOldest, age, at...)
		sendPace(send, now.Pace(s.Key), at)
	}
	for source, n := range parked {
		send(routeParked, float64(n), source)
	}
}

func sendPace(send sendGauge, p deliver.Pace, at []string) {
	perSecond, pause := math.Inf(1), 0.0
	if p.Rate > 0 {
		perSecond = p.Rate
	}
	if p.Limit > 0 {
		perSecond = min(perSecond, p.Limit)
	}
	if !p.Next.IsZero() {
		pause = max(time.Until(p.Next).Seconds(), 0)
	}
	send(routeRate, perSecond, at...)
	send(routeSlowed, truth(p.Limit > 0), at...)
	send(routePaused, pause, at...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
