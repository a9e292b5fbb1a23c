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

// work runs j in a slot of the lane, and after it what waits, as long as it may
// keep the slot. Only the last settle is its own: the slot does not wait for
// the store.
func (l *line) work(j *job) {
	for {
		settle := l.attempt(j)
		next := l.pass(j)
		if next == nil {
			settle()
			return
		}
		go settle()
		j = next
	}
}

// attempt makes one attempt and returns what is left to do outside the slot.
func (l *line) attempt(j *job) (settle func()) {
	start := time.Now()
	if start.After(l.expires(j)) {
		// The delivery may be running elsewhere. If not, nobody would take it
		// over while the route is held: so it is given back all the same.
		return func() {
			l.noteLost(j, "lease ran out before the attempt began")
			l.d.giveBack([]*job{j})
		}
	}
	n := j.Attempts + 1
	a := l.call(Attempt{Delivery: j.Delivery, N: n})
	end := time.Now()
	o := l.conclude(j, a, start, end)
	if o.state == 0 {
		return func() { l.d.giveBack([]*job{j}) }
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
		l.letPass(j)
		l.settle(j, s, end.Add(o.after))
	}
}

// call asks the upstream, and makes an answer of whatever it does.
func (l *line) call(a Attempt) (ans Answer) {
	ctx, cancel := context.WithTimeout(l.d.running, l.Timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			ans = l.panicked(a, p)
		}
		ans = l.believe(ans)
	}()
	return l.Upstream.Attempt(ctx, a)
}

func (l *line) panicked(a Attempt, p any) Answer {
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		return Answer{Reach: Broken, Err: errCut}
	}
	text := fmt.Sprint(p)
	l.d.log.Error("handler panicked", "source", l.Key.Source, "route", l.Key.Route,
		"delivery", a.Delivery.Lease.Delivery, "panic", text[:min(len(text), maxError)], "stack", string(debug.Stack()))
	return Answer{Reach: Broken, Err: errPanicked}
}

// believe corrects what an upstream cannot know: whether we ended the attempt.
func (l *line) believe(a Answer) Answer {
	final := a.Reach == Answered && (a.Status/100 == 2 || a.Status == http.StatusGone)
	switch {
	case l.d.running.Err() != nil && !final:
		a.Reach = Aborted
	case a.Reach == Aborted, a.Reach < Answered, a.Reach > Aborted:
		a.Reach = Broken
	}
	return a
}

// conclude judges an answer, for the delivery and for its route.
func (l *line) conclude(j *job, a Answer, start, end time.Time) outcome {
	id := j.Lease.Delivery
	l.mu.Lock()
	free := j.held && l.h.spares(id, start)
	o := judge(a, j.Attempts+1, l.Schedule, free, l.d.random())
	s := l.lane.hear(j, a, &o, start, end, l.alone(), l.h.hold != nil)
	probe := j.probe
	j.probe = false
	var c change
	var back []*job
	// After Stop the route's state belongs to the next dispatcher.
	if !l.stopped {
		r := result{sign: o.sign, delivery: id, probe: probe, wait: retryAfter(a, maxProbeWait), why: o.err}
		r.due = l.suspectDue(j, o, end)
		c = l.h.note(end, r)
		back = l.changed(c)
	}
	if h := l.h.hold; h != nil && o.free {
		o.after = max(o.after, h.NextProbe.Sub(end))
	}
	if c == nowHeld {
		l.lane.forget() // It was no limit: the app is not there.
	}
	if c == nowResumed && o.state == spool.Retrying {
		l.passed()
		l.resumer, j.behind = j, make(chan struct{})
	}
	hold := l.h.hold
	l.mu.Unlock()
	l.announce(c, hold, back)
	l.follows(s, a)
	if c == nowHeld {
		l.lane.refill()
	}
	return o
}

// letPass waits until the catching up that j's answer began is beyond j. Were j
// waiting in the store before, it would be leased again with all the others,
// long before it is due.
func (l *line) letPass(j *job) {
	if j.behind == nil {
		return
	}
	timer := time.NewTimer(maxBehind)
	defer timer.Stop()
	select {
	case <-j.behind:
	case <-timer.C:
	case <-l.d.cut.Done():
	}
}

// passed lets the resumer settle. The caller holds mu.
func (l *line) passed() {
	if l.resumer != nil {
		close(l.resumer.behind)
		l.resumer = nil
	}
}

// suspectDue is when the delivery's own schedule would go on.
func (l *line) suspectDue(j *job, o outcome, end time.Time) time.Time {
	if !o.free {
		return end.Add(o.after)
	}
	if l.h.suspect == j.Lease.Delivery && !l.h.suspectDue.IsZero() {
		return l.h.suspectDue
	}
	// After a restart nobody knows when its last counted attempt was.
	delay, _ := l.Schedule.delay(j.Attempts, 0)
	return end.Add(delay)
}

// settle writes an outcome, again and again while the lease lasts.
func (l *line) settle(j *job, s spool.Settlement, again time.Time) {
	for try := 0; ; try++ {
		if l.isGone(j) {
			return
		}
		err := l.d.store.Settle(l.d.cut, s)
		switch {
		case err == nil:
			l.settled(j, s, again)
			return
		case errors.Is(err, spool.ErrLeaseLost) && try > 0:
			// Most likely an earlier try did land, though it failed.
			l.d.log.Info("lease is over", "source", l.Key.Source, "route", l.Key.Route, "delivery", s.Lease.Delivery)
			l.drop(j)
			return
		case errors.Is(err, spool.ErrLeaseLost):
			l.lost(j, "settle refused")
			return
		case !l.d.pause(backoff(try), l.expires(j)):
			l.d.log.Error("outcome not recorded, the attempt will be repeated", "source", l.Key.Source,
				"route", l.Key.Route, "delivery", s.Lease.Delivery, "state", s.State.String(), "error", err)
			l.drop(j)
			return
		}
	}
}

func (l *line) settled(j *job, s spool.Settlement, again time.Time) {
	if s.State == spool.Retrying {
		l.lane.due(again)
	}
	if s.State == spool.Dead {
		l.d.log.Warn("dead letter", "source", l.Key.Source, "route", l.Key.Route,
			"event_id", j.Event.ID, "delivery", s.Lease.Delivery, "attempts", s.Attempt.N, "reason", s.Reason)
	}
	if ob := l.d.observer; ob != nil {
		ob.Attempted(l.Key, j.Delivery, s.Attempt, s.State)
	}
	l.drop(j)
}

func (l *line) lost(j *job, why string) {
	l.noteLost(j, why)
	l.drop(j)
}

func (l *line) noteLost(j *job, why string) {
	l.d.leasesLost.Add(1)
	l.d.log.Warn("lease lost", "source", l.Key.Source, "route", l.Key.Route, "delivery", j.Lease.Delivery, "at", why)
}

func (l *line) isGone(j *job) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return j.gone
}

func (l *line) expires(j *job) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return j.expires
}

// backoff is the pause after the nth failed call of the store, from 0.
func backoff(n int) time.Duration {
	return min(50*time.Millisecond<<min(n, 6), 2*time.Second)
}
