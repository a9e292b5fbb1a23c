package minutes

import (
	"math"
	"sync"
	"time"
)

// What is counted of a route.
const (
	delivered = iota
	failed
	dead
	waiting // a sample, and one; 0 for none
	routeCounts
)

// Route counts the attempts of a route.
type Route struct {
	series

	ends sync.Mutex // guards what follows
	good Outcome
	bad  Outcome
}

// Outcome is how an attempt ended. The zero Outcome is that of none.
type Outcome struct {
	At     time.Time
	Took   time.Duration
	Status int
	Error  string
}

// Delivered counts an attempt that ended well.
func (r *Route) Delivered(o Outcome) { r.ended(delivered, &r.good, o) }

// Failed counts any other attempt.
func (r *Route) Failed(o Outcome) { r.ended(failed, &r.bad, o) }

func (r *Route) ended(thing int, last *Outcome, o Outcome) {
	r.addTook(time.Since(r.hour.began), thing, o.Took)
	r.ends.Lock()
	defer r.ends.Unlock()
	*last = o
}

// Died counts a dead letter.
func (r *Route) Died() { r.add(dead) }

// Waits notes how many deliveries wait now. The last note of a minute is kept.
func (r *Route) Waits(n int64) {
	r.at(r.hour.minute(), waiting).Store(uint32(min(max(n, 0), math.MaxUint32-1)) + 1)
}

// Last returns how the last attempt that ended well did, and the last other one.
func (r *Route) Last() (good, bad Outcome) {
	r.ends.Lock()
	defer r.ends.Unlock()
	return r.good, r.bad
}

// Attempts are the attempts of a route, for each minute of a view.
type Attempts struct {
	Delivered, Failed, Dead []int64
	// Waiting is -1 where it was not sampled.
	Waiting []int64
}

// Read returns the attempts of each minute of a view.
func (r *Route) Read(v View) Attempts {
	a := Attempts{
		Delivered: r.read(v, delivered), Failed: r.read(v, failed), Dead: r.read(v, dead), Waiting: r.read(v, waiting),
	}
	for i := range a.Waiting {
		a.Waiting[i]--
	}
	return a
}
