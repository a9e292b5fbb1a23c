package deliver

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

const (
	// readHoldsAtMost is how often what the store reports leads to a reading of the
	// holds: it reports every commit, and a reading counts every route.
	readHoldsAtMost = time.Second
	// readHoldsAtLeast is how often they are read although nothing was reported.
	readHoldsAtLeast = 15 * time.Second
	// readHoldsShare bounds the time spent reading, should a store count slowly:
	// a pause lasts this many times as long as the reading before it.
	readHoldsShare = 20
)

// holdSync is the hold of a route as a worker has it, and how it stands to the
// store's row, which survives restarts and is shared with other dispatchers and with
// operators. A change that an attempt makes counts here at once and is written by the
// loop, so that no attempt waits for the store; a change by others is read now and
// then, except that an operator's hold is asked for before each attempt. The
// worker's mu guards all of it.
type holdSync struct {
	holding
	// known means that the row has been read once. Nothing is leased before: the
	// route may have been held when the last process ended.
	known bool
	// pending is the change that is to be written.
	pending pending
	// writing means that a change is being written.
	writing bool
	// version rises with each change made here and each write of one. A reading that
	// began under another version is older than that change, and is not believed.
	version int
}

// pending is a change of the hold that is to be written. One is enough, however many
// there were, since the whole row is written.
type pending uint8

const (
	nothing     pending = iota
	writeHold           // the route is held
	writeProbe          // it still is, and another probe failed
	writeResume         // it is held no more
)

// noteChange follows a change that an attempt made. It returns the leases to give
// back; the caller holds mu.
func (w *worker) noteChange(c change) (back []*job) {
	switch c {
	case unchanged:
		return nil
	case nowHeld:
		w.hold.pending, w.backlog.none = writeHold, false
		back = w.clearForHold()
	case stillHeld:
		if w.hold.pending == nothing {
			w.hold.pending = writeProbe
		}
	case nowResumed:
		w.hold.pending = writeResume
	}
	w.hold.version++
	w.poke()
	return back
}

// adopt follows what the store says, unless it was read before a change made here
// was written: version is the worker's when the reading began. Then the holds are
// read again, because the change of another may be in what is not believed.
func (w *worker) adopt(st spool.RouteState, version int) {
	w.mu.Lock()
	w.hold.known = true
	if w.stopped || w.hold.version != version || w.hold.pending != nothing || w.hold.writing {
		w.mu.Unlock()
		w.poke()
		w.d.markHolds()
		return
	}
	c, back := w.adoptLocked(st)
	hold := w.hold.current
	w.mu.Unlock()
	w.reportHold(c, hold, back)
	w.poke()
}

// adoptLocked makes the store's state of the route the worker's. It returns the leases
// to give back. The caller holds mu.
func (w *worker) adoptLocked(st spool.RouteState) (c change, back []*job) {
	// Never the hold of all members: another one's says nothing of the way from here.
	c = w.hold.adopt(time.Now(), st.HeldHere)
	switch c {
	case nowHeld:
		w.backlog.none = false
		back = w.clearForHold()
	case nowResumed:
		w.startCatchUp(st.Last)
	}
	return c, back
}

// followOperator follows an operator's hold as soon as the store has it. While a change
// is to be written it does nothing: write finds the hold then.
func (w *worker) followOperator() {
	w.mu.Lock()
	h, byHand := w.unseenHold()
	if !byHand || w.stopped || w.hold.pending != nothing {
		w.mu.Unlock()
		return
	}
	c, back := w.adoptLocked(spool.RouteState{Key: w.Key, HeldHere: &h})
	// A reading that began before says nothing.
	w.hold.version++
	hold := w.hold.current
	w.mu.Unlock()
	w.reportHold(c, hold, back)
}

// unseenHold returns the operator's hold if the store has one that the worker has not
// followed yet. The caller holds mu.
func (w *worker) unseenHold() (h spool.Hold, ok bool) {
	if w.hold.current != nil && w.hold.current.ByHand {
		return spool.Hold{}, false
	}
	return w.d.store.HeldByHand(w.Key)
}

// clearForHold ends what a hold ends: the catch-up pass, and the waiting in memory.
// Leases that wait would only be extended for as long as the hold lasts, and count
// an attempt if the process were killed meanwhile. The caller gives back what is
// returned, and holds mu.
func (w *worker) clearForHold() []*job {
	w.backlog.catching = catchUp{}
	w.releaseResumer()
	return w.flush()
}

// startCatchUp begins the pass over the backlog, which waited when the route was
// resumed and ends with delivery last, 0 for none. The caller holds mu.
func (w *worker) startCatchUp(last int64) {
	w.backlog.catching = catchUp{upTo: last}
	w.backlog.due.Store(true)
	if last == 0 {
		w.releaseResumer()
	}
}

