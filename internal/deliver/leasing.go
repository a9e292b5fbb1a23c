package deliver

import (
	"sync/atomic"
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

// backlog is what a worker knows of the deliveries that wait in the store.
type backlog struct {
	due      atomic.Bool // something may be due
	dueAt    time.Time
	none     bool // the last probe found nothing that waits
	typical  int  // size of the largest body in the last batch
	hungry   bool
	catching catchUp
	resumer  *job // whose answer resumed the route, until catching is beyond it
}

// plan is what to do next for a route.
type plan struct {
	wait  time.Duration // with n == 0
	n     int
	probe bool
	pick  spool.Pick
}

// run leases for the route until the dispatcher is stopped and everything that
// it had in hand is settled or given back.
func (w *worker) run() {
	defer w.d.slots.leave(w)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait, over := w.step()
		if over {
			return
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-w.wake:
		case <-w.d.cut.Done():
			return
		}
	}
}

// step does one thing and says how long nothing more is to be done.
func (w *worker) step() (wait time.Duration, over bool) {
	w.mu.Lock()
	stopped, empty, known, pending := w.stopped, w.inHand() == 0, w.hold.known, w.hold.pending
	w.mu.Unlock()
	switch {
	case stopped:
		return time.Hour, empty // what ends last pokes
	case !known:
		return time.Hour, false // the first reading of the holds pokes
	case pending != nothing:
		if err := w.writePending(); err != nil {
			w.d.storeFailed("writing hold", w.Key, err)
			return pauseAfterError, false
		}
	}
	w.followOperator()
	w.fill() // What an operator held and resumed before we followed still waits.
	p := w.planNext(time.Now())
	if p.n == 0 {
		return p.wait, false
	}
	asked := time.Now()
	// The call is not cut short by Stop: leases that it brings too late are
	// given back, while those of a call nobody waits for would have to run out.
	b, err := w.d.store.Lease(w.d.cut, p.pick)
	if err != nil {
		w.d.storeFailed("leasing", w.Key, err)
		w.unplan(p)
		return pauseAfterError, false
	}
	w.takeBatch(p, b, asked)
	return 0, false
}

// planNext decides what to lease.
func (w *worker) planNext(now time.Time) plan {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := plan{wait: pollEvery, pick: spool.Pick{Owner: w.d.owner, Route: w.Key, LeaseFor: LeaseFor}}
	if _, byHand := w.unseenHold(); byHand {
		return p
	}
	if h := w.hold.current; h != nil {
		switch {
		case h.ByHand, w.hold.probing, w.hold.pending != nothing:
			return p
		case now.Before(h.NextProbe):
			p.wait = min(pollEvery, h.NextProbe.Sub(now))
			return p
		case w.backlog.none && !w.isDue(now):
			p.wait = w.untilDue(now)
			return p
		}
		p.probe, p.n = true, 1
		p.pick.IgnoreDue, p.pick.After = true, w.hold.turn
		w.hold.probing = true
	} else {
		if until, paused := w.slots.paused(now); paused {
			p.wait = min(pollEvery, until.Sub(now))
			return p
		}
		if w.backlog.catching.left == 0 && !w.isDue(now) {
			p.wait = w.untilDue(now)
			return p
		}
		p.n = w.room()
		if p.n == 0 {
			w.backlog.hungry = true
			return p
		}
		if w.backlog.catching.left > 0 {
			p.n = int(min(int64(p.n), w.backlog.catching.left))
			p.pick.IgnoreDue, p.pick.After = true, w.backlog.catching.num
		}
	}
	p.pick.N = p.n
	// Cleared before the store is asked, so that what is told meanwhile stays.
	w.backlog.due.Store(false)
	w.backlog.dueAt = time.Time{}
	return p
}

// unplan takes back what next noted for a lease that failed.
func (w *worker) unplan(p plan) {
	w.mu.Lock()
	if p.probe {
		w.hold.probing = false
	}
	w.mu.Unlock()
	w.backlog.due.Store(true)
}

// isAlone says that the one delivery in hand is all that is known to wait. The
// caller holds mu.
func (w *worker) isAlone() bool {
	return w.count+w.reserved == 1 && w.backlog.catching.left == 0 && !w.backlog.due.Load()
}

func (w *worker) isDue(now time.Time) bool {
	return w.backlog.due.Load() || (!w.backlog.dueAt.IsZero() && !now.Before(w.backlog.dueAt))
}

func (w *worker) untilDue(now time.Time) time.Duration {
	if w.backlog.dueAt.IsZero() {
		w.backlog.dueAt = now.Add(pollEvery)
	}
	return min(pollEvery, max(0, w.backlog.dueAt.Sub(now)))
}

// takeBatch takes a batch in hand.
func (w *worker) takeBatch(p plan, b spool.Batch, asked time.Time) {
	jobs := make([]*job, len(b.Deliveries))
	for i, dl := range b.Deliveries {
		jobs[i] = newJob(w, dl, asked)
		jobs[i].probe = p.probe
	}
	w.mu.Lock()
	if p.probe {
		w.backlog.none = len(jobs) == 0
		w.hold.probing = !w.backlog.none
	}
	if p.probe && !w.backlog.none {
		w.hold.turn = jobs[0].Lease.Delivery
	}
	w.noteProgress(p, b)
	largest := 1 << 10
	for _, j := range jobs {
		largest = max(largest, j.size())
		w.link(j)
	}
	if len(jobs) > 0 {
		w.backlog.typical = largest
	}
	// Meanwhile the route may have been held, or the dispatcher stopped.
	back := !w.mayBegin(p.probe)
	if !back {
		for _, j := range jobs {
			w.queue.push(j)
		}
	}
	w.mu.Unlock()
	if back {
		go w.d.giveBack(jobs)
		return
	}
	w.fill()
}

// noteProgress notes when to ask next. The caller holds mu.
func (w *worker) noteProgress(p plan, b spool.Batch) {
	if p.pick.IgnoreDue && !p.probe {
		w.followCatchUp(b)
		return
	}
	if len(b.Deliveries) == p.n || p.probe && len(b.Deliveries) > 0 {
		w.backlog.due.Store(true)
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
	if w.backlog.dueAt.IsZero() || at.Before(w.backlog.dueAt) {
		w.backlog.dueAt = at
	}
}

// followCatchUp follows the one pass over the backlog of a resumed route. It is over
// when as many were leased as had been waiting, or when the store begins again
// with the oldest.
func (w *worker) followCatchUp(b spool.Batch) {
	c := &w.backlog.catching
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
		w.backlog.catching = catchUp{}
		w.backlog.due.Store(true)
		w.releaseResumer()
		return
	}
	if j := w.backlog.resumer; j != nil && j.Event != nil && j.Event.Seq < c.seq {
		w.releaseResumer()
	}
}
