package deliver

import (
	"context"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// extend keeps the leases in hand alive: of attempts that last, and of what
// waits for a slot.
func (d *Dispatcher) extend(ctx context.Context) {
	for sleep(ctx, extendEvery) {
		now := time.Now()
		jobs := make(map[int64]*job)
		var leases []spool.Lease
		for _, w := range d.workers {
			w.mu.Lock()
			for j := w.jobs.next; j != &w.jobs; j = j.next {
				if left := j.expires.Sub(now); left > 0 && left <= LeaseFor*2/3 {
					jobs[j.Lease.Fence] = j // Two of one delivery are of one that was taken over.
					leases = append(leases, j.Lease)
				}
			}
			w.mu.Unlock()
		}
		if len(leases) > 0 {
			d.extendAll(ctx, now, leases, jobs)
		}
	}
}

func (d *Dispatcher) extendAll(ctx context.Context, now time.Time, leases []spool.Lease, jobs map[int64]*job) {
	ctx, cancel := context.WithTimeout(ctx, extendEvery)
	defer cancel()
	lost, err := d.store.Extend(ctx, leases, LeaseFor)
	if err != nil {
		d.storeFailed("extending leases", spool.RouteKey{}, err)
		return
	}
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
// a lease lasts, also for those that have run out: nobody takes them over while
// the route is held, and those that somebody did are ignored.
func (d *Dispatcher) giveBack(jobs []*job) {
	leases := make([]spool.Lease, 0, len(jobs))
	last := time.Now().Add(LeaseFor)
	for _, j := range jobs {
		if j.worker != nil && j.worker.isGone(j) {
			continue
		}
		leases = append(leases, j.Lease)
	}
	for try := 0; len(leases) > 0; try++ {
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

// pause waits for t, unless that would last beyond until.
func (d *Dispatcher) pause(t time.Duration, until time.Time) bool {
	return time.Now().Add(t).Before(until) && sleep(d.cut, t)
}

func (d *Dispatcher) storeFailed(doing string, k spool.RouteKey, err error) {
	now, last := time.Now().UnixNano(), d.complained.Load()
	if d.cut.Err() != nil || now-last < int64(complainEvery) || !d.complained.CompareAndSwap(last, now) {
		return
	}
	d.log.Warn("store failed", "doing", doing, "source", k.Source, "route", k.Route, "error", err)
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

// backoff is the pause after the nth failed call of the store, from 0.
func backoff(n int) time.Duration {
	return min(50*time.Millisecond<<min(n, 6), 2*time.Second)
}
