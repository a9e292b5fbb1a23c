package history

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Rules are what Check holds a record to, beside the promises themselves.
type Rules struct {
	// Schedule holds a route's delays after its failed attempts, one attempt more
	// than that. Only routes named here are checked: a route that was held
	// leases without looking at due times.
	Schedule map[string][]time.Duration
	// InHand is how many deliveries of one route may be repeated after one crash,
	// because their attempts ran or were not yet written down. Default 96: the
	// default max_in_flight of 32, and 64 leases that wait for a free place.
	InHand int
	// Unsynced is how long before a power cut a success may have come and still
	// be forgotten. Default 5 s: the promised second, and what a busy machine
	// takes between the app's answer and the note of it.
	Unsynced time.Duration
	// Several: the lives are processes beside each other on one store, and the record
	// says what that has in the end (Keeps).
	Several bool
	// Idle is for how long nobody may work for a route while events wait for it, and
	// Orphaned for how long behind a crash or a trouble. 0: it is not looked at.
	Idle, Orphaned time.Duration
	// Answered: every send must have a whole answer. NotRefused: no answer may be
	// 503.
	Answered, NotRefused bool
	// Statuses are answers that a good event may have beside 200 and 503.
	Statuses []int
}

func (r Rules) withDefaults() Rules {
	r.InHand = cmp.Or(r.InHand, 96)
	r.Unsynced = cmp.Or(r.Unsynced, 5*time.Second)
	return r
}

// Report is what Check found.
type Report struct {
	// Events were sent, Sends times in all; Copies of the sends were of events
	// acknowledged before.
	Events, Sends, Copies int
	// Acked events had a 200. Of the sends, Refused had a 503 and Unanswered
	// nothing whole.
	Acked, Refused, Unanswered int
	// Delivered counts events times routes that an app has.
	Delivered int
	// Lost deliveries were promised by a 200, and are nowhere.
	Lost int
	// Doubled: answered `accepted` again, or delivered again after a success
	// without a reason.
	Doubled int
	// Repeated deliveries came again after a success, as a crash allows.
	Repeated int
	// WronglyAccepted: a forged event had a 2xx, something came to an app that it
	// should never see, or the disk refused and the answer was 200.
	WronglyAccepted int
	// Idle is the longest time without a trouble in which events waited for a route
	// and nobody worked, Orphaned the longest that one waited behind a trouble.
	Idle, Orphaned time.Duration
	// Violations tell each of them, and every other broken promise.
	Violations []string
}

// Check judges a record.
func Check(entries []Entry, rules Rules) Report {
	c := &checker{rules: rules.withDefaults(), events: make(map[string]*told), repeats: make(map[cause]int)}
	c.gather(entries)
	for _, key := range c.order {
		e := c.events[key]
		c.answers(e)
		c.fate(e)
		c.kept(e)
		for _, route := range e.routes() {
			if c.rules.Several {
				c.twice(e, route, e.tries[route], make(map[cause]bool))
			} else {
				c.successes(e, route, e.tries[route])
			}
			if delays, ok := c.rules.Schedule[route]; ok {
				c.schedule(e, route, e.tries[route], delays)
			}
		}
	}
	c.idleness()
	for at, n := range c.repeats {
		if n > c.rules.InHand {
			c.report.Doubled += n - c.rules.InHand
			c.say("%s: %d deliveries were repeated after life %d, and only %d can have been in hand", at.route, n, at.life, c.rules.InHand)
		}
	}
	return c.report
}

// told is all that is known of one event.
type told struct {
	Event
	answers []Entry
	tries   map[string][]*try
	states  []Entry
	keeps   []Entry
}

func (e *told) routes() (all []string) {
	for route := range e.tries {
		all = append(all, route)
	}
	slices.Sort(all)
	return all
}

// try is one attempt as an app saw it.
type try struct {
	Entry
	end *Entry // nil: the app never answered
}

// success says that the caller must have seen a 2xx.
func (t *try) success() bool { return t.end != nil && taken(t.end.Status) && t.end.Error == "" }

// cause is a crash and the route that felt it.
type cause struct {
	life  int
	route string
}

type checker struct {
	rules    Rules
	report   Report
	order    []string
	events   map[string]*told
	crashes  []Entry
	refusing []Entry
	troubles []Entry
	repeats  map[cause]int
}

func (c *checker) say(format string, args ...any) {
	c.report.Violations = append(c.report.Violations, fmt.Sprintf(format, args...))
}

