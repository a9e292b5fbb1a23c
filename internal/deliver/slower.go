package deliver

import (
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// paceChange is what an answer did to the pace of its route.
type paceChange struct {
	// slower: the app asked for a slower pace.
	slower bool
	// paused: the route pauses because of it. Of several answers to attempts that
	// were under way together only the first does.
	paused bool
	// began: the route was not slowed before.
	began bool
	// ended: the route is not slowed any more.
	ended bool
}

// noteAnswer follows an answer, and changes the outcome o of one that asked for a
// slower pace: it uses no attempt, unless it is this event that the app refuses. An
// app that says slower is at work, and its deliveries must not die of its asking.
//
// alone reports whether no other delivery of the route is leased or known to wait,
// held whether the route is held.
func (rs *routeSlots) noteAnswer(j *job, a Answer, o *outcome, start, end time.Time, alone, held bool) (h paceChange) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	p, id := &rs.pace, j.Lease.Delivery
	defer func() { rs.paced.Store(p.bounds()) }()
	p.ended(start, end)
	switch {
	case o.state == spool.Delivered:
		h.ended = p.passed(end, id, rs.limit)
		return h
	case !p.saysSlower(end, a, held):
		return h
	}
	h.slower = true
	// To be alone now is not enough: the next delivery may come at any moment. So no
	// other may have been tried last, nor lately where this one is refused first.
	alone = alone && p.last == id
	if p.refusals.of[id] == nil {
		alone = alone && end.Sub(p.otherAt) > aloneFor
	}
	outage := o.sign == useless && p.outlasts(a)
	by, spared, n := p.refusals.refused(id, alone)
	wait := retryAfter(a, maxPause)
	after := max(ownWait(n), wait)
	if (by == ofPace || n == 0) && !outage {
		h.paused = j.epoch == p.epoch
		h.began = p.slow(end, j.epoch, rs.running-1, wait, n > 0, o.err)
	}
	// Behind the pause, others have their turn first: a handful of refused events
	// would otherwise take each place that the slow pace has.
	if left := p.until.Sub(end); left > 0 {
		after = max(after, left+othersFirst*p.space())
	}
	if spared {
		*o = outcome{state: spool.Retrying, free: true, after: after, sign: o.sign, err: o.err}
		// A 503 that is a limit says nothing about a hold; one of an outage does.
		if o.sign == useless && !outage {
			o.sign = silent
		}
	}
	if o.state == spool.Dead {
		delete(p.refusals.of, id)
	}
	return h
}

// reportPace logs what became of the pace and reports it to the observer, and gives back
// what a pause makes wait. The caller holds no lock.
func (w *worker) reportPace(h paceChange, a Answer) {
	if h.slower {
		if ob := w.d.observer; ob != nil {
			ob.Slower(w.Key)
		}
	}
	if h.paused {
		w.slots.giveBackQueued()
	}
	switch {
	case h.began:
		w.d.log.Warn("route slowed: its app says slower", "source", w.Key.Source, "route", w.Key.Route,
			"status", a.Status, "retry_after", a.RetryAfter)
	case h.ended:
		w.d.log.Info("route is not slowed any more", "source", w.Key.Source, "route", w.Key.Route)
	}
}

// Pace is how fast a route goes.
type Pace struct {
	// Rate and Burst are what the configuration allows, 0 for no bound.
	Rate  float64
	Burst int
	// Limit is the pace in attempts a second, and InFlight the attempts at once,
	// to which the app has slowed the route since Since; 0 if it has not.
	Limit    float64
	InFlight int
	Since    time.Time
	// Reason is what the app said last.
	Reason string
	// Next is when the next attempt may begin, zero if at once.
	Next time.Time
	// Until is the end of the pause that the app asked for, zero where there is none.
	Until time.Time
}

// Pace returns the pace of a route of this dispatcher, empty for other routes and
// before Start.
func (d *Dispatcher) Pace(k spool.RouteKey) Pace {
	w := d.workers[k]
	if w == nil {
		return Pace{}
	}
	w.mu.Lock()
	rs := w.slots
	w.mu.Unlock()
	if rs == nil {
		return Pace{}
	}
	now := time.Now()
	rs.mu.Lock()
	defer rs.mu.Unlock()
	p := &rs.pace
	p.expire(now)
	v := Pace{Limit: p.limit, InFlight: int(p.window), Since: p.since, Reason: p.reason}
	if p.hand != nil {
		v.Rate, v.Burst = float64(p.hand.Limit()), p.hand.Burst()
	}
	if at, _ := p.ready(now, 0); at.After(now) {
		v.Next = at
	}
	if until, paused := p.paused(now); paused {
		v.Until = until
	}
	return v
}
