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
func (l *line) changed(c change) (back []*job) {
	switch c {
	case unchanged:
		return nil
	case nowHeld:
		l.pending, l.nobody = writeHold, false
		back = l.begone()
	case stillHeld:
		if l.pending == nothing {
			l.pending = writeProbe
		}
	case nowResumed:
		l.pending = writeResume
	}
	l.version++
	l.poke()
	return back
}

// adopt follows what the store says, unless it was read before a change of
// ours was written: version is the line's when the reading began.
func (l *line) adopt(st spool.RouteState, version int) {
	l.mu.Lock()
	l.known = true
	if l.stopped || l.version != version || l.pending != nothing || l.writing {
		l.mu.Unlock()
		l.poke()
		l.d.markHolds() // read once more
		return
	}
	c, back := l.follow(st)
	hold := l.h.hold
	l.mu.Unlock()
	l.announce(c, hold, back)
	l.poke()
}

// follow makes the store's state of the route ours. The caller holds mu.
func (l *line) follow(st spool.RouteState) (c change, back []*job) {
	c = l.h.adopt(time.Now(), st.Hold)
	switch c {
	case nowHeld:
		l.nobody = false
		back = l.begone()
	case nowResumed:
		l.catch(st.Waiting)
	}
	return c, back
}

// heed follows an operator's hold as soon as the store has it. One that meets a
// change of ours is found when that is written.
func (l *line) heed() {
	l.mu.Lock()
	h, byHand := l.newByHand()
	if !byHand || l.stopped || l.pending != nothing {
		l.mu.Unlock()
		return
	}
	c, back := l.follow(spool.RouteState{Key: l.Key, Hold: &h})
	l.version++ // A reading that began before says nothing.
	hold := l.h.hold
	l.mu.Unlock()
	l.announce(c, hold, back)
}

// begone ends what goes on before a hold: the caller gives back what is
// returned, and holds mu.
func (l *line) begone() []*job {
	l.catching = catchUp{}
	l.passed()
	return l.flush()
}

// catch begins to catch up with a backlog. The caller holds mu.
func (l *line) catch(backlog int64) {
	l.catching = catchUp{left: backlog}
	l.look.Store(true)
	if backlog == 0 {
		l.passed()
	}
}

func (l *line) announce(c change, hold *spool.Hold, back []*job) {
	if len(back) > 0 {
		go l.d.giveBack(back)
	}
	switch {
	case c == nowHeld && hold != nil:
		l.d.log.Warn("route held", "source", l.Key.Source, "route", l.Key.Route, "reason", hold.Reason, "by_hand", hold.ByHand)
		if ob := l.d.observer; ob != nil {
			ob.Held(l.Key, *hold)
		}
	case c == nowResumed:
		l.d.log.Info("route resumed", "source", l.Key.Source, "route", l.Key.Route)
		if ob := l.d.observer; ob != nil {
			ob.Resumed(l.Key)
		}
	}
}

// writePending tells the store about the change of a hold.
func (l *line) writePending() error {
	l.mu.Lock()
	p, hold := l.pending, l.h.hold
	l.pending, l.writing = nothing, true
	l.mu.Unlock()

	st, theirs, err := l.write(p, hold)

	l.mu.Lock()
	l.writing = false
	l.version++
	var c change
	var back []*job
	switch {
	case err != nil && l.pending == nothing:
		l.pending = p
	case err != nil || l.pending != nothing: // the next write decides
	case theirs:
		c, back = l.follow(st)
	case p == writeResume:
		l.catch(st.Waiting)
	}
	hold = l.h.hold
	l.mu.Unlock()
	l.announce(c, hold, back)
	return err
}

// write writes a change, unless somebody else was there first: an operator's
// hold is not replaced, and a resume of theirs not undone by a failed probe.
// theirs says that st counts instead.
func (l *line) write(p pending, hold *spool.Hold) (st spool.RouteState, theirs bool, err error) {
	st, err = l.d.routeState(l.Key)
	if err != nil {
		return st, false, err
	}
	byHand := st.Hold != nil && st.Hold.ByHand
	switch {
	case byHand, p == writeProbe && st.Hold == nil:
		return st, true, nil
	case p == writeResume:
		err = l.d.store.Resume(l.d.cut, l.Key)
	case hold != nil:
		err = l.d.store.Hold(l.d.cut, l.Key, *hold)
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
	versions := make(map[*line]int, len(d.lines))
	for _, l := range d.lines {
		l.mu.Lock()
		versions[l] = l.version
		l.mu.Unlock()
	}
	states, err := d.store.Routes(d.cut)
	if err != nil {
		return err
	}
	found := make(map[spool.RouteKey]spool.RouteState, len(d.lines))
	for _, st := range states {
		found[st.Key] = st
	}
	for _, l := range d.lines {
		l.adopt(found[l.Key], versions[l])
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
