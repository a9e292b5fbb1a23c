package history

import (
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
