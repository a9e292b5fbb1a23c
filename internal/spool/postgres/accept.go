package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// A delivery's number holds that of its event: seq<<ordinalBits | ordinal.
const (
	ordinalBits = 12
	maxOrdinal  = 1<<ordinalBits - 1
)

// What an event, and an id, take beside what is stored of them: rows, keys and indexes.
const (
	eventOverhead = 400
	idOverhead    = 230
)

// intake is one Accept on its way, or one Quarantine, which has no routes and claims no
// id.
type intake struct {
	spool.Intake
	// odd is the reason of a Quarantine, empty for an Accept.
	odd string
	// src is the event's source, routes are the queues of Intake.Routes, keys what orders
	// their deliveries: nil where nothing does.
	src    *source
	routes []int64
	keys   []int64
	// received is when the event came, never zero; created its created_at in
	// nanoseconds; head is packed.
	received time.Time
	created  int64
	head     []byte
	// tag is this intake's own, so that what an ambiguous commit has left is known
	// again. The fences of its deliveries follow it.
	tag int64

	// stale is why the event is not fresh, empty if it is, and mark the watermark of its
	// source by which that was judged.
	stale string
	mark  int64
	// base is the age from which its window is counted.
	base int64

	// receipt and err are the answer, which done tells of.
	receipt spool.Receipt
	err     error
	done    chan struct{}
	// gone is closed when the caller does not wait any more.
	gone <-chan struct{}
}

// size is how many bytes the intake brings.
func (a *intake) size() int64 { return int64(len(a.head)+len(a.Event.Request.Body)) + eventOverhead }

// key identifies what two intakes of one batch must not have both.
type key struct {
	source int64
	id     string
}

func (a *intake) key() key {
	if a.odd != "" {
		return key{a.src.id, "\x00" + string(a.Event.Digest[:])}
	}
	return key{a.src.id, a.Event.ID}
}

// answer ends the intake. It is called once.
func (a *intake) answer(r spool.Receipt, err error) {
	a.receipt, a.err = r, err
	close(a.done)
}

// answered reports whether it has ended.
func (a *intake) answered() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// Accept implements spool.Store.
func (s *Store) Accept(ctx context.Context, in spool.Intake) (spool.Receipt, error) {
	if in.Event == nil || in.Event.ID == "" {
		return spool.Receipt{}, errors.New("accepting event: it has no id")
	}
	if len(in.Routes) > maxOrdinal {
		return spool.Receipt{}, errors.New("accepting event: too many routes")
	}
	a, err := s.submit(ctx, &intake{Intake: in})
	if err != nil {
		return spool.Receipt{}, err
	}
	if len(a.receipt.Running) > 0 {
		// Copy the event: the caller may offer it to two stores, or twice to one.
		e := *in.Event
		e.Seq, e.Received = a.receipt.Seq, a.received
		for i := range a.receipt.Running {
			a.receipt.Running[i].Event = &e
		}
	}
	return a.receipt, nil
}

// Quarantine implements spool.Store.
func (s *Store) Quarantine(ctx context.Context, o spool.Odd) error {
	if o.Event == nil {
		return errors.New("quarantining: no event")
	}
	reason := o.Reason
	if reason == "" {
		reason = "odd"
	}
	_, err := s.submit(ctx, &intake{Intake: spool.Intake{Event: o.Event}, odd: reason})
	return err
}

// submit completes an intake, hands it to the batches and waits for its answer.
func (s *Store) submit(ctx context.Context, a *intake) (*intake, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.exit()
	if err := s.refusesNow(); err != nil {
		return nil, err
	}
	if err := s.complete(ctx, a); err != nil {
		return nil, err
	}
	s.accepts.add(a)
	select {
	case <-a.done:
		return a, a.err
	case <-ctx.Done():
	}
	// The caller will not offer what it does not know of. Its context may have ended
	// while the batch went on to be committed.
	s.calling.Add(1)
	go func() {
		defer s.exit()
		<-a.done
		s.giveBack(a.receipt.Running)
	}()
	return nil, fmt.Errorf("waiting for the database: %w", ctx.Err())
}

