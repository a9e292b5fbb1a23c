package control

import (
	"cmp"
	"sync"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Bulk is what is to be done with many events.
type Bulk struct {
	Filter Filter `json:"filter"`
	// All confirms that the filter is to choose everything.
	All bool `json:"all,omitempty"`
	// DryRun counts what would be changed, and changes nothing.
	DryRun bool `json:"dry_run,omitempty"`
	// Rate is how many events a second are sent again. Default 100, at most 10000.
	Rate float64 `json:"rate,omitempty"`
	// Max ends after so many events were changed. 0 means no end.
	Max int64 `json:"max,omitempty"`
	// Route sends to that route alone, also where the event had none for it.
	// Default: the filter's route, or else every route of the event.
	Route string `json:"route,omitempty"`
	// OnlyState sends again only deliveries that are in the filter's state
	// themselves, which must be delivered, dead or discarded: other deliveries
	// of the same events are left alone. It excludes Route.
	OnlyState bool `json:"only_state,omitempty"`
	// Reason is why, for the audit log. Nothing else depends on it.
	Reason string `json:"reason,omitempty"`
}

const (
	defaultRate = 100
	maxRate     = 10000
	// stepEvery is the time between two steps of an answer.
	stepEvery = 250 * time.Millisecond
)

// check returns an error for what makes no sense, and sets the defaults.
func (b *Bulk) check(list Lists) error {
	if err := b.Filter.check(list); err != nil {
		return err
	}
	switch {
	case b.Filter.empty() && !b.All:
		return bad("no filter would choose every event: give one, or set all")
	case b.Rate < 0 || b.Rate > maxRate:
		return bad("rate must be between 0 and 10000 events a second")
	case b.Max < 0:
		return bad("max must not be negative")
	case b.OnlyState && !finished(states[b.Filter.State]):
		return bad("only_state needs a filter whose state is delivered, dead or discarded")
	case b.OnlyState && b.Route != "":
		return bad("only_state and route exclude each other: name the route in the filter")
	}
	if b.Rate == 0 {
		b.Rate = defaultRate
	}
	return nil
}

// replay sends again what the filter chooses, newest first: the log is read from its
// end, so that events which come meanwhile are not among them.
func (a *api) replay(r *request, s *stream) error {
	b, q, err := a.bulk(r, OfEvents)
	if err != nil {
		return err
	}
	if b.Filter.Source != "" {
		if err := a.knows(r.Context(), b.Filter.Source, b.Route); err != nil {
			return err
		}
	}
	pace := newPacer(a, b.Rate)
	step, err := a.walk(r, s, b, q, func(rec spool.Record, step *Step) (int, error) {
		if b.DryRun {
			return len(a.targets(b, rec, step)), nil
		}
		return a.sendAgain(r.Context(), b, pace, rec, step)
	})
	if !b.DryRun {
		a.audit(r, "replay", b.Reason, "filter", b.Filter.logged(), "route", b.Route, "events", step.Matched-step.Skipped, "deliveries", step.Changed)
	}
	return err
}

// bulk reads what is to be done with many events or entries of a list.
func (a *api) bulk(r *request, list Lists) (b Bulk, q spool.Query, err error) {
	if err = readBody(r, &b); err != nil {
		return b, q, err
	}
	if list == OfDead && b.Filter.State == "dead" {
		b.Filter.State, b.All = "", true // They all are.
	}
	if err = b.check(list); err != nil {
		return b, q, err
	}
	if err = a.sane(b.Filter); err != nil {
		return b, q, err
	}
	q, err = a.query(b.Filter, list)
	q.Limit = 200
	return b, q, err
}

// atOnce is how many events are changed at the same time, so that they share commits.
const atOnce = 32

// walk calls do with each event that a query chooses, and sends steps. do returns how
// many deliveries it changed.
func (a *api) walk(r *request, s *stream, b Bulk, q spool.Query, do func(spool.Record, *Step) (int, error)) (step Step, err error) {
	sent := time.Now()
	begun := progress{began: sent, max: b.Max}
	if begun.total, err = a.count(r.Context(), q); err != nil {
		return step, err
	}
	step.Total, step.Partial = begun.total.N, begun.total.Partial
	for {
		page, err := a.Store.Records(r.Context(), q)
		if err != nil {
			return step, err
		}
		for rest := page.Records; len(rest) > 0; {
			n := min(len(rest), atOnce)
			if b.Max > 0 {
				// Never more than may still be changed.
				n = int(min(int64(n), b.Max-(step.Matched-step.Skipped)))
			}
			err := together(rest[:n], do, &step)
			rest, s.last = rest[n:], step
			if err != nil || b.Max > 0 && step.Matched-step.Skipped >= b.Max {
				return step, err
			}
			if time.Since(sent) >= stepEvery {
				sent = time.Now()
				if err := s.send(begun.at(step, sent)); err != nil {
					return step, err
				}
				s.last = step // It may be the last, which has no rest and no rate.
			}
		}
		if q.Cursor = page.Next; q.Cursor == 0 {
			return step, r.Context().Err()
		}
	}
}

// together calls do with a few events at the same time, and adds up what came of it in
// their order.
func together(recs []spool.Record, do func(spool.Record, *Step) (int, error), step *Step) error {
	type end struct {
		step Step
		n    int
		err  error
	}
	ends := make([]end, len(recs))
	var wg sync.WaitGroup
	for i, rec := range recs {
		wg.Go(func() { ends[i].n, ends[i].err = do(rec, &ends[i].step) })
	}
	wg.Wait()
	var failed error
	for _, e := range ends {
		step.Changed += int64(e.n)
		if e.err != nil {
			failed = cmp.Or(failed, e.err)
			continue
		}
		step.Matched++
		if e.n == 0 {
			step.Skipped++
		}
		step.Unrouted += e.step.Unrouted
		for _, p := range e.step.PassedOver {
			for range p.Deliveries {
				step.passOver(p.Source, p.Route)
			}
		}
	}
	return failed
}

// discardAll lets the dead letters go that the filter chooses.
func (a *api) discardAll(r *request, s *stream) error {
	b, q, err := a.bulk(r, OfDead)
	if err != nil {
		return err
	}
	route := cmp.Or(b.Route, b.Filter.Route)
	step, err := a.walk(r, s, b, q, func(rec spool.Record, _ *Step) (n int, err error) {
		for _, v := range rec.Deliveries {
			if v.State != spool.Dead || route != "" && route != v.Route || !b.Filter.lastWas(v) {
				continue
			}
			one := 1
			if !b.DryRun {
				if one, err = a.Store.Discard(r.Context(), rec.Event.Seq, v.Route); err != nil {
					return n, err
				}
			}
			n += one
		}
		return n, nil
	})
	if !b.DryRun {
		a.audit(r, "discard", b.Reason, "filter", b.Filter.logged(), "deliveries", step.Changed)
	}
	return err
}
