package control

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Bulk is what is to be done with many events.
type Bulk struct {
	Filter Filter `json:"filter"`
	// All must be set where the filter chooses everything.
	All bool `json:"all,omitempty"`
	// DryRun counts and changes nothing.
	DryRun bool `json:"dry_run,omitempty"`
	// Rate is how many events a second are sent again. Default 100, at most 10000.
	Rate float64 `json:"rate,omitempty"`
	// Max ends after so many events. 0 means no end.
	Max int64 `json:"max,omitempty"`
	// Route sends to that route alone, also where the event had none for it.
	// Default: the filter's route, or else every route of the event.
	Route string `json:"route,omitempty"`
}

const (
	defaultRate = 100
	maxRate     = 10000
	// crowded is how much may wait in a route before a replay holds back: live
	// events queue behind it, so it must stay short.
	crowded = 32
	// tellEvery paces the steps told.
	tellEvery = 250 * time.Millisecond
)

func (b *Bulk) check() error {
	switch {
	case b.Filter.empty() && !b.All:
		return bad("no filter would choose every event: give one, or set all")
	case b.Rate < 0 || b.Rate > maxRate:
		return bad("rate must be between 0 and 10000 events a second")
	case b.Max < 0:
		return bad("max must not be negative")
	}
	if b.Rate == 0 {
		b.Rate = defaultRate
	}
	if b.Route == "" {
		b.Route = b.Filter.Route
	}
	return nil
}

// replay sends again what the filter chooses, oldest page last: the log is read
// from its end, and what comes meanwhile is not met.
func (a *api) replay(r *request, s *stream) error {
	b, q, err := a.bulk(r)
	if err != nil {
		return err
	}
	if b.Route != "" && b.Filter.Source != "" {
		if err := a.knows(b.Filter.Source, b.Route); err != nil {
			return err
		}
	}
	pace := &pacer{a: a, limit: rate.NewLimiter(rate.Limit(b.Rate), 1)}
	step, err := a.walk(r, s, b, q, func(rec spool.Record) (int, error) {
		if b.DryRun {
			return finished(rec, b.Route), nil
		}
		if unknown := b.Route != "" && a.knows(rec.Event.Source, b.Route) != nil; unknown {
			return 0, nil
		}
		if err := pace.wait(r.Context(), rec, b.Route); err != nil {
			return 0, err
		}
		return a.Store.Redeliver(r.Context(), rec.Event.Seq, b.Route)
	})
	if !b.DryRun {
		a.audit(r, "replay", "filter", b.Filter, "route", b.Route, "events", step.Matched-step.Skipped, "deliveries", step.Changed)
	}
	return err
}

func (a *api) bulk(r *request) (b Bulk, q spool.Query, err error) {
	if err = readBody(r, &b); err != nil {
		return b, q, err
	}
	if err = b.check(); err != nil {
		return b, q, err
	}
	q, err = b.Filter.query()
	q.Limit = 200
	return b, q, err
}

// walk does something with each event that a query chooses.
func (a *api) walk(r *request, s *stream, b Bulk, q spool.Query, do func(spool.Record) (int, error)) (step Step, err error) {
	told := time.Now()
	for {
		page, err := a.Store.Records(r.Context(), q)
		if err != nil {
			return step, err
		}
		for _, rec := range page.Records {
			n, err := do(rec)
			if err != nil {
				return step, err
			}
			step.Matched++
			if step.Changed += int64(n); n == 0 {
				step.Skipped++
			}
			s.last = step
			if b.Max > 0 && step.Matched >= b.Max {
				return step, nil
			}
			if time.Since(told) >= tellEvery {
				told = time.Now()
				if err := s.send(step); err != nil {
					return step, err
				}
			}
		}
		if q.Cursor = page.Next; q.Cursor == 0 {
			return step, r.Context().Err()
		}
	}
}

// finished counts what a replay of the record would make wait again.
func finished(rec spool.Record, route string) (n int) {
	found := route == ""
	for _, d := range rec.Deliveries {
		if route != "" && d.Route != route {
			continue
		}
		found = true
		switch d.State {
		case spool.Delivered, spool.Dead, spool.Discarded:
			n++
		}
	}
	if !found {
		return 1
	}
	return n
}

// pacer keeps a replay from getting in the way of live events.
type pacer struct {
	a     *api
	limit *rate.Limiter
	seen  time.Time
	full  map[spool.RouteKey]bool
}

// wait returns when the next event may go: in its turn, and when few enough
// wait in its routes. A route that is held does not keep it: its replays wait
// there as all else does.
func (p *pacer) wait(ctx context.Context, rec spool.Record, route string) error {
	if err := p.limit.Wait(ctx); err != nil {
		return err
	}
	for {
		if time.Since(p.seen) > tellEvery/5 {
			if err := p.look(ctx); err != nil {
				return err
			}
		}
		busy := false
		for _, d := range rec.Deliveries {
			busy = busy || (route == "" || route == d.Route) && p.full[spool.RouteKey{Source: rec.Event.Source, Route: d.Route}]
		}
		if !busy {
			return nil
		}
		timer := time.NewTimer(tellEvery / 5)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

func (p *pacer) look(ctx context.Context) error {
	states, err := p.a.Store.Routes(ctx)
	if err != nil {
		return err
	}
	p.seen, p.full = time.Now(), make(map[spool.RouteKey]bool)
	configured := p.a.Configured()
	for _, s := range states {
		p.full[s.Key] = s.Hold == nil && configured[s.Key] && s.Waiting > crowded
	}
	return nil
}

// discardAll lets the dead letters go that the filter chooses.
func (a *api) discardAll(r *request, s *stream) error {
	d, ok := a.Store.(spool.Discarder)
	if !ok {
		return errNoHands
	}
	b, q, err := a.bulk(r)
	if err != nil {
		return err
	}
	q.State, q.Unrouted = spool.Dead, false
	step, err := a.walk(r, s, b, q, func(rec spool.Record) (n int, err error) {
		if !b.DryRun {
			return d.Discard(r.Context(), rec.Event.Seq, b.Route)
		}
		for _, d := range rec.Deliveries {
			if d.State == spool.Dead && (b.Route == "" || b.Route == d.Route) {
				n++
			}
		}
		return n, nil
	})
	if !b.DryRun {
		a.audit(r, "discard", "filter", b.Filter, "deliveries", step.Changed)
	}
	return err
}
