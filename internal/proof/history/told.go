package history

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Crash notes that the process of that number has ended so. It is called once
// the process is gone and before the next one starts.
func (l *Log) Crash(life int, kind Crash) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(Entry{Kind: kindCrash, Life: life, Crash: kind})
}

// Refusing notes that the disk took nothing between two moments.
func (l *Log) Refusing(from, to time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(Entry{Kind: kindRefusing, Begun: from.Sub(l.start), At: to.Sub(l.start)})
}

// Stored notes where the store has an event that no app of the route has. In
// quarantine an event has no route.
func (l *Log) Stored(key, route string, state State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sent[key]
	if s == nil {
		l.note(Entry{Kind: kindFault, Key: key, Wrong: "the store has what was never sent"})
		return
	}
	for _, r := range s.Routes {
		if (route == r || state == Quarantined) && !s.reached[r] {
			s.reached[r] = true
			if s.acked > 0 && !s.Odd && !s.Forged {
				l.waiting--
			}
		}
	}
	l.note(Entry{Kind: kindState, Key: key, Route: route, State: state})
}

// StoredID is Stored of the event with that id; forged ones are none.
func (l *Log) StoredID(id, route string, state State) {
	l.mu.Lock()
	var key string
	for _, s := range l.byID[id] {
		if !s.Forged && (s.Odd == (state == Quarantined) || key == "") {
			key = s.key()
		}
	}
	l.mu.Unlock()
	if key == "" {
		key = id // An id that nobody sent is told.
	}
	l.Stored(key, route, state)
}

// Fault notes what a test itself has found wrong.
func (l *Log) Fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(Entry{Kind: kindFault, Wrong: fmt.Sprintf(format, args...)})
}

// Await waits until done or patience has run out. done is asked after each
// change, without the log's lock.
func (l *Log) Await(patience time.Duration, done func() bool) bool {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		l.mu.Lock()
		changed := l.changed
		l.mu.Unlock()
		if done() {
			return true
		}
		select {
		case <-changed:
		case <-timeout.C:
			return done()
		}
	}
}

// AwaitAll waits until every app has what was acknowledged.
func (l *Log) AwaitAll(patience time.Duration) bool {
	return l.Await(patience, func() bool { return l.Waiting() == 0 })
}

// Waiting is how many deliveries were promised and not made, over all routes.
func (l *Log) Waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting
}

// Arrivals is how many attempts came from a process; life 0 means from all.
func (l *Log) Arrivals(life int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if life == 0 {
		return l.arrived
	}
	return l.in[life]
}

// Attempts are those that came to a route's app, in their order. Those that
// nobody sent have no Key.
func (l *Log) Attempts(route string) (all []Attempt) {
	for _, e := range l.Entries() {
		if e.Kind == kindArrival && e.Route == route {
			all = append(all, Attempt{
				log: l, Arrival: e.Arrival, Key: e.Key, Route: route, Life: e.Life, N: e.Attempt, Replay: e.Replay,
			})
		}
	}
	return all
}

// Acked is how many events have had a 200.
func (l *Log) Acked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked
}

// Sent is an event in Choose.
type Sent struct {
	Event
	// Life is the process it was first sent to, AckedIn the first that
	// acknowledged it, 0 for none.
	Life, AckedIn int
	// Answers is how often it was sent to its end, answered or not.
	Answers int
	// Reached says which routes have it.
	Reached []string
}

// Choose returns the events for which want says yes, in the order of sending.
func (l *Log) Choose(want func(Sent) bool) (all []Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.order {
		if want(Sent{s.Event, s.life, s.acked, s.answered, slices.Collect(maps.Keys(s.reached))}) {
			all = append(all, s.Event)
		}
	}
	return all
}

// Missing tells the first 20 deliveries that were promised and not made.
func (l *Log) Missing() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []string
	for _, s := range l.order {
		for _, route := range s.Routes {
			if s.acked > 0 && !s.reached[route] && !s.Odd && !s.Forged {
				lines = append(lines, fmt.Sprintf("%s (%s, acknowledged by life %d) never came to %s", s.key(), s.Type, s.acked, route))
			}
		}
	}
	return First(lines)
}

// First is the first 20 of lines, and how many more there are.
func First(lines []string) string {
	if n := len(lines) - 20; n > 0 {
		lines = append(slices.Clone(lines[:20]), fmt.Sprintf("and %d more", n))
	}
	return strings.Join(lines, "\n")
}
