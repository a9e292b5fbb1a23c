package history

import (
	"net/http"
	"slices"
	"time"
)

// rounding is how much earlier than the schedule an attempt may seem, because
// the store keeps times in milliseconds.
const rounding = 2 * time.Millisecond

// successes looks for attempts after one that the app answered with 2xx.
func (c *checker) successes(e *told, route string, tries []*try) {
	counted := make(map[cause]bool)
	for i, t := range tries {
		// The last success before it, of the same replay.
		var was *try
		for _, before := range tries[:i] {
			if before.success() && before.Replay == t.Replay {
				was = before
			}
		}
		switch {
		case was == nil:
		case was.Life == t.Life && c.refused(was):
			c.report.Repeated++
		case was.Life == t.Life:
			c.report.Doubled++
			c.say("%s: came to %s as attempt %d and again as attempt %d, both of life %d", e.key(), route, was.Attempt, t.Attempt, t.Life)
		default:
			c.later(e, was, t, counted)
		}
	}
}

// refused says whether the store could not write the success down.
func (c *checker) refused(t *try) bool {
	return slices.ContainsFunc(c.refusing, func(r Entry) bool {
		return t.end.At >= r.Begun-c.rules.Unsynced && t.At <= r.At
	})
}

// later judges an attempt of another life than its success.
func (c *checker) later(e *told, was, t *try, counted map[cause]bool) {
	at := cause{was.Life, was.Route}
	for _, crash := range c.crashes {
		switch {
		case crash.Life < was.Life || crash.Life >= t.Life:
		case crash.Crash == PowerCut:
			// Also of a later life: what a killed process had not synced may still
			// be in the machine's memory.
			if was.end.At >= crash.At-c.rules.Unsynced {
				c.report.Repeated++
				return
			}
		case crash.Life != was.Life:
		case t.Attempt <= was.Attempt && t.Replay == was.Replay && !c.cut(was.Life, t.Life):
			// What ran when a process died is counted at the next start.
			c.report.Doubled++
			c.say("%s: came to %s as attempt %d of life %d and again as attempt %d of life %d", e.key(), was.Route, was.Attempt, was.Life, t.Attempt, t.Life)
			return
		default:
			c.report.Repeated++
			if !counted[at] {
				counted[at] = true
				c.repeats[at]++
			}
			return
		}
	}
	if c.refused(was) {
		c.report.Repeated++
		return
	}
	c.report.Doubled++
	c.say("%s: came to %s in life %d and again in life %d, and no crash lies between", e.key(), was.Route, was.Life, t.Life)
}

// cut says whether power was lost after life from and before life to.
func (c *checker) cut(from, to int) bool {
	return slices.ContainsFunc(c.crashes, func(e Entry) bool { return e.Crash == PowerCut && e.Life >= from && e.Life < to })
}

// schedule looks for attempts too early and too many.
func (c *checker) schedule(e *told, route string, tries []*try, delays []time.Duration) {
	for i, t := range tries {
		if t.Attempt < 1 || t.Attempt > len(delays)+1 {
			c.say("%s: attempt %d at %s, and there are %d", e.key(), t.Attempt, route, len(delays)+1)
			continue
		}
		if i == 0 {
			continue
		}
		// Another life or replay has its own beginning.
		was := tries[i-1]
		if was.Life != t.Life || was.Replay != t.Replay || was.success() || was.Attempt < 1 || was.Attempt > len(delays) {
			continue
		}
		gap := t.At - was.At
		switch {
		case t.Attempt == was.Attempt && !free(was):
			c.say("%s: attempt %d at %s came twice in life %d", e.key(), t.Attempt, route, t.Life)
		case t.Attempt > was.Attempt && gap < delays[was.Attempt-1]-rounding:
			c.say("%s: attempt %d at %s came %v after attempt %d, and %v is the schedule", e.key(), t.Attempt, route, gap, was.Attempt, delays[was.Attempt-1])
		}
	}
}

// free says that the attempt may have used none of the schedule.
func free(t *try) bool {
	if t.end == nil || t.end.Error != "" {
		return true
	}
	switch t.end.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}