// gather sorts the lines to their events.
func (c *checker) gather(entries []Entry) {
	tries := make(map[int]*try)
	for i := range entries {
		line := &entries[i]
		e := c.events[line.Key]
		switch line.Kind {
		case kindSending:
			key := line.Event.key()
			c.events[key] = &told{Event: *line.Event, tries: make(map[string][]*try)}
			c.order = append(c.order, key)
			c.report.Events++
		case kindAnswer:
			e.answers = append(e.answers, *line)
		case kindArrival:
			if line.Wrong != "" {
				c.say("%s, life %d: %s", line.Route, line.Life, line.Wrong)
			}
			if e == nil {
				c.report.WronglyAccepted++
				continue
			}
			t := &try{Entry: *line}
			tries[line.Arrival] = t
			e.tries[line.Route] = append(e.tries[line.Route], t)
		case kindEnd:
			if t := tries[line.Arrival]; t != nil {
				t.end = line
			}
		case kindState:
			e.states = append(e.states, *line)
		case kindCrash:
			c.crashes = append(c.crashes, *line)
		case kindKept:
			e.keeps = append(e.keeps, *line)
		case kindTrouble:
			c.troubles = append(c.troubles, *line)
		case kindRefusing:
			c.refusing = append(c.refusing, *line)
		case kindFault:
			c.say("%s%s", prefix(line.Key), line.Wrong)
		}
	}
}

func prefix(key string) string {
	if key == "" {
		return ""
	}
	return key + ": "
}

// answers judges what the sender was told of one event.
func (c *checker) answers(e *told) {
	accepted := 0
	first := time.Duration(-1) // when the first 200 had been read
	for _, a := range e.answers {
		c.report.Sends++
		if a.Copy {
			c.report.Copies++
		}
		switch {
		case a.Status == 0:
			c.report.Unanswered++
			if c.rules.Answered {
				c.say("%s: sent to life %d, and no answer: %s", e.key(), a.Life, a.Error)
			}
		case a.Status == http.StatusServiceUnavailable:
			c.report.Refused++
			if c.rules.NotRefused {
				c.say("%s: answered 503 by life %d", e.key(), a.Life)
			}
		case e.Forged:
			if taken(a.Status) {
				c.report.WronglyAccepted++
				c.say("%s: forged, and answered %d %s by life %d", e.key(), a.Status, a.Result, a.Life)
			}
		case a.Status == http.StatusOK:
			c.ok(e, a, first)
			if a.Result == "accepted" {
				accepted++
			}
			if first < 0 || a.At < first {
				first = a.At
			}
		case !slices.Contains(c.rules.Statuses, a.Status):
			c.say("%s: answered %d by life %d", e.key(), a.Status, a.Life)
		}
	}
	if first >= 0 {
		c.report.Acked++
	}
	if accepted > 1 {
		c.report.Doubled += accepted - 1
		c.say("%s: accepted %d times", e.key(), accepted)
	}
}

// ok judges one 200. first is when an earlier one had been read, or below zero.
func (c *checker) ok(e *told, a Entry, first time.Duration) {
	known := first >= 0 && first <= a.Begun
	switch {
	case e.Odd && a.Result != "quarantined":
		c.say("%s: odd, and answered %q by life %d", e.key(), a.Result, a.Life)
	case e.Odd:
	case known && a.Result != "duplicate" && a.Result != "accepted": // Twice accepted is counted.
		c.say("%s: a copy was answered %q by life %d", e.key(), a.Result, a.Life)
	case a.Result != "accepted" && a.Result != "duplicate" && a.Result != "quarantined":
		c.say("%s: answered 200 %q by life %d", e.key(), a.Result, a.Life)
	}
	if a.Result != "accepted" && a.Result != "quarantined" {
		return
	}
	if c.cutOff(a) {
		c.report.WronglyAccepted++
		c.say("%s: answered 200 %s by life %d, which was cut off", e.key(), a.Result, a.Life)
		return
	}
	for _, r := range c.refusing {
		if r.Begun <= a.Begun && a.At <= r.At {
			c.report.WronglyAccepted++
			c.say("%s: answered 200 %s by life %d while the disk refused", e.key(), a.Result, a.Life)
			return
		}
	}
}

// fate looks for what was promised.
func (c *checker) fate(e *told) {
	acked := slices.ContainsFunc(e.answers, func(a Entry) bool { return a.Status == http.StatusOK })
	if e.Forged || e.Odd {
		return
	}
	for _, route := range e.Routes {
		has := slices.ContainsFunc(e.tries[route], func(t *try) bool { return t.end != nil && taken(t.end.Status) })
		stored := slices.ContainsFunc(e.states, func(s Entry) bool { return s.Route == route || s.State == Quarantined })
		switch {
		case has:
			c.report.Delivered++
		case acked && !stored && c.rules.Several && len(e.keeps) == 0: // kept counts it.
		case acked && !stored:
			c.report.Lost++
			c.say("%s: answered 200, and lost to %s", e.key(), route)
		}
	}
}
