package metrics

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inboxgate/inboxgate/internal/minutes"
	"github.com/inboxgate/inboxgate/verify"
)

// Reasons of a quarantined event, as labels.
const (
	Odd      = "odd"
	Conflict = "conflict"
	Stale    = "stale"
)

const unavailable = "unavailable"

// refused holds the reason of a refusal by its status.
var refused = map[int]string{
	http.StatusMethodNotAllowed:      "method",
	http.StatusRequestTimeout:        "timeout",
	http.StatusRequestEntityTooLarge: "too_large",
	http.StatusUnsupportedMediaType:  "encoding",
	http.StatusLoopDetected:          "loop",
	http.StatusBadRequest:            "malformed",
}

// unsigned holds the reason of a 401 by what verify says.
var unsigned = map[string]string{
	verify.ErrMissing.Error():   "signature_missing",
	verify.ErrMalformed.Error(): "signature_malformed",
	verify.ErrMismatch.Error():  "signature_mismatch",
}

// Reason returns the label of a refusal: one of a few words, whatever a request has
// done.
func Reason(status int, reason string) string {
	why := refused[status]
	if status == http.StatusUnauthorized {
		why = unsigned[reason]
	}
	if why == "" {
		return unavailable
	}
	return why
}

// Reasons returns every label that Reason may return.
func Reasons() []string {
	return slices.Concat([]string{unavailable}, slices.Collect(maps.Values(refused)), slices.Collect(maps.Values(unsigned)))
}

// Caught is where a duplicate was caught.
type Caught uint8

// Places where duplicates are caught: in the store, in memory, and beside the first
// copy, which was not answered yet.
const (
	InStore Caught = iota
	InCache
	InFlight
)

// Source counts the requests of a source.
type Source struct {
	accepts               *Recent // Of the process.
	minutes               *minutes.Source
	accepted, duplicate   prometheus.Counter
	caught                [InFlight + 1]prometheus.Counter
	quarantined, rejected map[string]prometheus.Counter // By reason; not changed once made.
	accept                prometheus.Observer           // Seconds.
}

// Source returns the counters of a source.
func (m *Counters) Source(name string) *Source {
	caught := func(where string) prometheus.Counter { return m.duplicates.WithLabelValues(name, where) }
	request := func(result, why string) prometheus.Counter { return m.requests.WithLabelValues(name, result, why) }
	s := &Source{
		accepts:  &m.Accepts,
		minutes:  m.Minutes.Source(name),
		accepted: request("accepted", ""), duplicate: request("duplicate", ""),
		caught:      [...]prometheus.Counter{InStore: caught("store"), InCache: caught("cache"), InFlight: caught("flight")},
		quarantined: make(map[string]prometheus.Counter),
		rejected:    make(map[string]prometheus.Counter),
		accept:      m.accept.WithLabelValues(name),
	}
	for _, why := range []string{Odd, Conflict, Stale} {
		s.quarantined[why] = request("quarantined", why)
	}
	for _, why := range Reasons() {
		s.rejected[why] = request("rejected", why)
	}
	return s
}

// Accepted counts an event that was new, came at a time, and was answered 200 after took.
func (s *Source) Accepted(came time.Time, took time.Duration) {
	s.accepts.Add(1)
	s.accepted.Inc()
	s.minutes.Accepted(came, took)
	s.accept.Observe(took.Seconds())
}

// Duplicate counts a copy, caught there.
func (s *Source) Duplicate(by Caught, came time.Time, took time.Duration) {
	s.duplicate.Inc()
	s.minutes.Duplicate(came, took)
	s.caught[by].Inc()
	s.accept.Observe(took.Seconds())
}

// Quarantined counts what was set aside: Odd, in Conflict, or Stale.
func (s *Source) Quarantined(why string, came time.Time, took time.Duration) {
	s.quarantined[why].Inc()
	s.minutes.Quarantined(came, took)
	s.accept.Observe(took.Seconds())
}

// Rejected counts a refusal by its Reason.
func (s *Source) Rejected(why string) {
	s.rejected[why].Inc()
	s.minutes.Refused(why)
}
