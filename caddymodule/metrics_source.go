package caddymodule

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inboxgate/inboxgate/verify"
)

// Reasons of a result, as labels.
const (
	whyNone        = ""
	whyOdd         = "odd"
	whyConflict    = "conflict"
	whyStale       = "stale"
	whyUnavailable = "unavailable"
)

// whyRefused are the reasons of a refusal by its status.
var whyRefused = map[int]string{
	http.StatusMethodNotAllowed:      "method",
	http.StatusRequestTimeout:        "timeout",
	http.StatusRequestEntityTooLarge: "too_large",
	http.StatusUnsupportedMediaType:  "encoding",
	http.StatusLoopDetected:          "loop",
	http.StatusBadRequest:            "malformed",
}

// whyUnsigned are the reasons of a 401.
var whyUnsigned = map[string]string{
	verify.ErrMissing.Error():   "signature_missing",
	verify.ErrMalformed.Error(): "signature_malformed",
	verify.ErrMismatch.Error():  "signature_mismatch",
}

// reasonLabel is one of the words above, whatever a request has done.
func reasonLabel(status int, reason string) string {
	why := whyRefused[status]
	if status == http.StatusUnauthorized {
		why = whyUnsigned[reason]
	}
	if why == whyNone {
		return whyUnavailable
	}
	return why
}

// sourceMeters are a source's, found once. All exist from the start at 0,
// because a rate does not see a series begin.
type sourceMeters struct {
	accepted, duplicate   prometheus.Counter
	cache, flight, store  prometheus.Counter
	quarantined, rejected map[string]prometheus.Counter // by reason
	accept                prometheus.Observer
}

func (m *meters) source(name string) *sourceMeters {
	caught := func(where string) prometheus.Counter { return m.duplicates.WithLabelValues(name, where) }
	request := func(result, why string) prometheus.Counter { return m.requests.WithLabelValues(name, result, why) }
	s := &sourceMeters{
		accepted: request(resultAccepted, whyNone), duplicate: request(resultDuplicate, whyNone),
		cache: caught("cache"), flight: caught("flight"), store: caught("store"),
		quarantined: make(map[string]prometheus.Counter),
		rejected:    map[string]prometheus.Counter{whyUnavailable: request(resultRejected, whyUnavailable)},
		accept:      m.accept.WithLabelValues(name),
	}
	for _, why := range []string{whyOdd, whyConflict, whyStale} {
		s.quarantined[why] = request(resultQuarantined, why)
	}
	for _, why := range whyRefused {
		s.rejected[why] = request(resultRejected, why)
	}
	for _, why := range whyUnsigned {
		s.rejected[why] = request(resultRejected, why)
	}
	return s
}

// answered counts a 200.
func (s *sourceMeters) answered(a answer, odd bool, took time.Duration) {
	s.accept.Observe(took.Seconds())
	switch {
	case a.result == resultAccepted:
		accepts.n.Add(1)
		s.accepted.Inc()
	case a.result == resultDuplicate:
		s.duplicate.Inc()
		s.caught(a.caught).Inc()
	case odd:
		s.quarantined[whyOdd].Inc()
	case a.reason == conflicting:
		s.quarantined[whyConflict].Inc()
	default:
		s.quarantined[whyStale].Inc()
	}
}

func (s *sourceMeters) caught(in caughtIn) prometheus.Counter {
	switch in {
	case caughtInCache:
		return s.cache
	case caughtInFlight:
		return s.flight
	}
	return s.store
}
