package deliver

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Start begins to deliver. It returns at once, whatever the store does. A
// second call, or one after Stop, does nothing.
func (d *Dispatcher) Start() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.started || d.stopped {
		return
	}
	d.started = true
	for _, w := range d.workers {
		rs := d.slots.join(w)
		w.mu.Lock()
		w.slots, w.started = rs, true
		w.mu.Unlock()
		rs.refill() // the newest number may be a larger one
	}
	go d.run()
}

// run lives until everything that was in hand after Stop has ended.
func (d *Dispatcher) run() {
	defer close(d.done)
	defer d.store.Watch(d.told)()
	ctx, over := context.WithCancel(d.cut)
	var aside, loops sync.WaitGroup
	aside.Go(func() { d.followHolds(ctx) })
	aside.Go(func() { d.extend(ctx) })
	for _, w := range d.workers {
		loops.Go(w.run)
	}
	loops.Wait()
	over()
	aside.Wait()
}

// told is what the store calls after commits.
func (d *Dispatcher) told(k spool.RouteKey) {
	if w := d.workers[k]; w != nil {
		w.due()
		d.markHolds()
	}
}

// Stop ends leasing and returns at once. Attempts that run go on and settle
// under their leases; leases whose attempts have not begun are given back at
// once. A second call does nothing.
func (d *Dispatcher) Stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return
	}
	d.stopped = true
	if !d.started {
		close(d.done)
	}
	var back []*job
	for _, w := range d.workers {
		w.mu.Lock()
		w.stopped = true
		back = append(back, w.flush()...)
		w.passed()
		w.mu.Unlock()
		w.poke()
	}
	if len(back) > 0 {
		go d.giveBack(back)
	}
}

// Drain stops, and waits for the attempts that run and for the outcome of each
// to be recorded. When ctx ends it cancels those that are left and gives their
// leases back with no attempt counted, which takes at most a few seconds, and
// returns an error that wraps ctx's. The store must stay open until it returns.
func (d *Dispatcher) Drain(ctx context.Context) error {
	d.Stop()
	select {
	case <-d.done:
		return nil
	case <-ctx.Done():
	}
	cut := d.attempts()
	d.cancelRunning()
	timer := time.NewTimer(cutGrace)
	defer timer.Stop()
	select {
	case <-d.done:
		if cut == 0 {
			return nil
		}
	case <-timer.C:
		d.abandon()
	}
	return fmt.Errorf("draining %d attempts: %w", cut, ctx.Err())
}

// attempts counts those that run.
func (d *Dispatcher) attempts() (n int) {
	for _, w := range d.workers {
		w.mu.Lock()
		n += w.running
		w.mu.Unlock()
	}
	return n
}

// abandon gives back the leases of upstreams that do not return and of settles
// that hang, so that the next start counts no attempt for them.
func (d *Dispatcher) abandon() {
	var leases []spool.Lease
	for _, w := range d.workers {
		w.mu.Lock()
		for j := w.jobs.next; j != &w.jobs; j = j.next {
			j.gone = true
			leases = append(leases, j.Lease)
		}
		w.mu.Unlock()
	}
	ctx, cancel := context.WithTimeout(context.Background(), cutGrace)
	defer cancel()
	if err := d.store.Release(ctx, leases); err != nil {
		d.log.Error("leases not given back", "leases", len(leases), "error", err)
	}
	d.cutOff()
	<-d.done
}

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
			j.worker.expire(j, now.Add(-1))
			delete(jobs, gone.Fence)
		}
	}
	for _, j := range jobs {
		j.worker.expire(j, until)
	}
}

func (w *worker) expire(j *job, at time.Time) {
	w.mu.Lock()
	j.expires = at
	w.mu.Unlock()
}
