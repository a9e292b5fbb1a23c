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
// process. Limits: delivery is at least once. Order is the store's: it hands out the
// deliveries of a key one at a time, and keeps no other.
//
// DESIGN.md has the states of a lease, the table of answers, and what a crash
// does at each step. Read worker.go first: everything else serves it.
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
	// cutGrace is what attempts that Drain cancelled get to return.
	cutGrace = 2 * time.Second
	// complainEvery keeps a failing store from filling the log.
	complainEvery = 10 * time.Second
)

// Dispatcher delivers for the routes of one configuration. It has one worker a
// route; it starts and ends them, and routes the calls of the accept path.
type Dispatcher struct {
	store    spool.Store
	shared   spool.Shared // The store, where other processes may have it open too; else nil.
	slots    *Slots       // shared with the dispatchers of other configurations
	log      *slog.Logger
	observer Observer                   // nil for none
	random   func() float64             // in [0,1), for jitter
	owner    spool.Owner                // unique in the life of the store
	clock    storeClock                 // how far the store's is ahead
	workers  map[spool.RouteKey]*worker // never changes after New
	// holds has a value when the store's holds may have changed since they were
	// read last. One value is enough: a reading sees every change before it.
	holds chan struct{}

	// Two contexts, because the end comes in two steps, and Stop is neither. running
	// is that of the attempts: Drain cancels it when its own context ends, and what
	// they return then is still settled or given back. cut is that of the calls to
	// the store, and ends cutGrace later, when those are not waited for either.
	running       context.Context
	cancelRunning context.CancelFunc
	cut           context.Context
	cutOff        context.CancelFunc

	mu      sync.Mutex // orders Start and Stop, and guards the two below
	started bool
	stopped bool
	done    chan struct{} // closed when nothing runs any more

	leasesLost atomic.Uint64
	complained atomic.Int64 // Unix time in nanoseconds of the last storeFailed that was logged
}

// NewOwner returns a name for a dispatcher that no other has, in any process.
func NewOwner() spool.Owner {
	var name [9]byte
	_, _ = rand.Read(name[:]) // never fails
	return spool.Owner("d-" + hex.EncodeToString(name[:]))
}

// New checks c and makes a Dispatcher that does nothing before Start.
func New(c Config) (*Dispatcher, error) {
	if c.Store == nil {
		return nil, errors.New("making dispatcher: no store")
	}
	d := &Dispatcher{
		store: c.Store, slots: c.Slots, log: c.Log, observer: c.Observer, random: c.Random, owner: c.Owner,
		workers: make(map[spool.RouteKey]*worker, len(c.Routes)),
		holds:   make(chan struct{}, 1),
		done:    make(chan struct{}),
	}
	d.shared, _ = c.Store.(spool.Shared)
	if d.owner == "" {
		d.owner = NewOwner()
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
		w.countMembers()
		rs := d.slots.join(w)
		w.mu.Lock()
		w.slots, w.started = rs, true
		w.mu.Unlock()
		// The newest max_in_flight may be a larger one: workers of the former
		// configuration that wait may go on.
		rs.refill()
	}
	go d.run()
}

// run lives until everything that was leased before Stop has ended. What follows
// the holds and extends the leases goes on until then, because attempts that
// outlive Stop need their leases.
func (d *Dispatcher) run() {
	defer close(d.done)
	defer d.store.Watch(d.onCommit)()
	ctx, over := context.WithCancel(d.cut)
	var beside, loops sync.WaitGroup
	beside.Go(func() { d.followHolds(ctx) })
	beside.Go(func() { d.extend(ctx) })
	if d.shared != nil {
		beside.Go(func() { d.followMembers(ctx) })
	}
	for _, w := range d.workers {
		loops.Go(w.run)
	}
	loops.Wait()
	over()
	beside.Wait()
}

// onCommit is called by the store after a commit that concerns route k. It must
// not block, so it only wakes what will look.
func (d *Dispatcher) onCommit(k spool.RouteKey) {
	if w := d.workers[k]; w != nil {
		w.markDue()
		d.markHolds()
	}
}

// Stop ends leasing and returns at once. Attempts that run go on and settle
// under their leases; leases whose attempts have not begun are given back at
// once, so that the dispatcher of the next configuration finds them due. A second
// call does nothing.
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
// that hang, so that the next start counts no attempt for them. The jobs are
// marked as gone first: an upstream that returns after all must not settle what
// another dispatcher may be running by then.
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

// Owner returns the name under which the dispatcher leases.
func (d *Dispatcher) Owner() spool.Owner { return d.owner }

// LeaseFor returns how long the leases of what is born running must last.
func (d *Dispatcher) LeaseFor() time.Duration { return LeaseFor }

// LeasesLost returns how many leases ended while the dispatcher still used them:
// their deliveries may have been attempted twice.
func (d *Dispatcher) LeasesLost() uint64 { return d.leasesLost.Load() }

// Reserve makes room for one delivery that may be born running, and reports
// whether there was some: there is none for an unknown, held or full route and
// with a dispatcher that does not run. Each true must be followed by one Offer or
// one Unreserve.
//
// The room is taken before the event is committed, and not after, because the
// commit decides for good: what it stores as running under our lease, no other
// dispatcher runs until that lease ends.
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

// Offer uses a reservation for a delivery that was born running. asked is the
// machine's time from before the call of Accept: its lease is not older than that.
// Offer never blocks. If the dispatcher was stopped, or the route held, in the
// meantime, the lease is given back at once.
func (d *Dispatcher) Offer(dl spool.Delivery, asked time.Time) {
	w := d.workers[dl.Route]
	j := newJob(w, dl, asked)
	d.clock.note(j)
	if w == nil {
		go d.giveBack([]*job{j})
		return
	}
	w.offer(j)
}

// storeFailed logs that a call of the store failed. A store that fails does so in
// every call, so that one line stands for those of the next while.
func (d *Dispatcher) storeFailed(doing string, k spool.RouteKey, err error) {
	now, last := time.Now().UnixNano(), d.complained.Load()
	if d.cut.Err() != nil || now-last < int64(complainEvery) || !d.complained.CompareAndSwap(last, now) {
		return
	}
	d.log.Warn("store failed", "doing", doing, "source", k.Source, "route", k.Route, "error", err)
}
