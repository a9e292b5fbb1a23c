package deliver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// maxBehind bounds how long a settle waits for a catch-up pass to go beyond it: the
// app has answered, so its outcome should be on stable storage before long.
const maxBehind = time.Minute

var (
	errCut      = errors.New("answer cut in the middle")
	errPanicked = errors.New("handler panicked")
)

// runSlot runs j in a slot of the route, and after it what waits, as long as it may
// keep the slot. While something waits, each settle gets a goroutine: a slot is the
// app's, and does not wait for the store. Only the last settle is its own.
func (w *worker) runSlot(j *job) {
	for {
		settle := w.attempt(j)
		next := w.passSlot()
		if next == nil {
			settle()
			return
		}
		go settle()
		j = next
	}
}

// attempt makes one attempt and returns what is left to do outside the slot: to
// settle its lease, or to give it back.
func (w *worker) attempt(j *job) (settle func()) {
	start := time.Now()
	if start.After(w.expires(j)) {
		// The delivery may be running elsewhere. If not, nobody would take it
		// over while the route is held: so it is given back all the same.
		return func() {
			w.noteLost(j, "lease ran out before the attempt began")
			w.d.giveBack([]*job{j})
		}
	}
	n := j.Attempts + 1
	a := w.call(Attempt{Delivery: j.Delivery, N: n})
	end := time.Now()
	// Judged before the slot is passed on, so that a route which the answer holds or
	// slows begins nothing more.
	o := w.conclude(j, a, start, end)
	if o.state == 0 {
		return func() { w.d.giveBack([]*job{j}) }
	}
	s := spool.Settlement{
		Lease: j.Lease, State: o.state, Reason: o.reason,
		Attempt: spool.Attempt{
			N: n, Start: start, Took: end.Sub(start), Status: a.Status, Error: o.err,
			Response: a.Response[:min(len(a.Response), spool.MaxResponse)], Free: o.free,
		},
	}
	if o.state == spool.Retrying {
		// By the store's clock, because the store compares it with its own time. The
		// wait for it (again, in settle) is by the machine's.
		s.Due = j.storeNow(end).Add(o.after)
	}
	return func() {
		w.waitForCatchUp(j)
		w.settle(j, s, end.Add(o.after))
	}
}

// call asks the upstream, and makes an answer of whatever it does. It never panics:
// a third party's handler that does would end the process, and the next start would
// meet the same event.
func (w *worker) call(a Attempt) (ans Answer) {
	ctx, cancel := context.WithTimeout(w.d.running, w.Timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			ans = w.panicked(a, p)
		}
		ans = w.believe(ans)
	}()
	return w.Upstream.Attempt(ctx, a)
}

// panicked returns the answer for an attempt that panicked with p. ErrAbortHandler is
// how a proxy reports that the upstream broke off after its header.
func (w *worker) panicked(a Attempt, p any) Answer {
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		return Answer{Reach: Broken, Err: errCut}
	}
	text := fmt.Sprint(p)
	w.d.log.Error("handler panicked", "source", w.Key.Source, "route", w.Key.Route,
		"delivery", a.Delivery.Lease.Delivery, "panic", text[:min(len(text), maxError)], "stack", string(debug.Stack()))
	return Answer{Reach: Broken, Err: errPanicked}
}

// believe corrects what an upstream cannot know: whether Drain ended the attempt. Then
// it counts as not made, unless the app had given its final answer already, which
// would be asked for twice. At any other time an upstream that says Aborted is
// broken: believed, it would have its delivery tried for ever at no cost.
func (w *worker) believe(a Answer) Answer {
	final := a.Reach == Answered && (a.Status/100 == 2 || a.Status == http.StatusGone)
	switch {
	case w.d.running.Err() != nil && !final:
		a.Reach = Aborted
	case a.Reach == Aborted, a.Reach < Answered, a.Reach > Aborted:
		a.Reach = Broken
	}
	return a
}

// conclude judges an answer: first for the delivery (judge), then for the pace of the
// route (noteAnswer, which may make the attempt a free one), then for its hold. All
// three happen under mu, because the next attempt of the route must see them.
func (w *worker) conclude(j *job, a Answer, start, end time.Time) outcome {
	id := j.Lease.Delivery
	w.mu.Lock()
	free := j.held && w.hold.spares(id, start)
	o := judge(a, j.Attempts+1, w.Schedule, free, w.d.random())
	s := w.slots.noteAnswer(j, a, &o, start, end, w.isAlone(), w.hold.current != nil)
	probe := j.probe
	j.probe = false
	var c change
	var back []*job
	// After Stop the route's state belongs to the next dispatcher.
	if !w.stopped {
		r := result{sign: o.sign, delivery: id, probe: probe, wait: retryAfter(a, maxProbeWait), why: o.err}
		r.due = w.suspectDue(j, o, end)
		c = w.hold.note(end, r)
		back = w.noteChange(c)
	}
	// On a held route a free attempt comes again with a probe and not sooner: its own
	// pause is for routes that are not held. Unless other members serve the route: they may
	// reach the app, and must get the delivery before the next probe takes it from them again.
	if h := w.hold.current; h != nil && o.free && w.live.Load() <= 1 {
		o.after = max(o.after, h.NextProbe.Sub(end))
	}
	if c == nowHeld {
		w.slots.forget() // It was no limit: the app is not there.
	}
	if c == nowResumed && o.state == spool.Retrying {
		w.releaseResumer()
		w.backlog.resumer, j.behind = j, make(chan struct{})
	}
	hold := w.hold.current
	w.mu.Unlock()
	w.reportHold(c, hold, back)
	w.reportPace(s, a)
	if c == nowHeld {
		w.slots.refill()
	}
	return o
}

