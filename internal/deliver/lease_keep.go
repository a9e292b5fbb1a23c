package deliver

import (
	"context"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// A lease lasts 30 s, and most deliveries are settled in milliseconds. So a lease
// is not extended before it is 10 s old, and the usual delivery costs the store
// nothing; from then on it is extended every 5 s until its job is done.
const (
	// extendEvery is how often leases older than a third of LeaseFor are
	// extended: one that cannot be is tried three times more before its end.
	extendEvery = LeaseFor / 6
	// releaseWithin bounds one call that gives leases back.
	releaseWithin = 5 * time.Second
)

// extend keeps the leases alive of attempts that last, and of what waits for a
// slot, until ctx ends.
func (d *Dispatcher) extend(ctx context.Context) {
	for sleep(ctx, extendEvery) {
		now := time.Now()
		// By fence, because two leases of one delivery may be here: the first ran
		// out, the delivery was taken over, and this dispatcher leased it again.
		jobs := make(map[int64]*job)
		var leases []spool.Lease
		for _, w := range d.workers {
			w.mu.Lock()
			for j := w.jobs.next; j != &w.jobs; j = j.next {
				switch left := j.expires.Sub(now); {
				case left > 0 && left <= LeaseFor*2/3:
					jobs[j.Lease.Fence] = j
					leases = append(leases, j.Lease)
				case left <= 0 && j.endSettle != nil:
					j.endSettle()
				}
			}
			w.mu.Unlock()
		}
		if len(leases) > 0 {
			d.extendAll(ctx, now, leases, jobs)
		}
	}
}

// extendAll extends leases in one call. jobs are theirs, by fence.
func (d *Dispatcher) extendAll(ctx context.Context, now time.Time, leases []spool.Lease, jobs map[int64]*job) {
	ctx, cancel := context.WithTimeout(ctx, extendEvery)
	defer cancel()
	lost, err := d.store.Extend(ctx, leases, LeaseFor)
	if err != nil {
		d.storeFailed("extending leases", spool.RouteKey{}, err)
		return
	}
	// From the time before the call: the store's lease ends later than that, never
	// earlier.
	until := now.Add(LeaseFor)
	for _, gone := range lost {
		if j := jobs[gone.Fence]; j != nil {
			// One that waits is not begun any more; the settle of one that
			// runs will be refused.
			j.worker.setExpiry(j, now.Add(-1))
			delete(jobs, gone.Fence)
		}
	}
	for _, j := range jobs {
		j.worker.setExpiry(j, until)
	}
}

func (w *worker) setExpiry(j *job, at time.Time) {
	w.mu.Lock()
	j.expires = at
	w.mu.Unlock()
}

func (w *worker) expires(j *job) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return j.expires
}

// giveBack releases leases without an attempt counted. It goes on for as long as
// a lease lasts, also for leases that have run out: no dispatcher takes them over
// while the route is held, so that their deliveries would stay running for as long
// as the hold lasts. Leases that were taken over are ignored by the store.
func (d *Dispatcher) giveBack(jobs []*job) {
	leases := make([]spool.Lease, 0, len(jobs))
	last := time.Now().Add(LeaseFor)
	for _, j := range jobs {
		if j.worker != nil && j.worker.isGone(j) {
			continue // Drain has done it.
		}
		leases = append(leases, j.Lease)
	}
	for try := 0; len(leases) > 0; try++ {
		// Not under d.cut: at the end of a process this call is what keeps the
		// attempts from being counted.
		ctx, cancel := context.WithTimeout(context.Background(), releaseWithin)
		err := d.store.Release(ctx, leases)
		cancel()
		if err == nil {
			break
		}
		if !d.pause(backoff(try), last) {
			d.log.Error("leases not given back, they will run out", "leases", len(leases), "error", err)
			break
		}
	}
	// The jobs are dropped only now, so that Drain waits for this call. Then every
	// dispatcher of the route looks, because this one may have been stopped.
	woken := make(map[*routeSlots]bool)
	for _, j := range jobs {
		if j.worker == nil {
			continue
		}
		if rs := j.worker.drop(j); rs != nil && !woken[rs] {
			woken[rs] = true
			rs.markDueAt(time.Now())
		}
	}
}

// pause waits for t and reports whether it did. It does not wait beyond until.
func (d *Dispatcher) pause(t time.Duration, until time.Time) bool {
	return time.Now().Add(t).Before(until) && sleep(d.cut, t)
}

// sleep waits for t and returns false when ctx ended first.
func sleep(ctx context.Context, t time.Duration) bool {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// backoff returns the pause after the nth failed call of the store, from 0.
func backoff(n int) time.Duration {
	return min(50*time.Millisecond<<min(n, 6), 2*time.Second)
}
