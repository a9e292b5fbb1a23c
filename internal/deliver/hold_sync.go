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

// changed follows a change of ours. It returns the leases to give back; the
// caller holds mu.
func (w *worker) changed(c change) (back []*job) {
	switch c {
	case unchanged:
		return nil
	case nowHeld:
		w.pending, w.nobody = writeHold, false
		back = w.begone()
	case stillHeld:
		if w.pending == nothing {
			w.pending = writeProbe
		}
	case nowResumed:
		w.pending = writeResume
	}
	w.version++
	w.poke()
	return back
}

// adopt follows what the store says, unless it was read before a change of
// ours was written: version is the worker's when the reading began.
func (w *worker) adopt(st spool.RouteState, version int) {
	w.mu.Lock()
	w.known = true
	if w.stopped || w.version != version || w.pending != nothing || w.writing {
		w.mu.Unlock()
		w.poke()
		w.d.markHolds() // read once more
		return
	}
	c, back := w.follow(st)
	hold := w.h.hold
	w.mu.Unlock()
	w.announce(c, hold, back)
	w.poke()
}

// follow makes the store's state of the route ours. The caller holds mu.
func (w *worker) follow(st spool.RouteState) (c change, back []*job) {
	c = w.h.adopt(time.Now(), st.Hold)
	switch c {
	case nowHeld:
		w.nobody = false
		back = w.begone()
	case nowResumed:
		w.catch(st.Waiting)
	}
	return c, back
}

// heed follows an operator's hold as soon as the store has it. One that meets a
// change of ours is found when that is written.
func (w *worker) heed() {
	w.mu.Lock()
	h, byHand := w.newByHand()
	if !byHand || w.stopped || w.pending != nothing {
		w.mu.Unlock()
		return
	}
	c, back := w.follow(spool.RouteState{Key: w.Key, Hold: &h})
	w.version++ // A reading that began before says nothing.
	hold := w.h.hold
	w.mu.Unlock()
	w.announce(c, hold, back)
}

// begone ends what goes on before a hold: the caller gives back what is
// returned, and holds mu.
func (w *worker) begone() []*job {
	w.catching = catchUp{}
	w.passed()
	return w.flush()
}

// catch begins to catch up with a backlog. The caller holds mu.
func (w *worker) catch(backlog int64) {
	w.catching = catchUp{left: backlog}
	w.look.Store(true)
	if backlog == 0 {
		w.passed()
	}
}

func (w *worker) announce(c change, hold *spool.Hold, back []*job) {
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
	p, hold := w.pending, w.h.hold
	w.pending, w.writing = nothing, true
	w.mu.Unlock()

	st, theirs, err := w.write(p, hold)

	w.mu.Lock()
	w.writing = false
	w.version++
	var c change
	var back []*job
	switch {
	case err != nil && w.pending == nothing:
		w.pending = p
	case err != nil || w.pending != nothing: // the next write decides
	case theirs:
		c, back = w.follow(st)
	case p == writeResume:
		w.catch(st.Waiting)
	}
	hold = w.h.hold
	w.mu.Unlock()
	w.announce(c, hold, back)
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
		versions[w] = w.version
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
