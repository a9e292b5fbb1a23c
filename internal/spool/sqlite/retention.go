package sqlite

import (
	"context"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

const (
	// sweepEvery is how often the keeper looks for what may go.
	sweepEvery = 5 * time.Second
	// rewalkEvery is how often the walk over old events begins again from the oldest: it
	// has left dead letters behind, which are kept longer.
	rewalkEvery = 10 * time.Minute
	// sweepStep, mergeStep and evictStep are how many events, ids and events again are
	// looked at in one batch, so that no accept waits long behind a step.
	sweepStep = 100
	mergeStep = 500
	evictStep = 25
	// keepDead is how long dead letters and quarantine are kept, in age.
	keepDead = 30 * 24 * time.Hour
)

const reasonWaited = "waited longer than retention"

// sweep is how far retention has come. It belongs to the writer.
type sweep struct {
	// seq is the event up to which all were looked at for their age, in the walk that
	// began at began.
	seq   int64
	began time.Time
	// evicted is the event up to which all were looked at for their size, in the walk
	// that began at lastWalk. walked reports that it has come to the newest.
	evicted  int64
	walked   bool
	lastWalk time.Time
	// expired are the dead letters that the present step has made. OnExpired gets them
	// after its commit.
	expired []spool.Delivery
}

// maintain is the keeper's goroutine, until the last call has ended: it builds the
// filter of ids, applies retention and cuts a log that has grown long. It enters like a
// call for each round, so that Close waits for it.
func (s *Store) maintain() {
	defer s.goroutines.Done()
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if s.enter() == nil {
			// Without the filter, ids are looked up in the table; the next tick
			// tries to build it again.
			_ = s.buildFilter(context.Background())
			s.leave()
		}
		select {
		case <-tick.C:
		case <-s.callsEnded:
			return
		}
		if s.enter() != nil {
			continue
		}
		_ = s.sweepAll(context.Background(), false)
		s.shrinkLog()
		s.leave()
	}
}

// Sweep does at once what the store does by itself every few seconds: it applies
// age and size limits, and returns when nothing more is to be removed. It is for
// tests, which cannot wait for their clock's next tick.
func (s *Store) Sweep(ctx context.Context) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return s.sweepAll(ctx, true)
}

// sweepAll takes step after step, each in a batch of its own or along with other work,
// until nothing is left to do or the store closes. fromOldest begins the walks again
// from the oldest.
func (s *Store) sweepAll(ctx context.Context, fromOldest bool) error {
	for {
		more := false
		var expired []spool.Delivery
		err := s.submit(ctx, false, 0, func(w *writer) (err error) {
			w.sweep.expired = nil
			if fromOldest || time.Since(w.sweep.began) > rewalkEvery {
				w.sweep.seq, w.sweep.began = 0, time.Now()
				w.sweep.lastWalk = time.Time{}
				fromOldest = false
			}
			more, err = w.sweepStep()
			expired = w.sweep.expired
			return err
		})
		if err == nil {
			s.notifyExpired(expired)
		}
		if err != nil || !more {
			return err
		}
		if s.isClosing() {
			return spool.ErrClosed
		}
	}
}

// sweepStep does one small piece of work, and reports whether there may be more.
func (w *writer) sweepStep() (bool, error) {
	for _, step := range []func() (bool, error){w.forgetIDs, w.dropOld, w.dropOldOdd, w.evict, w.shrink} {
		if did, err := step(); did || err != nil {
			return did, err
		}
	}
	return false, nil
}

// dropOld looks at the next events that are older than retention, and reports whether there
// were any.
func (w *writer) dropOld() (bool, error) {
	before := w.age - dur(w.s.settings.Load().Retention)
	seqs, err := w.seqs(w.sweep.seq, before, sweepStep)
	for _, seq := range seqs {
		if err := w.retire(seq); err != nil {
			return false, err
		}
		w.sweep.seq = seq
	}
	return len(seqs) > 0, err
}

// seqs returns at most n events, numbered above after, that are older than an age. Ages
// rise with the numbers, so the first event that is not old ends the search: to look on
// would read the whole store in the writer's turn, while every accept waits.
func (w *writer) seqs(after, before int64, n int) (seqs []int64, err error) {
	q := w.q.oldEvents.int(after).int(int64(n))
	for q.next() && q.ColumnInt64(1) < before {
		seqs = append(seqs, q.ColumnInt64(0))
	}
	return seqs, q.end()
}