// waitForCatchUp delays the settle of the delivery whose answer resumed the route
// until the catch-up pass has gone beyond it. Settled earlier, it would be due again
// inside that same pass and be attempted too soon.
func (w *worker) waitForCatchUp(j *job) {
	if j.behind == nil {
		return
	}
	timer := time.NewTimer(maxBehind)
	defer timer.Stop()
	select {
	case <-j.behind:
	case <-timer.C:
	case <-w.d.cut.Done():
	}
}

// releaseResumer lets the job settle that waits in waitForCatchUp, if one does: the
// pass is beyond it, or there will be none. The caller holds mu.
func (w *worker) releaseResumer() {
	if w.backlog.resumer != nil {
		close(w.backlog.resumer.behind)
		w.backlog.resumer = nil
	}
}

// suspectDue returns when the delivery's own schedule goes on, also for an attempt that
// was free: see holding.suspect.
func (w *worker) suspectDue(j *job, o outcome, end time.Time) time.Time {
	if !o.free {
		return end.Add(o.after)
	}
	if w.hold.suspect == j.Lease.Delivery && !w.hold.suspectDue.IsZero() {
		return w.hold.suspectDue
	}
	// After a restart it is not known when its last counted attempt was, so its
	// present delay begins again: later than it should, never earlier.
	delay, _ := w.Schedule.delay(j.Attempts, 0)
	return end.Add(delay)
}

// settle writes an outcome, again and again while the lease lasts. An outcome that
// cannot be written by then is given up: another dispatcher may have the delivery,
// and repeats the attempt. again is when a retry is due, by the machine's clock.
func (w *worker) settle(j *job, s spool.Settlement, again time.Time) {
	for try := 0; ; try++ {
		if w.isGone(j) {
			return
		}
		ctx, over := w.settleUntil(j)
		err := w.d.store.Settle(ctx, s)
		over()
		switch {
		case err == nil:
			w.settled(j, s, again)
			return
		case errors.Is(err, spool.ErrLeaseLost) && try > 0 && time.Now().Before(w.expires(j)):
			// Most likely an earlier try did land, though it failed.
			w.d.log.Info("lease is over", "source", w.Key.Source, "route", w.Key.Route, "delivery", s.Lease.Delivery)
			w.drop(j)
			return
		case errors.Is(err, spool.ErrLeaseLost):
			w.lost(j, "settle refused")
			return
		case !w.d.pause(backoff(try), w.expires(j)):
			w.d.log.Error("outcome not recorded, the attempt will be repeated", "source", w.Key.Source,
				"route", w.Key.Route, "delivery", s.Lease.Delivery, "state", s.State.String(), "error", err)
			w.drop(j)
			return
		}
	}
}

// settleUntil returns the context of one settle. Where other members may take the
// delivery over, it ends with the lease (see extend): a store that is away for long may
// answer never. A store of this process alone gives its lease to nobody meanwhile.
func (w *worker) settleUntil(j *job) (ctx context.Context, over context.CancelFunc) {
	if w.d.shared == nil {
		return w.d.cut, func() {}
	}
	ctx, cancel := context.WithCancel(w.d.cut)
	w.mu.Lock()
	j.endSettle = cancel
	w.mu.Unlock()
	return ctx, func() {
		w.mu.Lock()
		j.endSettle = nil
		w.mu.Unlock()
		cancel()
	}
}

// settled follows a settle that the store has taken: nothing is logged, counted or
// reported before, because an outcome that is not stored may yet be another.
func (w *worker) settled(j *job, s spool.Settlement, again time.Time) {
	if s.State == spool.Retrying {
		// To every dispatcher of the route: this one may be gone by then.
		w.slots.markDueAt(again)
	}
	if s.State == spool.Dead {
		w.d.log.Warn("dead letter", "source", w.Key.Source, "route", w.Key.Route,
			"event_id", j.Event.ID, "delivery", s.Lease.Delivery, "attempts", s.Attempt.N, "reason", s.Reason)
	}
	if ob := w.d.observer; ob != nil {
		ob.Attempted(w.Key, j.Delivery, s.Attempt, s.State)
	}
	w.drop(j)
}

func (w *worker) lost(j *job, why string) {
	w.noteLost(j, why)
	w.drop(j)
}

// noteLost counts and logs a lease that ended while its job was still here: the
// delivery may have been attempted twice.
func (w *worker) noteLost(j *job, why string) {
	w.d.leasesLost.Add(1)
	w.d.log.Warn("lease lost", "source", w.Key.Source, "route", w.Key.Route, "delivery", j.Lease.Delivery, "at", why)
}
