package rig

import (
	"net/http"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/history"
)

// AwaitAcked waits until n more events than now have had a 200.
func (r *Rig) AwaitAcked(n int) {
	r.t.Helper()
	want := r.Log.Acked() + n
	if !r.Log.Await(proctest.Patience, func() bool { return r.Log.Acked() >= want }) {
		r.t.Fatalf("%d events acknowledged after %s, want %d", r.Log.Acked(), proctest.Patience, want)
	}
}

// AwaitArrivals waits until n more attempts than now have come to the apps.
func (r *Rig) AwaitArrivals(n int) {
	r.t.Helper()
	want := r.Log.Arrivals(0) + n
	if !r.Log.Await(proctest.Patience, func() bool { return r.Log.Arrivals(0) >= want }) {
		r.t.Fatalf("%d attempts came after %s, want %d", r.Log.Arrivals(0), proctest.Patience, want)
	}
}

// AwaitAll waits until every app has what was acknowledged.
func (r *Rig) AwaitAll() {
	r.t.Helper()
	if !r.Log.AwaitAll(proctest.Patience) {
		r.t.Errorf("acknowledged and not arrived after %s:\n%s", proctest.Patience, r.Log.Missing())
	}
}

// Again does what the platform does after a restart: it sends once more a share
// of what had no answer in the last life, and copies of a share of what had one.
// It returns how many copies there were.
func (r *Rig) Again(unanswered, copies float64) int {
	r.t.Helper()
	last := r.number() - 1
	again := r.Log.Choose(func(e history.Sent) bool {
		return e.Life == last && e.AckedIn == 0 && !e.Forged && r.Random.Float64() < unanswered
	})
	known := r.Log.Choose(func(e history.Sent) bool {
		return e.AckedIn > 0 && (e.Life == last && r.Random.Float64() < copies || r.Random.Float64() < copies/25)
	})
	r.answered(known)
	r.answered(again)
	return len(known)
}

// answered sends events and requires an answer to each: the process lives.
func (r *Rig) answered(events []history.Event) {
	r.t.Helper()
	persist := func(e history.Event) history.Answer { return r.Persist(r.t.Context(), e) }
	for i, a := range r.each(events, persist) {
		if a.Status != http.StatusOK {
			r.Log.Fault("%s, sent again to life %d: %d %v", events[i].ID, a.Life, a.Status, a.Err)
		}
	}
}

// Settle lets everything arrive: the apps are up, what had no 200 is sent again,
// and when all has come, a copy of every event, which must be a duplicate. It
// needs a life, or starts one.
func (r *Rig) Settle() {
	r.t.Helper()
	r.StartApps()
	if r.life == nil {
		r.Start()
	}
	r.answered(r.Log.Choose(func(e history.Sent) bool { return e.AckedIn == 0 && !e.Forged }))
	r.AwaitAll()
	r.Sentinel()
	r.answered(r.Log.Choose(func(e history.Sent) bool { return e.AckedIn > 0 }))
	r.Sentinel()
}

// Sentinel sends one event to every route that takes a message.failed, and
// returns once it has come: by then all that waited before it was on its way.
func (r *Rig) Sentinel() {
	r.t.Helper()
	e := r.Event(event.TypeMessageFailed)
	if a := r.Persist(r.t.Context(), e); a.Status != http.StatusOK {
		r.t.Errorf("the last event was answered %d %v", a.Status, a.Err)
	}
	r.AwaitAll()
}
