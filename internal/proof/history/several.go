package history

import (
	"cmp"
	"net/http"
	"slices"
	"time"
)

// Several processes beside each other on one store have a record of their own kind. A
// life is one of them, another may take over what it had, and what an app is told twice
// is judged by what happened to the process or to the database in between.

// Trouble is what kept a process from its store for a while.
type Trouble string

// The troubles that Check knows.
const (
	// Cut: nothing could be stored, so that an event accepted meanwhile is accepted
	// wrongly. An attempt that ended then, or shortly before, may be repeated.
	Cut Trouble = "cut off"
	// Shaken: the database ended, or another took its place. What had ended shortly
	// before may be undone; what was accepted is not.
	Shaken Trouble = "shaken"
	// Unseen: what a process and an app sent each other did not come, or came late: an
	// answer may never be seen, and an attempt that was given up may arrive yet.
	Unseen Trouble = "unseen"
	// Stalled: the one who keeps the record did not run, so that what it says of times
	// is late.
	Stalled Trouble = "stalled"
	// Slow: something else excuses that what waits was not delivered at once, such as
	// an app that could not be reached.
	Slow Trouble = "slow"
)

// Kept is what the store has of one delivery at the end.
type Kept struct {
	Route string
	State string
	// Ended says that the delivery will not be tried again.
	Ended bool
}

// Trouble notes that a process, or all of them for life 0, had trouble between two
// moments.
func (l *Log) Trouble(what Trouble, life int, from, to time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(Entry{Kind: kindTrouble, Trouble: what, Life: life, Begun: from.Sub(l.start), At: to.Sub(l.start)})
}

// Keeps notes what a store has at the end of one event. It is called once for each row
// of an event.
func (l *Log) Keeps(id string, deliveries []Kept) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := ""
	for _, s := range l.byID[id] {
		if !s.Forged && !s.Odd {
			key = s.key()
		}
	}
	if key == "" {
		l.note(Entry{Kind: kindFault, Key: id, Wrong: "the store has what was never sent"})
		return
	}
	l.note(Entry{Kind: kindKept, Key: key})
	for _, d := range deliveries {
		l.note(Entry{Kind: kindKept, Key: key, Route: l.called(d.Route), Result: d.State, Final: d.Ended})
	}
}

// Alias has a route go by another name too, from now on.
func (l *Log) Alias(name, of string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.aliases == nil {
		l.aliases = make(map[string]string)
	}
	l.aliases[name] = of
}

// called is what a route is called in the record; the log is locked.
func (l *Log) called(name string) string {
	if of, ok := l.aliases[name]; ok {
		return of
	}
	return name
}

// Began counts the attempts that came between two moments.
func (l *Log) Began(from, to time.Time) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		if e.Kind == kindArrival && e.At >= from.Sub(l.start) && e.At <= to.Sub(l.start) {
			n++
		}
	}
	return n
}

// Answers counts the answers with a status since a moment.
func (l *Log) Answers(status int, since time.Time) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		if e.Kind == kindAnswer && e.Status == status && e.At >= since.Sub(l.start) {
			n++
		}
	}
	return n
}

// kept compares what was acknowledged with what the store has.
func (c *checker) kept(e *told) {
	if !c.rules.Several || e.Forged || e.Odd {
		return
	}
	rows := 0
	routes := map[string]int{}
	for _, k := range e.keeps {
		if k.Route == "" {
			rows++
			continue
		}
		routes[k.Route]++
		switch {
		case !slices.Contains(e.Routes, k.Route):
			c.say("%s: the store has a delivery to %q, which does not take it", e.key(), k.Route)
		case !k.Final:
			c.say("%s: its delivery to %s is %s at the end", e.key(), k.Route, k.Result)
		}
	}
	acked := slices.ContainsFunc(e.answers, func(a Entry) bool { return a.Status == http.StatusOK })
	switch {
	case rows > 1:
		c.report.Doubled += rows - 1
		c.say("%s: the store has it %d times", e.key(), rows)
	case rows == 0 && acked:
		c.report.Lost++
		c.say("%s: answered 200, and the store does not have it", e.key())
		return
	case rows == 0:
		return
	}
	for _, route := range e.Routes {
		if n := routes[route]; n != 1 {
			c.say("%s: the store has %d deliveries of it to %s, want one", e.key(), n, route)
		}
	}
}

// twice judges attempts of one delivery after another that may have been enough: one
// that the app took, or one that still ran.
func (c *checker) twice(e *told, route string, tries []*try, counted map[cause]bool) {
	for i, t := range tries {
		for _, was := range tries[:i] {
			if was.Replay != t.Replay || !was.success() && (was.end != nil && was.end.At <= t.At) {
				continue
			}
			if c.excused(was, t) {
				if was.success() && was.end.At <= t.At {
					c.report.Repeated++
					if at := (cause{was.Life, route}); c.crashed(was, t) && !counted[at] {
						counted[at] = true
						c.repeats[at]++
					}
				}
				continue
			}
			c.report.Doubled++
			how := "still ran"
			if was.success() {
				how = "was taken"
			}
			c.say("%s: attempt %d of life %d at %s %s, and attempt %d of life %d came", e.key(), was.Attempt, was.Life, route, how, t.Attempt, t.Life)
			break
		}
	}
}

// excused says whether what happened between two attempts explains the second.
func (c *checker) excused(was, t *try) bool {
	if c.crashed(was, t) {
		// What ran when a process died counts as an attempt when it is taken over.
		return t.Attempt > was.Attempt || c.within(Shaken, was.Life, was.At, t.At)
	}
	if t.Attempt <= was.Attempt && c.within(Unseen, t.Life, was.At, t.At) {
		return true
	}
	return slices.ContainsFunc([]Trouble{Cut, Shaken, Unseen}, func(what Trouble) bool { return c.within(what, was.Life, was.At, t.At) })
}

// crashed says whether the process of an attempt died behind its beginning, and before
// another attempt.
func (c *checker) crashed(was, t *try) bool {
	return slices.ContainsFunc(c.crashes, func(x Entry) bool { return x.Life == was.Life && x.At >= was.At && x.At <= t.At })
}

// within says whether a trouble of a process touched the time between two moments, or
// began shortly behind the first.
func (c *checker) within(what Trouble, life int, from, to time.Duration) bool {
	return slices.ContainsFunc(c.troubles, func(x Entry) bool {
		return x.Trouble == what && (x.Life == 0 || x.Life == life) && x.Begun <= to && x.Begun-c.rules.Unsynced <= from && from <= x.At ||
			x.Trouble == what && (x.Life == 0 || x.Life == life) && x.Begun >= from && x.Begun <= to
	})
}

// cutOff says whether an answer was given wholly within a cut of its process.
func (c *checker) cutOff(a Entry) bool {
	return slices.ContainsFunc(c.troubles, func(x Entry) bool {
		return x.Trouble == Cut && (x.Life == 0 || x.Life == a.Life) && x.Begun <= a.Begun && a.At <= x.At
	})
}

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
