package memstore

import (
	"context"
	"slices"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// How long dead letters and quarantine stay.
const oddFor = 30 * 24 * time.Hour

// Sweep applies age and size limits. The store does so only when it is called.
func (s *store) Sweep(ctx context.Context) error {
	_, err := do(ctx, s, func() (struct{}, error) {
		return struct{}{}, s.update(true, func(tx *tx) error {
			tx.forgetIDs()
			tx.expireOld()
			tx.dropEnded()
			tx.dropOdd()
			tx.makeRoom(0)
			return nil
		})
	})
	return err
}

// forgetIDs removes ids by age only, and raises the watermarks in the same
// transaction.
func (tx *tx) forgetIDs() {
	for k, row := range tx.im.ids {
		if tx.age <= row.forget {
			continue
		}
		mark := tx.im.marks[k.source]
		if row.created.After(mark) {
			mark = row.created
		}
		tx.put(func(im *image) { delete(im.ids, k) })
		if tx.faults[ForgetsMarks] {
			tx.im.marks[k.source] = mark
			continue
		}
		tx.put(func(im *image) { im.marks[k.source] = mark })
	}
}

// expireOld turns what has waited too long into dead letters.
func (tx *tx) expireOld() {
	for _, d := range tx.im.deliveries {
		old := tx.age-tx.im.ages[d.seq] > tx.settings.Retention
		tried := d.process == tx.process || tx.age-tx.begun >= time.Hour || tx.faults[ExpiresUntried]
		if !old || !tried || !d.waiting(tx.now) && !d.behind {
			continue
		}
		if d.state == spool.Running {
			d = d.cutShort(tx.now, "lease ran out")
		}
		d.state, d.ended, d.endedAge, d.reason = spool.Dead, tx.now, tx.age, "waited longer than retention"
		d.behind = false
		tx.setDelivery(d)
		if !tx.faults[ExpiresInPlace] {
			tx.promote(d)
		}
		if !tx.faults[ExpiresSilently] {
			tx.expired = append(tx.expired, d)
		}
	}
}

func (s *store) OnExpired(f func(d spool.Delivery, reason string)) (stop func()) {
	s.watching.Lock()
	defer s.watching.Unlock()
	s.expired = f
	return func() {
		s.watching.Lock()
		defer s.watching.Unlock()
		s.expired = nil
	}
}

func (s *store) reportExpired(all []delivery) {
	s.watching.Lock()
	f := s.expired
	s.watching.Unlock()
	for _, d := range all {
		if f == nil {
			return
		}
		s.mu.Lock()
		k, e := s.im.queues[d.queue].key, *s.im.events[d.seq]
		s.mu.Unlock()
		f(spool.Delivery{Lease: spool.Lease{Delivery: d.number}, Route: k, Event: &e, Attempts: d.attempts, Replay: d.replay}, d.reason)
	}
}

// dropEnded removes events whose deliveries have ended and whose time is over.
func (tx *tx) dropEnded() {
	for seq := range tx.im.events {
		undelivered, until := tx.ends(seq)
		if tx.age > until && (!undelivered || tx.faults[DropsWaiting]) {
			tx.drop(seq)
		}
	}
}

// ends returns until when an event is kept, once nothing of it is undelivered.
func (tx *tx) ends(seq int64) (undelivered bool, until time.Duration) {
	until = tx.im.ages[seq] + tx.settings.Retention
	for _, d := range tx.im.deliveries {
		switch {
		case d.seq != seq:
		case !d.finished():
			undelivered = true
		case d.state == spool.Dead:
			until = max(until, d.endedAge+oddFor)
		}
	}
	return undelivered, until
}

func (tx *tx) drop(seq int64) {
	var numbers []int64
	for n, d := range tx.im.deliveries {
		if d.seq == seq {
			numbers = append(numbers, n)
		}
	}
	ev := tx.im.events[seq]
	tx.put(func(im *image) {
		delete(im.events, seq)
		delete(im.ages, seq)
		for _, n := range numbers {
			delete(im.deliveries, n)
		}
		if tx.faults[ForgetsWithEvent] {
			delete(im.ids, idKey{ev.Source, ev.ID})
		}
	})
}

func (tx *tx) dropOdd() {
	for n, o := range tx.im.odd {
		if tx.age-o.age > oddFor {
			tx.put(func(im *image) { delete(im.odd, n) })
		}
	}
}

// makeRoom removes delivered events, the oldest first, until need fits into
// MaxSize. It reports whether it does.
func (tx *tx) makeRoom(need int64) bool {
	size := tx.im.size() + need
	if size <= tx.settings.MaxSize {
		return true
	}
	var seqs []int64
	for seq := range tx.im.events {
		seqs = append(seqs, seq)
	}
	slices.Sort(seqs)
	for _, seq := range seqs {
		if size <= tx.settings.MaxSize {
			break
		}
		if tx.delivered(seq) || tx.faults[DropsForRoom] {
			size -= eventSize(tx.im.events[seq])
			tx.drop(seq)
		}
	}
	return size <= tx.settings.MaxSize
}

// delivered reports whether nothing of the event waits, runs or is a dead letter.
func (tx *tx) delivered(seq int64) bool {
	for _, d := range tx.im.deliveries {
		if d.seq == seq && d.state != spool.Delivered {
			return false
		}
	}
	return true
}
