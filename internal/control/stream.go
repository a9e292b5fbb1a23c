package control

import (
	"encoding/json"
	"math"
	"net/http"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Step is one line of the answer to a call that takes long. The last line has
// Done or Error set, and its counts are final.
type Step struct {
	// Matched counts the events or entries so far. Changed counts what was changed of
	// them: deliveries, entries, or (of Compact) bytes that were freed. Skipped counts
	// the events and entries that had nothing to change.
	Matched int64 `json:"matched"`
	Changed int64 `json:"changed"`
	Skipped int64 `json:"skipped"`
	// PassedOver are the routes that were left out of a replay, because they are not
	// configured.
	PassedOver []PassedOver `json:"passed_over,omitempty"`
	// Unrouted counts the released entries that no route takes.
	Unrouted int64 `json:"unrouted,omitempty"`
	// Total is how many events or entries the filter chose when the call began, at
	// least that many where Partial.
	Total   int64 `json:"total,omitempty"`
	Partial bool  `json:"partial,omitempty"`
	// Rest is how many are still to come, and Rate how many came a second so far. The
	// last line has neither.
	Rest int64   `json:"rest,omitempty"`
	Rate float64 `json:"rate,omitempty"`
	// Part and Whole are how many bytes of a compaction are done, of how many.
	Part  int64  `json:"part,omitempty"`
	Whole int64  `json:"whole,omitempty"`
	Done  bool   `json:"done,omitempty"`
	Error string `json:"error,omitempty"`
}

// progress is what a bulk change knows of itself beside its counts.
type progress struct {
	began time.Time
	total spool.Count // when it began
	max   int64       // events to change at most, 0 for no end
}

// at returns a step with its rest and its rate.
func (p progress) at(step Step, now time.Time) Step {
	step.Rest = max(p.total.N-step.Matched, 0)
	if p.max > 0 {
		step.Rest = min(step.Rest, p.max-(step.Matched-step.Skipped))
	}
	if d := now.Sub(p.began).Seconds(); d > 0 {
		step.Rate = math.Round(10*float64(step.Matched)/d) / 10
	}
	return step
}

// stream writes steps, a line of JSON each, as they come.
type stream struct {
	w     http.ResponseWriter
	begun bool // a step was written, so the status can be no other than 200
	last  Step // the newest step, written or not
}

// send writes one step.
func (s *stream) send(step Step) error {
	s.last = step
	if !s.begun {
		s.begun = true
		h := s.w.Header()
		h.Set("Content-Type", "application/x-ndjson")
		h.Set("Cache-Control", "no-store")
	}
	raw, err := json.Marshal(step)
	if err != nil {
		return err
	}
	if _, err := s.w.Write(append(raw, '\n')); err != nil {
		return err
	}
	return http.NewResponseController(s.w).Flush()
}

// follow serves a call whose answer is a stream of steps. All of them change
// something, so the caller must be trusted.
func (a *api) follow(f func(*request, *stream) error) http.HandlerFunc {
	return func(w http.ResponseWriter, hr *http.Request) {
		r := a.request(hr)
		s := &stream{w: w}
		err := r.needTrust()
		if err == nil {
			err = f(r, s)
		}
		switch {
		case err == nil:
			s.last.Done = true
			_ = s.send(s.last)
		case s.begun:
			s.last.Error = asError(err).Message
			_ = s.send(s.last)
		default:
			writeError(w, err)
		}
	}
}
