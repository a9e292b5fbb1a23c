// Package deliver brings stored deliveries to their upstreams: it leases them
// from a spool.Store, makes attempts, and settles each lease with what came of
// it.
//
// Guarantee: an attempt is made only under a lease, at most max_in_flight run
// at once a route over all dispatchers that share Slots, and none comes earlier
// than its schedule says, except that a route which has just resumed catches
// up. A shutdown or reload uses up no attempt. A route whose upstream cannot be
// reached is held and probed; the attempts of its deliveries are spared. What a
// route keeps in memory is bounded, however much waits.
//
// Life: a Dispatcher belongs to a configuration; Slots, like the store, to the
// process. Limits: delivery is at least once, and order is not kept.
package deliver

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

const (
	// LeaseFor is how long a lease lasts unless it is extended. It bounds how
	// long a delivery idles whose dispatcher vanished.
	LeaseFor = 30 * time.Second
	// extendEvery is how often leases older than a third of LeaseFor are
	// extended: one that cannot be is tried three times more before its end.
	extendEvery = LeaseFor / 6
	// cutGrace is what attempts that Drain cancelled get to return.
	cutGrace = 2 * time.Second
	// releaseWithin bounds one call that gives leases back.
	releaseWithin = 5 * time.Second
	// complainEvery keeps a failing store from filling the log.
	complainEvery = 10 * time.Second
)

// Dispatcher delivers for the routes of one configuration.
type Dispatcher struct {
	store    spool.Store
	slots    *Slots
	log      *slog.Logger
	observer Observer
	random   func() float64
	owner    spool.Owner
	workers  map[spool.RouteKey]*worker
	holds    chan struct{} // the store's holds may have changed

	running       context.Context // of the attempts; ends when Drain cuts them
	cancelRunning context.CancelFunc
	cut           context.Context // of calls to the store; ends when Drain gives up
	cutOff        context.CancelFunc

	mu      sync.Mutex
	started bool
	stopped bool
	done    chan struct{} // closed when nothing runs any more

	leasesLost atomic.Uint64
	complained atomic.Int64 // when the log last paceChange of a failing store
}

// New checks c and makes a Dispatcher that does nothing before Start.
func New(c Config) (*Dispatcher, error) {
	if c.Store == nil {
		return nil, errors.New("making dispatcher: no store")
	}
	d := &Dispatcher{
		store: c.Store, slots: c.Slots, log: c.Log, observer: c.Observer, random: c.Random,
		workers: make(map[spool.RouteKey]*worker, len(c.Routes)),
		holds:   make(chan struct{}, 1),
		done:    make(chan struct{}),
	}
	if d.slots == nil {
		d.slots = NewSlots()
	}
	if d.log == nil {
		d.log = slog.Default()
	}
	if d.random == nil {
		d.random = mathrand.Float64
	}
	for _, r := range c.Routes {
		if err := r.validate(); err != nil {
			return nil, fmt.Errorf("making dispatcher: route %q of source %q: %w", r.Key.Route, r.Key.Source, err)
		}
		if d.workers[r.Key] != nil {
			return nil, fmt.Errorf("making dispatcher: route %q of source %q is named twice", r.Key.Route, r.Key.Source)
		}
		d.workers[r.Key] = newWorker(d, r.withDefaults())
	}
	var name [9]byte
	_, _ = rand.Read(name[:]) // never fails
	d.owner = spool.Owner("d-" + hex.EncodeToString(name[:]))
	d.running, d.cancelRunning = context.WithCancel(context.Background())
	d.cut, d.cutOff = context.WithCancel(context.Background())
	return d, nil
}

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
	defer d.store.Watch(d.onCommit)()
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

// onCommit is what the store calls after commits.
func (d *Dispatcher) onCommit(k spool.RouteKey) {
	if w := d.workers[k]; w != nil {
		w.markDue()
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
		w.releaseResumer()
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

// Owner is the name under which it leases.
func (d *Dispatcher) Owner() spool.Owner { return d.owner }

// LeaseFor is how long the leases of what is born running must last.
func (d *Dispatcher) LeaseFor() time.Duration { return LeaseFor }

// LeasesLost counts the leases that ended while we still held them: their
// deliveries may have been attempted twice.
func (d *Dispatcher) LeasesLost() uint64 { return d.leasesLost.Load() }

// Reserve makes room for one delivery that may be born running. It is false for
// an unknown, held or full route and for a dispatcher that does not run. Each
// true must be followed by one Offer or one Unreserve.
func (d *Dispatcher) Reserve(k spool.RouteKey) bool {
	w := d.workers[k]
	return w != nil && w.reserve()
}

// Unreserve gives back a reservation whose delivery was not born running.
func (d *Dispatcher) Unreserve(k spool.RouteKey) {
	if w := d.workers[k]; w != nil {
		w.unreserve()
	}
}

// Offer uses a reservation for a delivery that was born running. It never
// blocks. If the dispatcher was stopped, or the route held, in the meantime,
// the lease is given back at once.
func (d *Dispatcher) Offer(dl spool.Delivery) {
	w := d.workers[dl.Route]
	j := newJob(w, dl, time.Now())
	if w == nil {
		go d.giveBack([]*job{j})
		return
	}
	w.offer(j)
}
