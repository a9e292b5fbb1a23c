package deliver

import (
	"context"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// job is one lease of a worker, from its coming until it is settled or given back.
// The worker's mu guards what is not set by newJob, unless a field says otherwise.
type job struct {
	spool.Delivery
	// worker is nil for a route that the dispatcher does not serve.
	worker *worker
	// got is when the lease was asked for, with a monotonic reading: the lease
	// itself is not older.
	got time.Time
	// expires is when the lease ends at the latest; extend moves it.
	expires time.Time

	// probe marks the one delivery that tries a held route, until its answer is
	// judged.
	probe bool
	// held reports whether the route was held when the attempt began: only then
	// may the attempt be free.
	held bool
	// endSettle ends the settle that is under way; nil where none is, or where it may
	// take as long as it likes.
	endSettle context.CancelFunc
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

// newJob returns the job of a delivery whose lease was asked for at got. Until says
// nothing here, because it is by the store's clock, which may be a database's and
// hours off. Time since got is the same by all clocks.
func newJob(w *worker, dl spool.Delivery, got time.Time) *job {
	return &job{worker: w, Delivery: dl, got: got, expires: got.Add(LeaseFor)}
}

// size returns how many bytes a waiting job keeps in memory, roughly.
func (j *job) size() int {
	if j.Event == nil {
		return 0
	}
	return len(j.Event.Request.Body)
}
