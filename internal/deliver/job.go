package deliver

import (
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// job is one lease of a worker, from its coming until it is settled or given back.
// The worker's mu guards what is not set by newJob, unless a field says otherwise.
type job struct {
	spool.Delivery
	// worker is nil for a route that the dispatcher does not serve.
	worker *worker
	// got is when the lease was asked for, with a monotonic reading.
	got time.Time
	// expires is when the lease ends at the latest; extend moves it.
	expires time.Time

	// probe marks the one delivery that tries a held route, until its answer is
	// judged.
	probe bool
	// held reports whether the route was held when the attempt began: only then
	// may the attempt be free.
	held bool
	// gone means that Drain gave the lease back by force: it is not settled any more.
	gone bool
	// epoch is that of the route's pace when the attempt began. The lock of
	// routeSlots guards it.
	epoch uint64

	// behind is closed when the job, whose answer resumed its route, may settle;
	// nil for all others. See waitForCatchUp.
	behind chan struct{}

	prev, next *job // neighbours in worker.jobs, nil once it is dropped
}

// newJob returns the job of a delivery whose lease was asked for at got.
func newJob(w *worker, dl spool.Delivery, got time.Time) *job {
	j := &job{worker: w, Delivery: dl, got: got, expires: got.Add(LeaseFor)}
	if left := dl.Until.Sub(got); !dl.Until.IsZero() && left < LeaseFor {
		// Until is by the store's clock. Adding to got keeps the monotonic reading,
		// which a machine's clock that is set does not touch.
		j.expires = got.Add(left)
	}
	return j
}

// size returns how many bytes a waiting job keeps in memory, roughly.
func (j *job) size() int {
	if j.Event == nil {
		return 0
	}
	return len(j.Event.Request.Body)
}

// storeNow returns the store's time when the machine's is now. The store's clock
// never runs backwards, so it may be ahead of the machine's; the end of the lease
// shows by how much.
func (j *job) storeNow(now time.Time) time.Time {
	if j.Until.IsZero() {
		return now
	}
	if t := j.Until.Add(now.Sub(j.got) - LeaseFor); t.After(now) {
		return t
	}
	return now
}
