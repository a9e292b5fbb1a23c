package deliver

import (
	"context"
	"fmt"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

const (
	// readHoldsAtMost is how often what the store reports makes us read the holds.
	readHoldsAtMost = time.Second
	// readHoldsAtLeast is how often they are read although nothing was reported.
	readHoldsAtLeast = 15 * time.Second
	// readHoldsShare bounds the time spent reading, should a store count slowly:
	// a pause lasts this many times as long as the reading before it.
	readHoldsShare = 20
)

// holdSync is the hold of a route as a worker has it, and how it stands to the
// store's.
type holdSync struct {
	holding
	known   bool    // the store's holds have been read once
	pending pending // what the store does not know yet
	writing bool
	version int // rises with each change of ours and each write of it
}

// pending is a change of the hold that is to be written.
type pending uint8

const (
	nothing pending = iota
	writeHold
	writeProbe
	writeResume
)

// noteChange follows a change of ours. It returns the leases to give back; the
// caller holds mu.
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

// adopt follows what the store says, unless it was read before a change of
// ours was written: version is the worker's when the reading began.
func (w *worker) adopt(st spool.RouteState, version int) {
	w.mu.Lock()
	w.hold.known = true
	if w.stopped || w.hold.version != version || w.hold.pending != nothing || w.hold.writing {
		w.mu.Unlock()
		w.poke()
		w.d.markHolds() // read once more
		return
	}
	c, back := w.adoptLocked(st)
	hold := w.hold.current
	w.mu.Unlock()
	w.reportHold(c, hold, back)
	w.poke()
}

// adoptLocked makes the store's state of the route ours. The caller holds mu.
func (w *worker) adoptLocked(st spool.RouteState) (c change, back []*job) {
	c = w.hold.adopt(time.Now(), st.Hold)
	switch c {
	case nowHeld:
		w.backlog.none = false
		back = w.clearForHold()
	case nowResumed:
		w.startCatchUp(st.Waiting)
	}
	return c, back
}

// followOperator follows an operator's hold as soon as the store has it. One that meets a
// change of ours is found when that is written.
func (w *worker) followOperator() {
	w.mu.Lock()
	h, byHand := w.unseenHold()
	if !byHand || w.stopped || w.hold.pending != nothing {
		w.mu.Unlock()
		return
	}
	c, back := w.adoptLocked(spool.RouteState{Key: w.Key, Hold: &h})
	w.hold.version++ // A reading that began before says nothing.
	hold := w.hold.current
	w.mu.Unlock()
	w.reportHold(c, hold, back)
}

// clearForHold ends what goes on before a hold: the caller gives back what is
// returned, and holds mu.
func (w *worker) clearForHold() []*job {
	w.backlog.catching = catchUp{}
	w.releaseResumer()
	return w.flush()
}

// startCatchUp begins to catch up with a backlog. The caller holds mu.
func (w *worker) startCatchUp(backlog int64) {
	w.backlog.catching = catchUp{left: backlog}
	w.backlog.due.Store(true)
	if backlog == 0 {
		w.releaseResumer()
	}
}

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

// writePending tells the store about the change of a hold.
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
		w.hold.pending = p
	case err != nil || w.hold.pending != nothing: // the next write decides
	case theirs:
		c, back = w.adoptLocked(st)
	case p == writeResume:
		w.startCatchUp(st.Waiting)
	}
	hold = w.hold.current
	w.mu.Unlock()
	w.reportHold(c, hold, back)
	return err
}

// write writes a change, unless somebody else was there first: an operator's
// hold is not replaced, and a resume of theirs not undone by a failed probe.
// theirs says that st counts instead.
func (w *worker) write(p pending, hold *spool.Hold) (st spool.RouteState, theirs bool, err error) {
	st, err = w.d.routeState(w.Key)
	if err != nil {
		return st, false, err
	}
	byHand := st.Hold != nil && st.Hold.ByHand
	switch {
	case byHand, p == writeProbe && st.Hold == nil:
		return st, true, nil
	case p == writeResume:
		err = w.d.store.Resume(w.d.cut, w.Key)
	case hold != nil:
		err = w.d.store.Hold(w.d.cut, w.Key, *hold)
	}
	if err != nil {
		return st, false, fmt.Errorf("writing hold: %w", err)
	}
	return st, false, nil
}

func (d *Dispatcher) routeState(k spool.RouteKey) (spool.RouteState, error) {
	states, err := d.store.Routes(d.cut)
	if err != nil {
		return spool.RouteState{}, fmt.Errorf("reading routes: %w", err)
	}
	for _, st := range states {
		if st.Key == k {
			return st, nil
		}
	}
	return spool.RouteState{Key: k}, nil
}

// followHolds reads the holds at first, when the store tells of a change, and
// now and then, so that a hold by an operator or another dispatcher is seen.
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
		w.adopt(found[w.Key], versions[w])
	}
	return nil
}

func (d *Dispatcher) markHolds() {
	select {
	case d.holds <- struct{}{}:
	default:
	}
}
