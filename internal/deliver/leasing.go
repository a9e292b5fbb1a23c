package deliver

import (
	"sync/atomic"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

const (
	// pollEvery is how often the store is asked although it reported nothing. It
	// reports commits, and what falls due by time alone, as the lease of a dispatcher
	// that vanished, is none.
	pollEvery = 5 * time.Second
	// pauseAfterError keeps a failing store from being asked without end.
	pauseAfterError = time.Second
	// pauseEmpty follows a lease that brought nothing although something was
	// due: the clocks differ, or another dispatcher was faster. Where the store is
	// shared it doubles up to pauseVain.
	pauseEmpty = 50 * time.Millisecond
	pauseVain  = time.Second
)

// backlog is what a worker knows of the deliveries that wait in the store. It is a
// guess that errs to the safe side: asking for nothing costs a look, while not asking
// lets a delivery idle for a poll at most. The worker's mu guards all but due.
type backlog struct {
	// due is set when something may be due now, by the store's reports without a
	// lock.
	due atomic.Bool
	// dueAt is when the next delivery becomes due, as far as is known, by the
	// machine's clock; zero for not known.
	dueAt time.Time
	// none means that the last probe found nothing that waits: the next is made when
	// something comes.
	none bool
	// typical is the size in bytes of the largest body in the last batch.
	typical int
	// vain counts the leases in a row that brought nothing although something was due.
	vain int
	// hungry means that the loop found no room: a lease that ends wakes it.
	hungry bool
	// catching is the pass over the backlog of a resumed route, empty if none runs.
	catching catchUp
	// resumer is the job whose answer resumed the route, while it waits for the
	// pass; nil for none.
	resumer *job
}

// catchUp is the pass over the backlog that a resumed route had. It is leased oldest
// first, whatever its due times are, because those come from an outage that is
// over: by them, a route that was down for an hour would need hours to catch up. It
// is one pass by position, so that what fails again in it is not leased twice, but
// waits for its own due time. It ends at a position too, and not at a count: another
// member may take a part of the backlog, and a count would lead beyond it.
type catchUp struct {
	// upTo is the last delivery of the backlog, by its number; 0 for no pass.
	upTo int64
	// num is the delivery that was leased last.
	num int64
}

// plan is what to do next for a route: to lease n deliveries, or with n == 0 to
// wait.
type plan struct {
	wait  time.Duration
	n     int
	probe bool
	pick  spool.Pick
}

// markDue notes that the store may have something to lease, and wakes the loop.
func (w *worker) markDue() {
	w.backlog.due.Store(true)
	w.poke()
}

// markDueAt notes that the store has something to lease from t on.
func (w *worker) markDueAt(t time.Time) {
	w.mu.Lock()
	earlier := w.backlog.dueAt.IsZero() || t.Before(w.backlog.dueAt)
	if earlier {
		w.backlog.dueAt = t
	}
	w.mu.Unlock()
	if earlier {
		w.poke()
	}
}

// run leases for the route until the dispatcher is stopped and everything that it
// leased is settled or given back.
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

// step does one thing and returns how long nothing more is to be done.
func (w *worker) step() (wait time.Duration, over bool) {
	w.mu.Lock()
	stopped, empty, known, pending := w.stopped, w.taken() == 0, w.hold.known, w.hold.pending
	w.mu.Unlock()
	switch {
	case stopped:
		return time.Hour, empty // The last lease that ends pokes.
	case !known:
		return time.Hour, false // The first reading of the holds pokes.
	case pending != nothing:
		// First of all, because other dispatchers go on with the route until the
		// store has the hold.
		if err := w.writePending(); err != nil {
			w.d.storeFailed("writing hold", w.Key, err)
			return pauseAfterError, false
		}
	}
	w.followOperator()
	// What waits in memory goes on if an operator held the route and resumed it before
	// the worker saw the hold: there may be no attempt whose end would begin it.
	w.fill()
	p := w.planNext(time.Now())
	if p.n == 0 {
		return p.wait, false
	}
	asked := time.Now()
	// The call is not cut short by Stop: leases that it brings too late are given
	// back, while those of a call that is not waited for would have to run out.
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
		w.planProbe(&p, h, now)
	} else {
		w.planBatch(&p, now)
	}
	if p.n == 0 {
		return p
	}
	p.pick.N = p.n
	// Cleared before the store is asked, so that what it reports meanwhile stays.
	w.backlog.due.Store(false)
	w.backlog.dueAt = time.Time{}
	return p
}

// planProbe decides whether to try the held route with one delivery: the next in
// turn, so that one that always fails cannot keep the route held. The caller holds
// mu.
func (w *worker) planProbe(p *plan, h *spool.Hold, now time.Time) {
	switch {
	case h.ByHand, w.hold.probing, w.hold.pending != nothing:
		return
	case now.Before(h.NextProbe):
		p.wait = min(pollEvery, h.NextProbe.Sub(now))
		return
	case w.backlog.none && !w.isDue(now):
		p.wait = w.untilDue(now)
		return
	}
	p.probe, p.n = true, 1
	p.pick.IgnoreDue, p.pick.After = true, w.hold.turn
	w.hold.probing = true
}

