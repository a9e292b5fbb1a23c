package memstore

import (
	"context"
	"errors"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// claim is an accept in flight: copies of its event wait for its outcome.
type claim struct {
	done chan struct{}
	err  error // of the accept, for the faults that use it
}

func (s *store) claim(k idKey) (*claim, error) {
	mine := &claim{done: make(chan struct{})}
	for {
		s.claiming.Lock()
		other := s.claimed()[k]
		if other == nil {
			s.claimed()[k] = mine
			s.claiming.Unlock()
			return mine, nil
		}
		s.claiming.Unlock()
		<-other.done
		if other.err != nil && (s.faults[KeepsFailedClaims] || s.faults[GuessesForCopies]) {
			return nil, other.err
		}
	}
}

// claimed are the claims of all members.
func (s *store) claimed() map[idKey]*claim {
	if s.faults[ClaimsAlone] {
		return s.ownClaims
	}
	return s.claims
}

func (s *store) unclaim(k idKey, c *claim, err error) {
	s.claiming.Lock()
	defer s.claiming.Unlock()
	c.err = err
	if err == nil || !s.faults[KeepsFailedClaims] {
		delete(s.claimed(), k)
	}
	close(c.done)
}

func (s *store) Accept(ctx context.Context, in spool.Intake) (spool.Receipt, error) {
	return do(ctx, s, func() (r spool.Receipt, err error) {
		if in.Event.ID == "" {
			return r, errors.New("event has no id")
		}
		k := idKey{in.Event.Source, in.Event.ID}
		if !s.faults[ClaimsNothing] {
			c, lost := s.claim(k)
			if lost != nil && s.faults[GuessesForCopies] {
				return spool.Receipt{Verdict: spool.Duplicate}, nil
			}
			if lost != nil {
				return r, lost
			}
			defer func() { s.unclaim(k, c, err) }()
		}
		if s.faults[MarksBeforeCommit] {
			if r, err := s.markFirst(in); r.Verdict != 0 || err != nil {
				return r, err
			}
		}
		err = s.update(true, func(tx *tx) error {
			r, err = tx.accept(in)
			return err
		})
		if err != nil {
			r = spool.Receipt{}
			return r, err
		}
		s.counted(r.Verdict)
		if s.faults[SplitsCommit] && r.Verdict == spool.Accepted {
			err = s.update(true, func(tx *tx) error {
				r.Running = tx.deliver(in, r.Seq)
				return nil
			})
		}
		return r, err
	})
}

func (tx *tx) accept(in spool.Intake) (spool.Receipt, error) {
	ev := *in.Event
	if ev.Received.IsZero() {
		ev.Received = tx.now
	}
	k := idKey{ev.Source, ev.ID}
	if row, known := tx.im.ids[k]; known && !(tx.faults[MarksBeforeCommit] && row.digest == ev.Digest) {
		if row.digest == ev.Digest {
			return spool.Receipt{Verdict: spool.Duplicate}, nil
		}
		const reason = spool.ReasonConflict
		if released := tx.im.ids[idKey{ev.Source, spool.ReleaseID(&ev, reason)}]; released.digest == ev.Digest {
			return spool.Receipt{Verdict: spool.Duplicate}, nil
		}
		return spool.Receipt{Verdict: spool.Conflict, Reason: reason}, tx.conflict(k, row, &ev, reason)
	}
	reason, err := tx.stale(&ev)
	if err != nil && !in.DeliverStale {
		return spool.Receipt{}, err
	}
	if reason != "" && !in.DeliverStale {
		return spool.Receipt{Verdict: spool.Stale, Reason: reason}, tx.quarantine(&ev, reason)
	}
	if !tx.makeRoom(eventSize(&ev)) {
		return spool.Receipt{}, spool.ErrFull
	}
	ev.Seq = tx.im.seq + 1
	tx.put(func(im *image) { im.seq, im.events[ev.Seq], im.ages[ev.Seq] = ev.Seq, &ev, tx.age })
	if tx.shared {
		tx.made, tx.pending[ev.Seq] = ev.Seq, true
	}
	tx.remember(&ev)
	if ev.CreatedAt.After(tx.im.newest[ev.Source]) && !in.DeliverStale {
		tx.put(func(im *image) { im.newest[ev.Source] = ev.CreatedAt })
	}
	if in.Release != 0 {
		tx.put(func(im *image) { delete(im.odd, in.Release) })
	}
	r := spool.Receipt{Verdict: spool.Accepted, Seq: ev.Seq}
	if !tx.faults[SplitsCommit] {
		r.Running = tx.deliver(in, ev.Seq)
	}
	return r, nil
}

func (tx *tx) remember(ev *spool.Event) {
	ahead := max(0, ev.CreatedAt.Sub(tx.time.Wall()))
	if tx.faults[ForgetsFarAhead] {
		ahead = min(ahead, spool.MaxAhead)
	}
	row := idRow{digest: ev.Digest, created: ev.CreatedAt, forget: tx.age + ahead + tx.settings.Window}
	tx.put(func(im *image) { im.ids[idKey{ev.Source, ev.ID}] = row })
}

// deliver makes the deliveries of an event, and starts those that may start.
func (tx *tx) deliver(in spool.Intake, seq int64) (running []spool.Delivery) {
	for _, w := range in.Routes {
		q := tx.queueOf(spool.RouteKey{Source: in.Event.Source, Route: w.Route})
		start := w.Start && in.Owner != "" && tx.heldHere(q) == nil &&
			(tx.faults[StartsOutOfTurn] || !tx.hasDue(q))
		d := delivery{number: tx.im.number + 1, seq: seq, queue: q, key: spool.KeyHash(w.Key), state: spool.Available, due: tx.now}
		tx.put(func(im *image) { im.number = d.number })
		if start && !tx.mayNotStart(d) {
			running = append(running, tx.start(d, in.LeaseFor))
		} else {
			tx.await(d)
		}
	}
	return running
}

func (tx *tx) hasDue(queue int64) bool {
	for _, d := range tx.im.deliveries {
		if d.queue == queue && d.waiting(tx.now) && !d.dueAt().After(tx.now) {
			return true
		}
	}
	return false
}

// stale returns why an event of an unknown id is not fresh, or nothing.
func (tx *tx) stale(ev *spool.Event) (string, error) {
	f := spool.Freshness{
		Clock: tx.time, Window: tx.settings.Window, Newest: tx.im.newest[ev.Source], Forgotten: tx.im.marks[ev.Source],
	}
	if tx.faults[KeepsNoWatermark] {
		f.Forgotten = time.Time{}
	}
	if tx.faults[JudgesByOldMarks] {
		f.Forgotten = tx.oldMarks[ev.Source]
	}
	if tx.faults[JudgesByTheClock] {
		f.Newest = tx.now
	}
	return f.Stale(ev.CreatedAt)
}

func (tx *tx) conflict(k idKey, row idRow, ev *spool.Event, reason string) error {
	if tx.oddEntry(ev) == 0 {
		row.conflicts++
		tx.put(func(im *image) { im.ids[k] = row })
		if row.conflicts > spool.MaxConflicts {
			return nil
		}
	}
	return tx.quarantine(ev, reason)
}

func (s *store) Quarantine(ctx context.Context, o spool.Odd) error {
	_, err := do(ctx, s, func() (struct{}, error) {
		return struct{}{}, s.update(true, func(tx *tx) error {
			ev := *o.Event
			if ev.Received.IsZero() {
				ev.Received = tx.now
			}
			if tx.faults[QuarantineClaims] && ev.ID != "" {
				tx.remember(&ev)
			}
			released, known := tx.im.ids[idKey{ev.Source, spool.ReleaseID(&ev, o.Reason)}]
			if known && released.digest == ev.Digest && !tx.faults[QuarantinesReleased] {
				return spool.ErrReleased
			}
			return tx.quarantine(&ev, o.Reason)
		})
	})
	return err
}

// oddEntry returns the entry of the same source and body, or 0.
func (tx *tx) oddEntry(ev *spool.Event) int64 {
	for n, o := range tx.im.odd {
		if o.event.Source == ev.Source && o.event.Digest == ev.Digest {
			return n
		}
	}
	return 0
}

func (tx *tx) quarantine(ev *spool.Event, reason string) error {
	if n := tx.oddEntry(ev); n != 0 && !tx.faults[CopiesOdd] {
		o := tx.im.odd[n]
		o.copies++
		tx.put(func(im *image) { im.odd[n] = o })
		return nil
	}
	if size := eventSize(ev); tx.im.oddSize()+size > tx.settings.MaxSize/10 || !tx.makeRoom(size) {
		return spool.ErrQuarantineFull
	}
	kept := *ev
	kept.Seq = tx.im.entry + 1
	tx.put(func(im *image) {
		im.entry = kept.Seq
		im.odd[kept.Seq] = oddRow{age: tx.age, event: &kept, reason: reason, copies: 1}
	})
	return nil
}

// start leases a delivery.
func (tx *tx) start(d delivery, leaseFor time.Duration) spool.Delivery {
	d.state, d.fence, d.until, d.process = spool.Running, tx.fence(), tx.now.Add(leaseFor), tx.process
	tx.setDelivery(d)
	return spool.Delivery{
		Lease: spool.Lease{Delivery: d.number, Fence: d.fence, Until: d.until},
		Route: tx.im.queues[d.queue].key, Event: tx.im.events[d.seq],
		Attempts: d.attempts, Replay: d.replay,
	}
}

// fence returns a number that no other lease has: members give theirs without asking
// each other.
func (tx *tx) fence() int64 {
	if tx.shared {
		tx.fences++
		if tx.faults[FencesAlike] {
			return tx.fences
		}
		return tx.process<<32 | tx.fences
	}
	n := tx.im.fence + 1
	tx.put(func(im *image) { im.fence = n })
	return n
}
