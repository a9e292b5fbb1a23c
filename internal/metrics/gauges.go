package metrics

import (
	"crypto/sha256"
	"encoding/hex"
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
	// Label tells stores apart: see LabelOf. What members of one store all show has it,
	// so that the store is counted once.
	Label string
	// Store holds the figures of the store, nil for an engine that has none.
	Store *spool.Stats
	// Database holds those of a database that has the store, nil for none.
	Database *Database
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

// Database is what there is to know of a database that holds a store.
type Database struct {
	// Members counts the live processes that have the store open, Connections those of
	// this one to the database, and Standbys the synchronous standbys.
	Members, Connections, Standbys int
	// Ambiguous counts the commits whose outcome had to be asked for, and Reconnects the
	// connections that were made again, of this process.
	Ambiguous, Reconnects uint64
	// Snapshot is the age of the oldest snapshot that keeps dead rows from removal.
	Snapshot time.Duration
	// Blind reports that Standbys and Snapshot cannot be seen: neither is shown.
	Blind bool
	// Dead estimates the dead rows of our tables.
	Dead int64
	// Durability is what this process was configured with, in a word.
	Durability string
}

// LabelOf returns the value of the label store for a store of that identity: eight
// hexadecimal digits, from which the identity cannot be found.
func LabelOf(identity string) string {
	sum := sha256.Sum256([]byte("store " + identity))
	return hex.EncodeToString(sum[:4])
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
	storeUp       = newGauge("store_up", "1 while the store works.", "store")
	storeRefusing = newGauge("store_refusing", "1 while new events get 503 because the store or its disk is full.", "store")
	storeUsed     = newGauge("store_used_bytes", "Bytes in use in the store, of at most inbox_store_max_bytes; up to 5 s old.", "store")
	storeMax      = newGauge("store_max_bytes", "What the store may use: max_size.", "store")
	storeShare    = newGauge("store_used_ratio", "The share of max_size that is in use.", "store")
	storeFile     = newGauge("store_file_bytes", "Size of the store's file.", "store")
	storeLog      = newGauge("store_log_bytes", "Size of the write-ahead log.", "store")
	storeFull     = newGauge("store_full_seconds", "Time until the store is full at the rate of the last minutes; +Inf while it does not grow.", "store")
	diskFree      = newGauge("disk_free_bytes", "Free space of the store's file system; up to 5 s old.")
	diskFloor     = newGauge("disk_floor_bytes", "Free space below which new events get 503.")
	clockOff      = newGauge("clock_off_seconds", "How far the machine's clock is ahead of what the platform signs, or below zero behind; 0 while nothing speaks against it.")
	commits       = newTotal("store_commits_total", "Commits that were flushed to disk.")
	commitCalls   = newTotal("store_commit_calls_total", "Calls that shared those commits: divided by them, the size of a batch.")
	reopened      = newTotal("store_reopened_total", "How often the store failed and was reopened.")
	oddEntries    = newGauge("quarantine_entries", "Entries in quarantine.", "store")
	oddBytes      = newGauge("quarantine_bytes", "Bytes in quarantine, of at most a tenth of max_size.", "store")
	leasesLost    = newTotal("leases_lost_total", "Deliveries that were taken over because their lease ran out.")

	members       = newGauge("store_members", "Processes that have the store open and were heard of in the last minute.", "store")
	dbConnections = newGauge("db_connections", "Connections of this process to the database that holds the store.")
	dbAmbiguous   = newTotal("db_ambiguous_total", "Commits whose outcome was not known, and had to be asked for.")
	dbReconnects  = newTotal("db_reconnects_total", "Connections to the database that were lost and made again.")
	dbSnapshot    = newGauge("db_oldest_snapshot_seconds", "Age of the oldest snapshot in the database: what is removed stays on its disk for so long.", "store")
	dbDead        = newGauge("db_dead_rows", "Dead rows in the tables of the store, about.", "store")
	dbStandbys    = newGauge("db_standbys", "Standbys that commits wait for; durability is what this process asks for.", "store", "durability")

	routeLabels   = []string{"source", "route"}
	storeLabels   = []string{"store", "source", "route"}
	routeWaiting  = newGauge("route_waiting", "Deliveries that wait for their first or next attempt.", storeLabels...)
	routeRunning  = newGauge("route_running", "Attempts in flight, or about to be.", storeLabels...)
	routeDead     = newGauge("route_dead", "Dead letters.", storeLabels...)
	routeHeld     = newGauge("route_held", "1 while the route is held: no inboxgate that serves it reaches its upstream, or an operator holds it.", storeLabels...)
	routeHeldHere = newGauge("route_held_here", "1 while this process holds the route: it does not reach the upstream, or an operator holds the route.", routeLabels...)
	routeParked   = newGauge("route_parked", "Deliveries of a route that no inboxgate serves any more: it is not configured.", "store", "source")
	routeOldest   = newGauge("route_oldest_seconds", "Age of the oldest event that waits.", storeLabels...)
	routeRate     = newGauge("route_rate", "Attempts a second that may begin: the bound of rate, or what an app that asked for less is given; +Inf for no bound.", routeLabels...)
	routeSlowed   = newGauge("route_slowed", "1 while the route is slowed because its app asked for it.", routeLabels...)
	routePaused   = newGauge("route_paused_seconds", "Time until the next attempt may begin, 0 if at once.", routeLabels...)

	secretValid = newGauge("secret_valid", "1 while what is signed with the secret of that fingerprint is taken, 0 when its time has run out.", "source", "secret")
)

var allGauges = []gauge{
	storeUp, storeRefusing, storeUsed, storeMax, storeShare, storeFile, storeLog, storeFull, diskFree, diskFloor,
	clockOff, commits, commitCalls, reopened, oddEntries, oddBytes, leasesLost,
	members, dbConnections, dbAmbiguous, dbReconnects, dbSnapshot, dbDead, dbStandbys,
	routeWaiting, routeRunning, routeDead, routeHeld, routeHeldHere, routeParked, routeOldest, routeRate, routeSlowed, routePaused, secretValid,
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
	if now.Database != nil {
		now.database(send)
	}
	send(leasesLost, float64(now.LeasesLost))
	if now.Routes != nil {
		now.routes(send)
	}
}

type sendGauge func(g gauge, v float64, labels ...string)

func (now *State) store(send sendGauge) {
	s := now.Store
	send(storeUp, truth(s.Unavailable == nil), now.Label)
	send(storeRefusing, truth(s.Refusing), now.Label)
	send(storeUsed, float64(s.Used), now.Label)
	send(storeMax, now.Max, now.Label)
	send(storeShare, float64(s.Used)/now.Max, now.Label)
	send(storeFile, float64(s.File), now.Label)
	send(storeLog, float64(s.Log), now.Label)
	send(storeFull, now.Full, now.Label)
	if s.Free > 0 {
		send(diskFree, float64(s.Free))
	}
	if now.Database == nil { // The disk of a database is not ours to see.
		send(diskFloor, float64(s.Floor))
	}
	send(clockOff, s.ClockOff.Seconds())
	send(commits, float64(s.Commits))
	send(commitCalls, float64(s.Calls))
	send(reopened, float64(s.Failures))
	send(oddEntries, float64(s.Odd), now.Label)
	send(oddBytes, float64(s.Quarantine), now.Label)
}

func (now *State) database(send sendGauge) {
	d := now.Database
	send(members, float64(d.Members), now.Label)
	send(dbConnections, float64(d.Connections))
	send(dbAmbiguous, float64(d.Ambiguous))
	send(dbReconnects, float64(d.Reconnects))
	send(dbDead, float64(d.Dead), now.Label)
	if !d.Blind {
		send(dbSnapshot, d.Snapshot.Seconds(), now.Label)
		send(dbStandbys, float64(d.Standbys), now.Label, d.Durability)
	}
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
		at, shared := []string{s.Key.Source, s.Key.Route}, []string{now.Label, s.Key.Source, s.Key.Route}
		send(routeWaiting, float64(s.Waiting), shared...)
		send(routeRunning, float64(s.Running), shared...)
		send(routeDead, float64(s.Dead), shared...)
		send(routeHeld, truth(s.Hold != nil), shared...)
		send(routeHeldHere, truth(s.HeldHere != nil), at...)
		age := 0.0
		if !s.Oldest.IsZero() {
			age = max(time.Since(s.Oldest).Seconds(), 0)
		}
		send(routeOldest, age, shared...)
		sendPace(send, now.Pace(s.Key), at)
	}
	for source, n := range parked {
		send(routeParked, float64(n), now.Label, source)
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
