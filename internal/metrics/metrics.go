// Package metrics counts what happens to events, and describes the store, for
// Prometheus and for the operator.
//
// Guarantee: counters outlive a configuration, so that a reload resets nothing, and
// every series of a source or a route exists from its start at 0, because a rate does
// not see a series begin. All labels come from the configuration or from fixed words.
//
// Limits: counters begin at 0 in each process.
package metrics

import (
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inboxgate/inboxgate/internal/minutes"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// Counters are the counters of this process. They are registered with the registry of
// each configuration.
type Counters struct {
	// Accepts counts the events that were accepted as new.
	Accepts Recent
	// Missed counts requests with a signature header that came to no webhook.
	Missed prometheus.Counter
	// Minutes has what happened in the last hour, for the operator.
	Minutes *minutes.Hour

	used                              signatureTimes // of secrets
	requests, duplicates, signatures  *prometheus.CounterVec
	attempts, deliveries, slower      *prometheus.CounterVec
	unclear                           *prometheus.CounterVec
	accept, attemptTime, deliveryTime *prometheus.HistogramVec
	commit                            *prometheus.HistogramVec
}

// Process returns the counters of the process. docs/reference.md is read from the calls
// of counter and histogram below, which put inbox_ before each name.
var Process = sync.OnceValue(func() *Counters {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "inbox_" + name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "inbox_" + name, Help: help, Buckets: buckets}, labels)
	}
	return &Counters{
		Minutes:      minutes.New(Reasons()...),
		requests:     counter("requests_total", "Requests by result (accepted, duplicate, quarantined, rejected) and reason.", "source", "result", "reason"),
		duplicates:   counter("duplicates_total", "Duplicates by where they were caught: cache (memory), flight (beside the first copy) or store.", "source", "caught"),
		signatures:   counter("signatures_total", "Valid signatures by the secret that matched, named by its fingerprint.", "source", "secret"),
		Missed:       counter("missed_total", "Requests with a signature header that came to no webhook: another path or host.").WithLabelValues(),
		attempts:     counter("attempts_total", "Attempts to deliver by outcome: delivered, failed, or free (used none of the schedule).", "source", "route", "outcome"),
		deliveries:   counter("deliveries_total", "Deliveries that ended, by outcome: delivered or dead.", "source", "route", "outcome"),
		slower:       counter("slower_total", "Answers by which an app asked for a slower pace: 429, and 503 with Retry-After or while others pass.", "source", "route"),
		unclear:      counter("condition_errors_total", "Events of which the `if` of a route was neither true nor false, so that it did not take them: a member is missing or of another type.", "source", "route"),
		accept:       histogram("accept_seconds", "Time from a request to its answer 200.", acceptBuckets, "source"),
		attemptTime:  histogram("attempt_seconds", "Time an attempt took.", attemptBuckets, "source", "route"),
		commit:       histogram("db_commit_seconds", "Time a commit took in the database that holds the store, with the way there and back.", commitBuckets),
		deliveryTime: histogram("delivery_seconds", "Time from the receipt of an event to its delivery; replays are not in it.", deliveryBuckets, "source", "route"),
	}
})

var (
	acceptBuckets   = []float64{.0005, .001, .002, .004, .008, .016, .032, .064, .125, .25, .5, 1, 2, 4, 8}
	attemptBuckets  = []float64{.001, .002, .004, .008, .016, .032, .064, .125, .25, .5, 1, 2.5, 5, 10, 30}
	commitBuckets   = []float64{.00025, .0005, .001, .002, .004, .008, .016, .032, .064, .125, .25, .5, 1, 2, 4, 8, 16}
	deliveryBuckets = []float64{.002, .004, .008, .016, .032, .064, .125, .25, .5, 1, 5, 30, 150, 630, 2550, 9750, 43200}
)

// Register registers the counters with the registry of a configuration.
func (m *Counters) Register(r *prometheus.Registry) error {
	var already prometheus.AlreadyRegisteredError
	if err := r.Register(m); err != nil && !errors.As(err, &already) {
		return err
	}
	return nil
}

// each calls f with every field of m. What is missing here is never shown.
func (m *Counters) each(f func(prometheus.Collector)) {
	for _, c := range []prometheus.Collector{
		m.requests, m.duplicates, m.signatures, m.Missed, m.attempts, m.deliveries, m.slower, m.unclear, m.accept, m.attemptTime, m.deliveryTime, m.commit,
	} {
		f(c)
	}
}

// Describe implements prometheus.Collector.
func (m *Counters) Describe(ch chan<- *prometheus.Desc) {
	m.each(func(c prometheus.Collector) { c.Describe(ch) })
}

// Collect implements prometheus.Collector.
func (m *Counters) Collect(ch chan<- prometheus.Metric) {
	m.each(func(c prometheus.Collector) { c.Collect(ch) })
}

// Commit returns what records how long a commit in a database took. Where no store is
// in one there is no such series.
func (m *Counters) Commit() func(time.Duration) {
	seconds := m.commit.WithLabelValues()
	return func(d time.Duration) { seconds.Observe(d.Seconds()) }
}

// Unclear returns the counter of events that the `if` of a route could not judge.
func (m *Counters) Unclear(k spool.RouteKey) prometheus.Counter {
	return m.unclear.WithLabelValues(k.Source, k.Route)
}

// Route counts the attempts and deliveries of a route.
type Route struct {
	delivered, failed, free prometheus.Counter // Attempts.
	ended, dead             prometheus.Counter // Deliveries; ended well, or as dead letters.
	slower                  prometheus.Counter // Answers that asked for a slower pace.
	minutes                 *minutes.Route
	took, total             prometheus.Observer // Seconds.
}

// Route returns the counters of a route.
func (m *Counters) Route(k spool.RouteKey) *Route {
	at := func(c *prometheus.CounterVec, outcome string) prometheus.Counter {
		return c.WithLabelValues(k.Source, k.Route, outcome)
	}
	return &Route{
		minutes:   m.Minutes.Route(k.Source, k.Route),
		delivered: at(m.attempts, "delivered"), failed: at(m.attempts, "failed"), free: at(m.attempts, "free"),
		ended: at(m.deliveries, "delivered"), dead: at(m.deliveries, "dead"),
		slower: m.slower.WithLabelValues(k.Source, k.Route),
		took:   m.attemptTime.WithLabelValues(k.Source, k.Route), total: m.deliveryTime.WithLabelValues(k.Source, k.Route),
	}
}

// Attempted counts an attempt of d, after which d is in that state.
func (r *Route) Attempted(d spool.Delivery, a spool.Attempt, state spool.State) {
	r.took.Observe(a.Took.Seconds())
	end := minutes.Outcome{At: a.Start.Add(a.Took), Took: a.Took, Status: a.Status, Error: a.Error}
	if state == spool.Delivered {
		r.minutes.Delivered(end)
	} else {
		r.minutes.Failed(end)
	}
	switch {
	case state == spool.Delivered:
		r.delivered.Inc()
		r.ended.Inc()
		if d.Replay == 0 {
			r.total.Observe(max(a.Start.Add(a.Took).Sub(d.Event.Received).Seconds(), 0))
		}
	case a.Free:
		r.free.Inc()
	default:
		r.failed.Inc()
	}
}

// Died counts a dead letter.
func (r *Route) Died() {
	r.dead.Inc()
	r.minutes.Died()
}

// Slower counts an answer by which the app asked for a slower pace.
func (r *Route) Slower() { r.slower.Inc() }