// reportHold logs a change and reports it to the observer, and gives back leases. The
// caller holds no lock.
func (w *worker) reportHold(c change, hold *spool.Hold, back []*job) {
	if len(back) > 0 {
		go w.d.giveBack(back)
	}
	switch {
	case c == nowHeld && hold != nil:
		w.d.log.Warn("route held", "source", w.Key.Source, "route", w.Key.Route, "reason", hold.Reason, "by_hand", hold.ByHand)
		if ob := w.d.observer; ob != nil {
			ob.Held(w.Key, *hold)
		}
	case c == nowResumed:
		w.d.log.Info("route resumed", "source", w.Key.Source, "route", w.Key.Route)
		if ob := w.d.observer; ob != nil {
			ob.Resumed(w.Key)
		}
	}
}

// writePending writes the change of a hold to the store.
func (w *worker) writePending() error {
	w.mu.Lock()
	p, hold := w.hold.pending, w.hold.current
	w.hold.pending, w.hold.writing = nothing, true
	w.mu.Unlock()

	st, theirs, err := w.write(p, hold)

	w.mu.Lock()
	w.hold.writing = false
	w.hold.version++
	var c change
	var back []*job
	switch {
	case err != nil && w.hold.pending == nothing:
		w.hold.pending = p // Once more.
	case err != nil || w.hold.pending != nothing: // The next write decides.
	case theirs:
		c, back = w.adoptLocked(st)
	case p == writeResume:
		w.startCatchUp(st.Last)
	}
	hold = w.hold.current
	w.mu.Unlock()
	w.reportHold(c, hold, back)
	return err
}

// write writes a change, unless another was there first: the store neither lets an
// operator's hold be replaced, nor a resume be undone by a failed probe. theirs reports
// that the state of the route, which is returned then and after a resume, counts
// instead.
func (w *worker) write(p pending, hold *spool.Hold) (st spool.RouteState, theirs bool, err error) {
	switch {
	case p == writeResume:
		err = w.d.store.Resume(w.d.cut, w.d.owner, w.Key)
	case hold != nil:
		err = w.d.store.Hold(w.d.cut, w.d.owner, w.Key, *hold)
	}
	theirs = errors.Is(err, spool.ErrHoldChanged)
	if err != nil && !theirs {
		return st, false, fmt.Errorf("writing hold: %w", err)
	}
	if theirs || p == writeResume {
		st, err = w.routeState()
	}
	return st, theirs, err
}

// routeState returns the store's state of the route.
func (w *worker) routeState() (spool.RouteState, error) {
	states, err := w.d.store.Routes(w.d.cut)
	if err != nil {
		return spool.RouteState{}, fmt.Errorf("reading routes: %w", err)
	}
	for _, st := range states {
		if st.Key == w.Key {
			return st, nil
		}
	}
	return w.stateUnnamed(nil), nil
}

// stateUnnamed returns the state of a route that the store does not list: it knows none
// of that name, or another member, or a newer configuration, has given its queue
// another name. An operator's hold is known by any name of the queue. here is the hold
// found by this process, which goes on: a failed probe ends it if it has ended.
func (w *worker) stateUnnamed(here *spool.Hold) spool.RouteState {
	st := spool.RouteState{Key: w.Key, Last: math.MaxInt64, HeldHere: here}
	if h, byHand := w.d.store.HeldByHand(w.Key); byHand {
		st.HeldHere = &h
	} else if here != nil && here.ByHand {
		st.HeldHere = nil
	}
	return st
}

// followHolds reads the holds at first, when the store reports a change, and now and
// then, so that a hold by another dispatcher, or a resume, is seen.
func (d *Dispatcher) followHolds(ctx context.Context) {
	for {
		began := time.Now()
		wait := readHoldsAtMost
		if err := d.readHolds(); err != nil {
			d.storeFailed("reading holds", spool.RouteKey{}, err)
			d.markHolds()
		}
		wait = max(wait, readHoldsShare*time.Since(began))
		if !sleep(ctx, wait) {
			return
		}
		select {
		case <-d.holds:
		case <-time.After(readHoldsAtLeast - min(readHoldsAtLeast, wait)):
		case <-ctx.Done():
			return
		}
	}
}

// readHolds reads the holds of all routes and lets each worker follow its own.
func (d *Dispatcher) readHolds() error {
	versions := make(map[*worker]int, len(d.workers))
	for _, w := range d.workers {
		w.mu.Lock()
		versions[w] = w.hold.version
		w.mu.Unlock()
	}
	states, err := d.store.Routes(d.cut)
	if err != nil {
		return err
	}
	found := make(map[spool.RouteKey]spool.RouteState, len(d.workers))
	for _, st := range states {
		found[st.Key] = st
	}
	for _, w := range d.workers {
		st, listed := found[w.Key]
		if !listed {
			w.mu.Lock()
			here := w.hold.current
			w.mu.Unlock()
			st = w.stateUnnamed(here)
		}
		w.adopt(st, versions[w])
	}
	return nil
}

// markHolds makes followHolds read once more.
func (d *Dispatcher) markHolds() {
	select {
	case d.holds <- struct{}{}:
	default:
	}
}
