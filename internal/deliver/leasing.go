package deliver

import (
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

const (
	// pollEvery is how often the store is asked although it reported nothing: it
	// reports commits, and due times may have been set by another process.
	pollEvery = 5 * time.Second
	// pauseAfterError keeps a failing store from being asked without end.
	pauseAfterError = time.Second
	// pauseEmpty follows a lease that brought nothing although something was
	// due: the clocks differ, or another dispatcher was faster.
	pauseEmpty = 50 * time.Millisecond
)

// catchUp is the state of a resumed route: the backlog that existed then is
// leased oldest first, whatever its due times are, in one pass. What fails
// again in that pass waits for its own due time.
type catchUp struct {
	left     int64 // deliveries of the backlog that are still to be leased
	seq, num int64 // the last one leased
}

// plan is what to do next on a line.
type plan struct {
	wait  time.Duration // with n == 0
	n     int
	probe bool
	pick  spool.Pick
}

// run leases for the route until the dispatcher is stopped and everything that
// it had in hand is settled or given back.
func (l *line) run() {
	defer l.d.lanes.leave(l)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait, over := l.step()
		if over {
			return
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-l.wake:
		case <-l.d.cut.Done():
			return
		}
	}
}

// step does one thing and says how long nothing more is to be done.
func (l *line) step() (wait time.Duration, over bool) {
	l.mu.Lock()
	stopped, empty, known, pending := l.stopped, l.inHand() == 0, l.known, l.pending
	l.mu.Unlock()
	switch {
	case stopped:
		return time.Hour, empty // what ends last pokes
	case !known:
		return time.Hour, false // the first reading of the holds pokes
	case pending != nothing:
		if err := l.writePending(); err != nil {
			l.d.storeFailed("writing hold", l.Key, err)
			return pauseAfterError, false
		}
	}
	l.heed()
	l.fill() // What an operator held and resumed before we followed still waits.
	p := l.next(time.Now())
	if p.n == 0 {
		return p.wait, false
	}
	asked := time.Now()
	// The call is not cut short by Stop: leases that it brings too late are
	// given back, while those of a call nobody waits for would have to run out.
	b, err := l.d.store.Lease(l.d.cut, p.pick)
	if err != nil {
		l.d.storeFailed("leasing", l.Key, err)
		l.unplan(p)
		return pauseAfterError, false
	}
	l.accept(p, b, asked)
	return 0, false
}

// next decides what to lease.
func (l *line) next(now time.Time) plan {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := plan{wait: pollEvery, pick: spool.Pick{Owner: l.d.owner, Route: l.Key, LeaseFor: LeaseFor}}
	if _, byHand := l.newByHand(); byHand {
		return p
	}
	if h := l.h.hold; h != nil {
		switch {
		case h.ByHand, l.h.probing, l.pending != nothing:
			return p
		case now.Before(h.NextProbe):
			p.wait = min(pollEvery, h.NextProbe.Sub(now))
			return p
		case l.nobody && !l.isDue(now):
			p.wait = l.untilDue(now)
			return p
		}
		p.probe, p.n = true, 1
		p.pick.IgnoreDue, p.pick.After = true, l.h.turn
		l.h.probing = true
	} else {
		if until, paused := l.lane.paused(now); paused {
			p.wait = min(pollEvery, until.Sub(now))
			return p
		}
		if l.catching.left == 0 && !l.isDue(now) {
			p.wait = l.untilDue(now)
			return p
		}
		p.n = l.room()
		if p.n == 0 {
			l.hungry = true
			return p
		}
		if l.catching.left > 0 {
			p.n = int(min(int64(p.n), l.catching.left))
			p.pick.IgnoreDue, p.pick.After = true, l.catching.num
		}
	}
	p.pick.N = p.n
	// Cleared before the store is asked, so that what is told meanwhile stays.
	l.look.Store(false)
	l.lookAt = time.Time{}
	return p
}

// unplan takes back what next noted for a lease that failed.
func (l *line) unplan(p plan) {
	l.mu.Lock()
	if p.probe {
		l.h.probing = false
	}
	l.mu.Unlock()
	l.look.Store(true)
}

// alone says that the one delivery in hand is all that is known to wait. The
// caller holds mu.
func (l *line) alone() bool {
	return l.count+l.reserved == 1 && l.catching.left == 0 && !l.look.Load()
}

func (l *line) isDue(now time.Time) bool {
	return l.look.Load() || (!l.lookAt.IsZero() && !now.Before(l.lookAt))
}

func (l *line) untilDue(now time.Time) time.Duration {
	if l.lookAt.IsZero() {
		l.lookAt = now.Add(pollEvery)
	}
	return min(pollEvery, max(0, l.lookAt.Sub(now)))
}

// accept takes a batch in hand.
func (l *line) accept(p plan, b spool.Batch, asked time.Time) {
	jobs := make([]*job, len(b.Deliveries))
	for i, dl := range b.Deliveries {
		jobs[i] = newJob(l, dl, asked)
		jobs[i].probe = p.probe
	}
	l.mu.Lock()
	if p.probe {
		l.nobody = len(jobs) == 0
		l.h.probing = !l.nobody
	}
	if p.probe && !l.nobody {
		l.h.turn = jobs[0].Lease.Delivery
	}
	l.progress(p, b)
	largest := 1 << 10
	for _, j := range jobs {
		largest = max(largest, j.size())
		l.link(j)
	}
	if len(jobs) > 0 {
		l.typical = largest
	}
	// Meanwhile the route may have been held, or the dispatcher stopped.
	back := !l.open(p.probe)
	if !back {
		for _, j := range jobs {
			l.queue.push(j)
		}
	}
	l.mu.Unlock()
	if back {
		go l.d.giveBack(jobs)
		return
	}
	l.fill()
}

// progress notes when to ask next. The caller holds mu.
func (l *line) progress(p plan, b spool.Batch) {
	if p.pick.IgnoreDue && !p.probe {
		l.caughtUp(b)
		return
	}
	if len(b.Deliveries) == p.n || p.probe && len(b.Deliveries) > 0 {
		l.look.Store(true)
		return
	}
	// Next is by the store's clock, which may be ahead of ours: so it is never
	// waited for longer than a poll.
	now := time.Now()
	at := now.Add(pollEvery)
	if !b.Next.IsZero() && b.Next.Before(at) {
		at = b.Next
	}
	if soonest := now.Add(pauseEmpty); at.Before(soonest) && len(b.Deliveries) == 0 {
		at = soonest
	}
	if l.lookAt.IsZero() || at.Before(l.lookAt) {
		l.lookAt = at
	}
}

// caughtUp follows the one pass over the backlog of a resumed route. It is over
// when as many were leased as had been waiting, or when the store begins again
// with the oldest.
func (l *line) caughtUp(b spool.Batch) {
	c := &l.catching
	over := len(b.Deliveries) == 0
	for _, dl := range b.Deliveries {
		seq := int64(0)
		if dl.Event != nil {
			seq = dl.Event.Seq
		}
		over = over || seq < c.seq || seq == c.seq && dl.Lease.Delivery <= c.num
		c.seq, c.num = seq, dl.Lease.Delivery
	}
	c.left -= int64(len(b.Deliveries))
	if over || c.left <= 0 {
		l.catching = catchUp{}
		l.look.Store(true)
		l.passed()
		return
	}
	if j := l.resumer; j != nil && j.Event != nil && j.Event.Seq < c.seq {
		l.passed()
	}
}