// retire removes an old event if all its deliveries have ended, and makes dead letters
// of those that still wait. Nothing just goes: what was not delivered stays visible for
// as long as dead letters are kept.
func (w *writer) retire(seq int64) error {
	all, err := w.deliveries(seq)
	if err != nil {
		return err
	}
	gone := true
	var ended []storedDelivery // those that held the place of their key
	for _, d := range all {
		switch d.state {
		case delivered, discarded:
		case dead:
			gone = gone && d.due < w.age-dur(keepDead)
		case running:
			gone = false
		default:
			gone = false
			if w.isRecentReplay(d) || !w.mayExpire(d) {
				continue
			}
			if d.state == behind {
				d.route.behind.out(d.key)
				w.touch(d.route, false)
			} else {
				w.unqueue(d.route, d.state, d.due, d.key)
				delete(d.route.passed, d.number)
				ended = append(ended, d)
			}
			d.route.dead++
			if err := w.q.expire.int(d.number).int(w.wall()).text(reasonWaited).int(w.age).exec(); err != nil {
				return err
			}
			if err := w.recordExpired(seq, d); err != nil {
				return err
			}
		}
	}
	for _, d := range ended { // Only now: it could be of this event.
		if err := w.promote(d.route, d.key); err != nil {
			return err
		}
	}
	if !gone {
		return nil
	}
	return w.drop(seq, all)
}

// drop removes an event with all its deliveries. Two things must be in the same
// transaction: the floor of numbers, and the id of a recent event, which would be
// forgotten with it.
func (w *writer) drop(seq int64, all []storedDelivery) error {
	for _, d := range all {
		if d.state == dead {
			d.route.dead--
			w.touch(d.route, false)
		}
	}
	if err := w.saveFloor(); err != nil {
		return err
	}
	if seq > w.merged {
		if err := w.mergeOne(seq); err != nil {
			return err
		}
	}
	if len(all) > 0 {
		if err := w.q.dropAll.int(seq << ordinalBits).int(seq<<ordinalBits | maxOrdinal).exec(); err != nil {
			return err
		}
	}
	return w.q.dropEvent.int(seq).exec()
}

// dropOldOdd removes the oldest entries of quarantine once they were kept long enough.
func (w *writer) dropOldOdd() (bool, error) {
	var numbers, sizes []int64
	q := w.q.oldOdd.int(sweepStep)
	for q.next() && q.ColumnInt64(2) < w.age-dur(keepDead) {
		numbers, sizes = append(numbers, q.ColumnInt64(0)), append(sizes, q.ColumnInt64(1))
	}
	err := q.end()
	for i, n := range numbers {
		if err := w.dropOdd(n, sizes[i]); err != nil {
			return false, err
		}
	}
	return len(numbers) > 0, err
}

// evict removes the oldest finished events from the moment the store is nearly full, so
// that it is full only by what must not be removed. It is part of every batch, because
// events come faster than a keeper that ticks could make room. One walk goes from the
// oldest to the newest; the next one waits a while, since it has to pass everything
// that waits again.
func (w *writer) evict() (bool, error) {
	sw := &w.sweep
	limit := w.s.settings.Load().MaxSize
	if w.s.space.used < limit-limit/16 {
		return false, nil
	}
	if sw.walked {
		if time.Since(sw.lastWalk) < sweepEvery {
			return false, nil
		}
		sw.walked, sw.evicted, sw.lastWalk = false, 0, time.Now()
	}
	seqs, err := w.seqs(sw.evicted, never, evictStep)
	if err != nil {
		return false, err
	}
	sw.walked = len(seqs) == 0
	for _, seq := range seqs {
		all, err := w.deliveries(seq)
		if err != nil {
			return false, err
		}
		done := true
		for _, d := range all {
			done = done && (d.state == delivered || d.state == discarded)
		}
		if done {
			if err := w.drop(seq, all); err != nil {
				return false, err
			}
		}
		sw.evicted = seq
	}
	return len(seqs) > 0, nil
}

// shrink gives pages back to the file system when a quarter of the file is free, and 4,096
// pages at least: fewer are soon used again.
func (w *writer) shrink() (bool, error) {
	free, err := w.pragma(w.q.freePages)
	if err != nil {
		return false, err
	}
	all, err := w.pragma(w.q.allPages)
	if err != nil || free < 4096 || free*4 < all {
		return false, err
	}
	for w.q.vacuum.next() {
	}
	return true, w.q.vacuum.end()
}
