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

// maxBehind bounds how long a settle waits for a catching up to pass it.
const maxBehind = time.Minute

var (
	errCut      = errors.New("answer cut in the middle")
	errPanicked = errors.New("handler panicked")
)

// runSlot runs j in a slot of the route, and after it what waits, as long as it may
// keep the slot. Only the last settle is its own: the slot does not wait for
// the store.
func (w *worker) runSlot(j *job) {
	for {
		settle := w.attempt(j)
		next := w.passSlot(j)
		if next == nil {
			settle()
			return
		}
		go settle()
		j = next
	}
}

// attempt makes one attempt and returns what is left to do outside the slot.
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
		s.Due = j.storeNow(end).Add(o.after)
	}
	return func() {
		w.waitForCatchUp(j)
		w.settle(j, s, end.Add(o.after))
	}
}

// call asks the upstream, and makes an answer of whatever it does.
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

func (w *worker) panicked(a Attempt, p any) Answer {
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		return Answer{Reach: Broken, Err: errCut}
	}
	text := fmt.Sprint(p)
	w.d.log.Error("handler panicked", "source", w.Key.Source, "route", w.Key.Route,
		"delivery", a.Delivery.Lease.Delivery, "panic", text[:min(len(text), maxError)], "stack", string(debug.Stack()))
	return Answer{Reach: Broken, Err: errPanicked}
}

// believe corrects what an upstream cannot know: whether we ended the attempt.
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

// conclude judges an answer, for the delivery and for its route.
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
	if h := w.hold.current; h != nil && o.free {
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

// waitForCatchUp waits until the catching up that j's answer began is beyond j. Were j
// waiting in the store before, it would be leased again with all the others,
// long before it is due.
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

// releaseResumer lets the resumer settle. The caller holds mu.
func (w *worker) releaseResumer() {
	if w.backlog.resumer != nil {
		close(w.backlog.resumer.behind)
		w.backlog.resumer = nil
	}
}

// suspectDue is when the delivery's own schedule would go on.
func (w *worker) suspectDue(j *job, o outcome, end time.Time) time.Time {
	if !o.free {
		return end.Add(o.after)
	}
	if w.hold.suspect == j.Lease.Delivery && !w.hold.suspectDue.IsZero() {
		return w.hold.suspectDue
	}
	// After a restart nobody knows when its last counted attempt was.
	delay, _ := w.Schedule.delay(j.Attempts, 0)
	return end.Add(delay)
}

// settle writes an outcome, again and again while the lease lasts.
func (w *worker) settle(j *job, s spool.Settlement, again time.Time) {
	for try := 0; ; try++ {
		if w.isGone(j) {
			return
		}
		err := w.d.store.Settle(w.d.cut, s)
		switch {
		case err == nil:
			w.settled(j, s, again)
			return
		case errors.Is(err, spool.ErrLeaseLost) && try > 0:
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

func (w *worker) settled(j *job, s spool.Settlement, again time.Time) {
	if s.State == spool.Retrying {
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

func (w *worker) noteLost(j *job, why string) {
	w.d.leasesLost.Add(1)
	w.d.log.Warn("lease lost", "source", w.Key.Source, "route", w.Key.Route, "delivery", j.Lease.Delivery, "at", why)
}

func (w *worker) isGone(j *job) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return j.gone
}
