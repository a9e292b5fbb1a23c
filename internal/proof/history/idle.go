package history

import (
	"cmp"
	"net/http"
	"slices"
	"time"
)

// A span is a time between two moments.
type span struct{ from, to time.Duration }

// excuses are the times in which what waits may have to wait for a lease to run out.
func (c *checker) excuses() (all []span) {
	for _, x := range c.crashes {
		all = append(all, span{x.At, x.At + c.rules.Orphaned})
	}
	for _, x := range c.troubles {
		if x.Trouble != Stalled {
			all = append(all, span{x.Begun, x.At + c.rules.Orphaned})
		}
	}
	return all
}

// stalled is for how long the one who keeps the record did not run about a time. The
// processes beside it were not better off.
func (c *checker) stalled(s span) (sum time.Duration) {
	for _, x := range c.troubles {
		if x.Trouble == Stalled {
			sum += 2 * max(0, min(x.At, s.to)-max(x.Begun, s.from-time.Second))
		}
	}
	return sum
}

// idleness measures for how long events waited for a route while nobody worked for it.
func (c *checker) idleness() {
	if c.rules.Idle == 0 {
		return
	}
	excuses := c.excuses()
	changes := map[string][]change{}
	for _, key := range c.order {
		e := c.events[key]
		if e.Forged || e.Odd {
			continue
		}
		acked := e.acked()
		for _, route := range e.Routes {
			changes[route] = append(changes[route], c.lifeOf(e, route, acked, excuses)...)
		}
	}
	for route, all := range changes {
		slices.SortFunc(all, func(a, b change) int { return cmp.Compare(a.at, b.at) })
		waiting, running := 0, 0
		since := time.Duration(-1) // when all work ended, below zero while some goes on
		for _, x := range all {
			if since >= 0 {
				c.gap(route, span{since, x.at}, excuses)
				since = -1
			}
			waiting, running = waiting+x.waiting, running+x.running
			if waiting > 0 && running == 0 {
				since = x.at
			}
		}
	}
}

// acked is when the first 200 had been read, below zero for never.
func (e *told) acked() time.Duration {
	first := time.Duration(-1)
	for _, a := range e.answers {
		if a.Status == http.StatusOK && (first < 0 || a.At < first) {
			first = a.At
		}
	}
	return first
}

// A change is a moment at which a delivery begins or ends to wait or to run.
type change struct {
	at               time.Duration
	waiting, running int
}

// lifeOf returns the changes of one delivery, and judges how long it waited in all.
func (c *checker) lifeOf(e *told, route string, acked time.Duration, excuses []span) (all []change) {
	reached := time.Duration(-1)
	for _, t := range e.tries[route] {
		end := t.At
		switch {
		case t.end != nil:
			end = t.end.At
		default:
			for _, x := range c.crashes {
				if x.Life == t.Life {
					end = max(end, x.At)
				}
			}
		}
		all = append(all, change{t.At, 0, 1}, change{end, 0, -1})
		if reached < 0 && t.success() {
			reached = t.end.At
		}
	}
	if acked < 0 || reached <= acked {
		return all
	}
	base := acked
	for _, x := range excuses {
		if x.from <= reached {
			base = max(base, min(x.to-c.rules.Orphaned, reached))
		}
	}
	if late := reached - base; late > c.rules.Orphaned+c.stalled(span{base, reached}) {
		c.say("%s: came to %s %v behind its 200 and the last trouble", e.key(), route, late.Round(time.Millisecond))
	} else if base > acked {
		c.report.Orphaned = max(c.report.Orphaned, late)
	}
	return append(all, change{acked, 1, 0}, change{reached, -1, 0})
}

// gap judges a time in which events waited for a route and nobody worked.
func (c *checker) gap(route string, s span, excuses []span) {
	idle := s.to - s.from
	if slices.ContainsFunc(excuses, func(x span) bool { return s.from >= x.from-c.rules.Idle && s.to <= x.to+c.stalled(s) && s.to >= x.from }) {
		return
	}
	c.report.Idle = max(c.report.Idle, idle)
	if idle > c.rules.Idle+c.stalled(s) {
		c.say("%s: events waited and nobody worked, %v long from %v on", route, idle.Round(time.Millisecond), s.from.Round(time.Millisecond))
	}
}