// complete fills in what an intake needs of the store. Unknown sources and routes are
// made first: that happens once in their life.
func (s *Store) complete(ctx context.Context, a *intake) error {
	r := s.clock.read()
	e := a.Event
	if a.received = e.Received; a.received.IsZero() {
		a.received = r.Wall()
	}
	a.created, a.head = nanos(e.CreatedAt), record.EncodeHead(e, a.received)
	a.done, a.gone = make(chan struct{}), ctx.Done()
	a.tag = s.fence(1 + len(a.Routes))
	a.keys = keysOfWishes(a.Routes)
	for made := false; ; made = true {
		missing := s.resolve(a)
		if !missing {
			return nil
		}
		if made {
			return fmt.Errorf("%w: a new route is not known yet", spool.ErrUnavailable)
		}
		if err := s.makeNames(ctx, e.Source, a.Routes); err != nil {
			return err
		}
	}
}

// keysOfWishes returns the hashes of the keys of deliveries to make, 0 for each without one,
// and nil where none has one.
func keysOfWishes(all []spool.RouteWish) (keys []int64) {
	for i, w := range all {
		if w.Key == "" {
			continue
		}
		if keys == nil {
			keys = make([]int64, len(all))
		}
		keys[i] = spool.KeyHash(w.Key)
	}
	return keys
}

// resolve finds the source and the queues of an intake, and reports whether one is
// missing.
func (s *Store) resolve(a *intake) (missing bool) {
	c := &s.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.src = c.byName[a.Event.Source]; a.src == nil {
		return true
	}
	a.routes = a.routes[:0]
	for _, w := range a.Routes {
		rt := c.names[spool.RouteKey{Source: a.Event.Source, Route: w.Route}]
		if rt == nil {
			return true
		}
		a.routes = append(a.routes, rt.id)
	}
	return false
}

// fence returns the first of n numbers that nobody else gives: the member in the upper
// half, a count in the lower.
func (s *Store) fence(n int) int64 {
	last := s.fences.Add(int64(n))
	return s.me<<32 | (last - int64(n) + 1)
}

// judge finds out whether an event is fresh, by the marks that are known here: a later
// statement of its accept checks them again.
func (s *Store) judge(a *intake, r reading) error {
	a.base = r.age
	if a.created != 0 {
		// However far created_at lies ahead: forgotten earlier, it would leave a
		// watermark in the future.
		a.base += min(max(0, a.created-nanos(r.Wall())), dur(longAhead))
	}
	a.stale = ""
	s.catalog.mu.Lock()
	if src := s.catalog.sources[a.src.id]; src != nil {
		a.src = src // The catalog may have been read anew.
	}
	a.mark = a.src.watermark
	f := spool.Freshness{Clock: r.Reading, Window: s.fleet.settings().Window, Newest: record.Time(a.src.newest)}
	if a.src.watermark != math.MinInt64 {
		f.Forgotten = record.Time(a.src.watermark)
	}
	s.catalog.mu.Unlock()
	if a.DeliverStale {
		return nil
	}
	var err error
	a.stale, err = f.Stale(a.Event.CreatedAt)
	return err
}

// longAhead bounds how far ahead a created_at counts, so that sums of two times stay
// within 63 bits.
const longAhead = 100 * 365 * 24 * time.Hour

// noteCreated records the created_at of an accepted event as evidence of the present
// time: the platform has signed it.
func (s *Store) noteCreated(a *intake, r reading) {
	if a.created == 0 || a.DeliverStale {
		return
	}
	s.evidence.Note(a.Event.CreatedAt, r.Reading)
	s.catalog.mu.Lock()
	defer s.catalog.mu.Unlock()
	if src := s.catalog.sources[a.src.id]; src != nil && a.created > src.newest {
		src.newest = a.created
	}
}
