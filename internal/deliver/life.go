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
	for _, l := range d.lines {
		ln := d.lanes.join(l)
		l.mu.Lock()
		l.lane, l.started = ln, true
		l.mu.Unlock()
		ln.refill() // the newest number may be a larger one
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
	for _, l := range d.lines {
		loops.Go(l.run)
	}
	loops.Wait()
	over()
	aside.Wait()
}

// told is what the store calls after commits.
func (d *Dispatcher) told(k spool.RouteKey) {
	if l := d.lines[k]; l != nil {
		l.due()
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
	for _, l := range d.lines {
		l.mu.Lock()
		l.stopped = true
		back = append(back, l.flush()...)
		l.passed()
		l.mu.Unlock()
		l.poke()
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
	for _, l := range d.lines {
		l.mu.Lock()
		n += l.running
		l.mu.Unlock()
	}
	return n
}

// abandon gives back the leases of upstreams that do not return and of settles
// that hang, so that the next start counts no attempt for them.
func (d *Dispatcher) abandon() {
	var leases []spool.Lease
	for _, l := range d.lines {
		l.mu.Lock()
		for j := l.jobs.next; j != &l.jobs; j = j.next {
			j.gone = true
			leases = append(leases, j.Lease)
		}
		l.mu.Unlock()
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
		for _, l := range d.lines {
			l.mu.Lock()
			for j := l.jobs.next; j != &l.jobs; j = j.next {
				if left := j.expires.Sub(now); left > 0 && left <= LeaseFor*2/3 {
					jobs[j.Lease.Fence] = j // Two of one delivery are of one that was taken over.
					leases = append(leases, j.Lease)
				}
			}
			l.mu.Unlock()
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
	for _, l := range lost {
		if j := jobs[l.Fence]; j != nil {
			// One that waits is not begun any more; the settle of one that
			// runs will be refused.
			j.line.expire(j, now.Add(-1))
			delete(jobs, l.Fence)
		}
	}
	for _, j := range jobs {
		j.line.expire(j, until)
	}
}

func (l *line) expire(j *job, at time.Time) {
	l.mu.Lock()
	j.expires = at
	l.mu.Unlock()
}
