package sqlite

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

const reasonConflict = spool.ReasonConflict

// A delivery's number holds that of its event: seq<<ordinalBits | ordinal. So the
// deliveries of an event lie side by side, and none needs a column for its event.
const (
	ordinalBits = 12
	maxOrdinal  = 1<<ordinalBits - 1
)

// Accept implements spool.Store. What can be done without the state is done here,
// in the caller's goroutine, so that the writer's turn is short: the head is packed
// before, and the event of the answer is copied after.
func (s *Store) Accept(ctx context.Context, in spool.Intake) (spool.Receipt, error) {
	if in.Event == nil || in.Event.ID == "" {
		return spool.Receipt{}, errors.New("accepting event: it has no id")
	}
	if len(in.Routes) > maxOrdinal {
		return spool.Receipt{}, errors.New("accepting event: too many routes")
	}
	received := in.Event.Received
	if received.IsZero() {
		received = s.clock.Read().Wall()
	}
	a := &intake{Intake: in, received: received, head: record.EncodeHead(in.Event, received), keys: make([]int64, len(in.Routes))}
	for i, wish := range in.Routes {
		a.keys[i] = spool.KeyHash(wish.Key)
	}
	if err := s.enter(); err != nil {
		return spool.Receipt{}, err
	}
	defer s.leave()
	err := s.submit(ctx, true, len(a.head)+len(in.Event.Request.Body), a.decide)
	if err != nil {
		if in.Owner != "" {
			// The caller will not offer what it does not know of. Its context may
			// have ended while the batch went on to be committed.
			s.giveBack(ctx, &a.receipt.Running)
		}
		return spool.Receipt{}, err
	}
	if len(a.receipt.Running) > 0 {
		// Copy the event: the caller may offer it to two stores, or twice to one.
		e := *in.Event
		e.Seq, e.Received = a.receipt.Seq, received
		for i := range a.receipt.Running {
			a.receipt.Running[i].Event = &e
		}
	}
	if a.receipt.Verdict == spool.Duplicate {
		s.count.duplicates.Add(1)
	}
	return a.receipt, nil
}

// intake is one Accept on its way through the writer.
type intake struct {
	spool.Intake
	// received is when the event came, never zero.
	received time.Time
	// head is the event packed without id, type and body.
	head []byte
	// keys are those of its deliveries, in the order of Routes.
	keys []int64
	// receipt is the answer. It counts once the batch is committed.
	receipt spool.Receipt
}

// decide finds the verdict and stores what it asks for. The order is that of the
// contract: what is known is answered whatever its age and however full the store
// is, so that the platform stops sending it; then freshness; then room.
func (a *intake) decide(w *writer) error {
	src, err := w.source(a.Event.Source)
	if err != nil {
		return err
	}
	if known, err := w.answerKnown(src, a); known || err != nil {
		return err
	}
	reason := ""
	if !a.DeliverStale {
		if reason, err = w.stale(src, a.Event.CreatedAt); err != nil {
			return refuse(err)
		}
	}
	switch {
	case reason != "":
		a.receipt = spool.Receipt{Verdict: spool.Stale, Reason: reason}
		return w.quarantine(src, a.Event, a.head, reason)
	case w.s.space.refuses():
		return refuse(spool.ErrFull)
	}
	if a.Release != 0 {
		if err := w.removeReleased(src, a.Release); err != nil {
			return err
		}
	}
	w.seq++
	return a.store(w, src)
}

// store writes an event whose id is not known. The id gets no row of its own here:
// the event is what makes it durable (see ids_recent.go). It is cloned because the
// caller's string may share the memory of a whole request.
func (a *intake) store(w *writer, src *source) error {
	e, seq := a.Event, w.seq
	if err := w.q.event.int(seq).int(w.age).int(src.id).text(e.ID).text(e.Type).
		blob(a.head).blob(e.Request.Body).exec(); err != nil {
		return err
	}
	w.recent.gathering.add(idKey{src.id, strings.Clone(e.ID)}, knownID{e.Digest, seq}, w.s.o.limits.run)
	w.recent.added++
	w.remember(src, a)
	src.noteCreated(w, a)
	a.receipt = spool.Receipt{Verdict: spool.Accepted, Seq: seq}
	return a.deliver(w, src)
}

