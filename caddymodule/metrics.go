package caddymodule

import (
	"errors"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// meters are the counters of this process. They outlive a configuration, and
// are registered with the registry of each, so that a reload resets nothing.
// All labels come from the configuration, or from the fixed words below.
type meters struct {
	requests, duplicates, signatures  *prometheus.CounterVec
	attempts, deliveries, slower      *prometheus.CounterVec
	missed                            prometheus.Counter
	accept, attemptTime, deliveryTime *prometheus.HistogramVec
}

var meter = sync.OnceValue(func() *meters {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "inbox_" + name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "inbox_" + name, Help: help, Buckets: buckets}, labels)
	}
	return &meters{
		requests:     counter("requests_total", "Requests by result (accepted, duplicate, quarantined, rejected) and reason.", "source", "result", "reason"),
		duplicates:   counter("duplicates_total", "Duplicates by where they were caught: cache (memory), flight (beside the first copy) or store.", "source", "caught"),
		signatures:   counter("signatures_total", "Valid signatures by the secret that matched, named by its fingerprint.", "source", "secret"),
		missed:       prometheus.NewCounter(prometheus.CounterOpts{Name: "inbox_missed_total", Help: "Requests with a signature header that came to no webhook: another path or host."}),
		attempts:     counter("attempts_total", "Attempts to deliver by outcome: delivered, failed, or free (used none of the schedule).", "source", "route", "outcome"),
		deliveries:   counter("deliveries_total", "Deliveries that ended, by outcome: delivered or dead.", "source", "route", "outcome"),
		slower:       counter("slower_total", "Answers by which an app asked for a slower pace: 429, and 503 with Retry-After or while others pass.", "source", "route"),
		accept:       histogram("accept_seconds", "Time from a request to its answer 200.", acceptBuckets, "source"),
		attemptTime:  histogram("attempt_seconds", "Time an attempt took.", attemptBuckets, "source", "route"),
		deliveryTime: histogram("delivery_seconds", "Time from the receipt of an event to its delivery; replays are not in it.", deliveryBuckets, "source", "route"),
	}
})

var (
	acceptBuckets   = []float64{.0005, .001, .002, .004, .008, .016, .032, .064, .125, .25, .5, 1, 2, 4, 8}
	attemptBuckets  = []float64{.001, .002, .004, .008, .016, .032, .064, .125, .25, .5, 1, 2.5, 5, 10, 30}
	deliveryBuckets = []float64{.002, .004, .008, .016, .032, .064, .125, .25, .5, 1, 5, 30, 150, 630, 2550, 9750, 43200}
)

func (m *meters) register(r *prometheus.Registry) error {
	var errs []error
	for _, c := range []prometheus.Collector{
		m.requests, m.duplicates, m.signatures, m.missed, m.attempts, m.deliveries, m.slower, m.accept, m.attemptTime, m.deliveryTime,
	} {
		var already prometheus.AlreadyRegisteredError
		if err := r.Register(c); err != nil && !errors.As(err, &already) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// routeMeters are a route's, found once.
type routeMeters struct {
	delivered, failed, free prometheus.Counter
	ended, dead, slower     prometheus.Counter
	took, total             prometheus.Observer
}

func (m *meters) route(k spool.RouteKey) *routeMeters {
	at := func(c *prometheus.CounterVec, outcome string) prometheus.Counter {
		return c.WithLabelValues(k.Source, k.Route, outcome)
	}
	return &routeMeters{
		delivered: at(m.attempts, "delivered"), failed: at(m.attempts, "failed"), free: at(m.attempts, "free"),
		ended: at(m.deliveries, "delivered"), dead: at(m.deliveries, "dead"),
		slower: m.slower.WithLabelValues(k.Source, k.Route),
		took:   m.attemptTime.WithLabelValues(k.Source, k.Route), total: m.deliveryTime.WithLabelValues(k.Source, k.Route),
	}
}
