package deliver

import (
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// job is one lease in our hands, from its coming until it is settled or given
// back.
type job struct {
	spool.Delivery
	worker  *worker   // nil for a route that is not ours
	got     time.Time // when the lease came
	expires time.Time // when it ends at the latest, unless extended

	probe bool   // chosen to try a held route, and not judged yet
	held  bool   // the route was held when the attempt began
	gone  bool   // released by force: no settle any more
	epoch uint64 // of the route's pace when the attempt began; under the slots' lock

	behind chan struct{} // closed when the job that resumed the route may settle

	prev, next *job // in worker.jobs
}

func newJob(w *worker, dl spool.Delivery, got time.Time) *job {
	j := &job{worker: w, Delivery: dl, got: got, expires: got.Add(LeaseFor)}
	if left := dl.Until.Sub(got); !dl.Until.IsZero() && left < LeaseFor {
		// Keeps the monotonic reading, which a set clock does not touch.
		j.expires = got.Add(left)
	}
	return j
}

// size is what a waiting job keeps in memory, roughly.
func (j *job) size() int {
	if j.Event == nil {
		return 0
	}
	return len(j.Event.Request.Body)
}

// storeNow is the store's time. Its clock never runs backwards, so it may be
// ahead of the machine's; the lease tells by how much.
func (j *job) storeNow(now time.Time) time.Time {
	if j.Until.IsZero() {
		return now
	}
	if t := j.Until.Add(now.Sub(j.got) - LeaseFor); t.After(now) {
		return t
	}
	return now
}