// planBatch decides how many deliveries to lease for a route that is not held. The
// caller holds mu.
func (w *worker) planBatch(p *plan, now time.Time) {
	if until, paused := w.slots.paused(now); paused {
		p.wait = min(pollEvery, until.Sub(now))
		return
	}
	if w.backlog.catching.upTo == 0 && !w.isDue(now) {
		p.wait = w.untilDue(now)
		return
	}
	p.n = w.room()
	if p.n == 0 {
		w.backlog.hungry = true
		return
	}
	if c := w.backlog.catching; c.upTo > 0 {
		p.pick.IgnoreDue, p.pick.After, p.pick.UpTo = true, c.num, c.upTo
	}
}

// unplan takes back what planNext noted for a lease that failed.
func (w *worker) unplan(p plan) {
	w.mu.Lock()
	if p.probe {
		w.hold.probing = false
	}
	w.mu.Unlock()
	w.backlog.due.Store(true)
}

// isAlone reports whether the one delivery that is leased is all that is known to
// wait. The caller holds mu.
func (w *worker) isAlone() bool {
	return w.taken() == 1 && w.backlog.catching.upTo == 0 && !w.backlog.due.Load()
}

// isDue reports whether the store may have something to lease. The caller holds mu.
func (w *worker) isDue(now time.Time) bool {
	return w.backlog.due.Load() || (!w.backlog.dueAt.IsZero() && !now.Before(w.backlog.dueAt))
}

// untilDue returns how long to wait for the next due time, a poll at most. The
// caller holds mu.
func (w *worker) untilDue(now time.Time) time.Duration {
	if w.backlog.dueAt.IsZero() {
		w.backlog.dueAt = now.Add(pollEvery)
	}
	return min(pollEvery, max(0, w.backlog.dueAt.Sub(now)))
}

// takeBatch takes over what the store has leased by plan p, asked for at asked.
func (w *worker) takeBatch(p plan, b spool.Batch, asked time.Time) {
	jobs := make([]*job, len(b.Deliveries))
	for i, dl := range b.Deliveries {
		jobs[i] = newJob(w, dl, asked)
		jobs[i].probe = p.probe
		w.d.clock.note(jobs[i])
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
	// While the store was asked the route may have been held, or the dispatcher
	// stopped.
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

// noteProgress notes when to ask next, after plan p brought b. The caller holds mu.
func (w *worker) noteProgress(p plan, b spool.Batch) {
	if p.pick.IgnoreDue && !p.probe {
		w.followCatchUp(b)
		return
	}
	// As many as were asked for: there may be more. A probe says nothing of what is
	// due.
	if len(b.Deliveries) == p.n || p.probe && len(b.Deliveries) > 0 {
		w.backlog.due.Store(true)
		return
	}
	at := w.lookAgain(b, time.Now())
	if w.backlog.dueAt.IsZero() || at.Before(w.backlog.dueAt) {
		w.backlog.dueAt = at
	}
}

// lookAgain returns when to ask next, now that the store has no more than b. Next is by
// the store's clock, which may be ahead of the machine's: so it is never waited for
// longer than a poll. The caller holds mu.
func (w *worker) lookAgain(b spool.Batch, now time.Time) time.Time {
	at, next := now.Add(pollEvery), b.Next
	if !next.IsZero() && w.d.shared != nil {
		// Until a lease has shown the clock of the database, Next says only that there
		// is something.
		var known bool
		if next, known = w.d.clock.machine(next); !known {
			next = now.Add(pauseVain)
		}
	}
	if !next.IsZero() && next.Before(at) {
		// Counted from now, so that it comes when it comes although the machine's
		// clock is set meanwhile.
		at = now.Add(next.Sub(now))
	}
	if len(b.Deliveries) > 0 || !at.Before(now.Add(pauseEmpty)) {
		w.backlog.vain = 0
		return at
	}
	pause := pauseEmpty
	if w.d.shared != nil {
		// Other members lease it, for longer than a reload lasts.
		pause = min(pauseEmpty<<min(w.backlog.vain, 5), pauseVain)
		w.backlog.vain++
	}
	return now.Add(pause)
}

// followCatchUp notes how far the pass over the backlog of a resumed route has come.
// It is over behind the last of what had been waiting, or where nothing is left before
// that: some may have been leased by another dispatcher. The caller holds mu.
func (w *worker) followCatchUp(b spool.Batch) {
	c := &w.backlog.catching
	for _, dl := range b.Deliveries {
		c.num = max(c.num, dl.Lease.Delivery)
	}
	if len(b.Deliveries) == 0 || c.num >= c.upTo {
		w.backlog.catching = catchUp{}
		w.backlog.due.Store(true)
		w.releaseResumer()
		return
	}
	// The pass never comes back to what lies before it, so the resumer may be due again.
	if j := w.backlog.resumer; j != nil && j.Lease.Delivery < c.num {
		w.releaseResumer()
	}
}
