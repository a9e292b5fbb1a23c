package deliver

import (
	"net/http"
	"time"
)

const (
	// maxRefusals bounds the deliveries of a route whose refusals are remembered.
	maxRefusals = 4096
	// dryBare and dryAsked are the pauses in a row after which a 503 counts as
	// useless, so that five of them hold the route: without Retry-After sooner.
	dryBare, dryAsked = 2, 5
	// passing is how long after a success a 503 without Retry-After is taken for
	// a limit and not for an outage.
	passing = 10 * time.Second
	// sparedOwn is how often a delivery is spared although others pass.
	sparedOwn = 2
	// maxOwnWait bounds the pause that a delivery makes for itself.
	maxOwnWait = time.Minute
)

// refusal is what is known of one delivery to which the app said slower.
type refusal struct {
	// n counts how often it was refused, and own how often while others passed.
	n, own int
	// pass and all are the counts of its route when it was refused last: what has
	// come since is the evidence of the next refusal.
	pass, all uint64
}

// refusals find out whether an app refuses an event or a pace, by what became of the
// others of the route between two refusals of one delivery.
type refusals struct {
	// pass counts the successes, and all the refusals, of the route so far.
	pass, all uint64
	// of are the deliveries that were refused and have not ended, by number.
	of map[int64]*refusal
	// order are the numbers in the order of their first refusal, so that the oldest
	// is forgotten first. Some have gone from of since.
	order []int64
}

// passed follows a success of delivery.
func (r *refusals) passed(delivery int64) {
	r.pass++
	delete(r.of, delivery)
}

// blame is what a refusal rests on.
type blame uint8

const (
	ofPace  blame = iota // the route goes too fast
	ofEvent              // the app refuses this one, whatever the pace
	ofOnly               // there is no other event to tell the difference
)

// refused follows an answer that says slower to delivery. alone reports whether no
// other delivery is in sight; spared, whether the attempt is free; n is how often the
// delivery was refused before.
//
// A single refusal is taken for the pace's. A second one is the event's own if at
// least three others passed since, and more than twice as many as were refused: at a
// limit others are refused too.
func (r *refusals) refused(delivery int64, alone bool) (b blame, spared bool, n int) {
	old := r.of[delivery]
	if old == nil {
		old = &refusal{}
		r.remember(delivery, old)
		if alone {
			b = ofOnly
		}
	} else {
		passed, others := r.pass-old.pass, r.all-old.all
		switch {
		case alone && passed == 0 && others == 0:
			b = ofOnly
		case passed >= 3 && passed > 2*others:
			b = ofEvent
			old.own++
		}
	}
	n = old.n
	old.n++
	r.all++
	old.pass, old.all = r.pass, r.all
	return b, b == ofPace || b == ofEvent && old.own <= sparedOwn, n
}

// remember keeps what is known of delivery, and forgets the oldest beyond maxRefusals.
func (r *refusals) remember(delivery int64, what *refusal) {
	if r.of == nil {
		r.of = make(map[int64]*refusal)
	}
	if len(r.order) >= 2*maxRefusals {
		r.compact()
	}
	r.of[delivery] = what
	r.order = append(r.order, delivery)
	for len(r.of) > maxRefusals {
		delete(r.of, r.order[0])
		r.order = r.order[1:]
	}
}

// compact leaves out of order those that have gone.
func (r *refusals) compact() {
	kept := make([]int64, 0, maxRefusals)
	for _, d := range r.order {
		if r.of[d] != nil {
			kept = append(kept, d)
		}
	}
	r.order = kept
}

// saysSlower reports whether the answer asks for a slower pace. A 503 without
// Retry-After does while events pass, and as long as the route is slowed.
func (p *pace) saysSlower(now time.Time, a Answer, held bool) bool {
	switch {
	case a.Reach != Answered:
		return false
	case a.Status == http.StatusTooManyRequests:
		return true
	case a.Status != http.StatusServiceUnavailable || held:
		return false
	}
	return a.RetryAfter > 0 || p.limit > 0 || !p.passedAt.IsZero() && now.Sub(p.passedAt) <= passing
}

// outlasts reports whether a 503 came after so many pauses in which nothing passed that
// it is an outage, and no limit.
func (p *pace) outlasts(a Answer) bool {
	if a.RetryAfter > 0 {
		return p.dry >= dryAsked
	}
	return p.dry >= dryBare
}

// ownWait returns the pause of a delivery that was refused n times before: those that
// are refused again and again leave the others their turn.
func ownWait(n int) time.Duration {
	return min(firstPause<<min(n, 6), maxOwnWait)
}