// answerKnown answers for an id that is remembered, and reports whether it is one.
// A copy with the same digest is a duplicate and writes nothing. Another body is kept
// as a conflict, a bounded number of times an id, unless the same body is in
// quarantine already or was released from it. The row that counts conflicts is made
// here where the id has none in the table yet.
func (w *writer) answerKnown(src *source, a *intake) (bool, error) {
	k := idKey{src.id, a.Event.ID}
	v, ok, err := w.findID(k)
	if !ok || err != nil {
		return false, err
	}
	if v.digest == a.Event.Digest {
		a.receipt = spool.Receipt{Verdict: spool.Duplicate, Seq: v.seq}
		return true, nil
	}
	if seq, released, err := w.released(src, a.Event, reasonConflict); released || err != nil {
		a.receipt = spool.Receipt{Verdict: spool.Duplicate, Seq: seq}
		return true, err
	}
	a.receipt = spool.Receipt{Verdict: spool.Conflict, Reason: reasonConflict}
	odd, err := w.oddEntry(src, a.Event.Digest)
	if err != nil {
		return true, err
	}
	if odd != 0 {
		return true, w.quarantine(src, a.Event, a.head, reasonConflict)
	}
	conflicts, err := w.pragma(w.q.conflicts.int(src.id).text(k.id))
	if err != nil {
		return true, err
	}
	if conflicts >= spool.MaxConflicts {
		w.s.count.conflicts.Add(1)
		return true, nil
	}
	if err := w.quarantine(src, a.Event, a.head, reasonConflict); err != nil {
		return true, err
	}
	w.filter.add(k) // Before the row: the filter must never lack what the table has.
	return true, w.q.conflict.int(src.id).text(k.id).blob(v.digest[:]).int(v.seq).exec()
}

// deliver makes the deliveries of an accepted event. One is born running, under a
// lease of the owner, only where its route is not held and nothing of it is due: what
// has waited longest goes first. A lease that has run out counts as due. Of a key one is
// born running, and only where none of it waits.
func (a *intake) deliver(w *writer, src *source) error {
	for i, wish := range a.Routes {
		rt, err := w.route(src, wish.Route)
		if err != nil {
			return err
		}
		start := wish.Start && a.Owner != "" && rt.hold == nil
		if start {
			due, err1 := w.hasDue(rt)
			taken, err2 := w.keyTaken(rt, a.keys[i])
			if err := errors.Join(err1, err2); err != nil {
				return err
			}
			start = !due && !taken
		}
		number := w.seq<<ordinalBits | int64(i)
		if !start {
			state, err := w.await(rt, fresh, w.now, a.keys[i])
			if err != nil {
				return err
			}
			if err := w.q.delivery.int(number).int(rt.id).int(state).int(w.now).int(0).int(0).int(a.keys[i]).exec(); err != nil {
				return err
			}
			continue
		}
		l := &lease{
			number: number, key: a.keys[i], fence: w.fence(), until: w.now + dur(a.LeaseFor),
			route: rt, due: w.now, fresh: true,
		}
		if err := w.q.delivery.int(number).int(rt.id).int(running).int(w.now).int(l.until).int(l.fence).int(l.key).exec(); err != nil {
			return err
		}
		w.grant(l)
		a.receipt.Running = append(a.receipt.Running, l.delivery(spool.RouteKey{Source: src.name, Route: wish.Route}))
	}
	return nil
}

// fence returns the next fence. The epoch in its upper half makes it larger than any
// of an earlier process, so that none has to be written down.
func (w *writer) fence() int64 {
	w.fences++
	f := w.epoch<<32 | w.fences
	w.issued = append(w.issued, f)
	return f
}

// delivery returns what the owner of a lease gets, without the event.
func (l *lease) delivery(k spool.RouteKey) spool.Delivery {
	return spool.Delivery{
		Lease: spool.Lease{Delivery: l.number, Fence: l.fence, Until: record.Time(l.until)},
		Route: k, Attempts: int(l.attempts), Replay: int(l.replay),
	}
}
