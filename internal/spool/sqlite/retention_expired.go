package sqlite

import (
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// OnExpired implements spool.Store.
func (s *Store) OnExpired(f func(d spool.Delivery, reason string)) (stop func()) {
	return s.expired.add(func(d spool.Delivery) { f(d, reasonWaited) })
}

// recordExpired keeps what is to be told of a dead letter once it is committed.
func (w *writer) recordExpired(seq int64, d storedDelivery) error {
	e := &spool.Event{Seq: seq, Source: d.route.key.Source}
	if w.q.eventID.int(seq).next() {
		e.ID, e.Type = w.q.eventID.ColumnText(1), w.q.eventID.ColumnText(2)
	}
	w.sweep.expired = append(w.sweep.expired, spool.Delivery{
		Lease: spool.Lease{Delivery: d.number}, Route: d.route.key, Event: e, Attempts: int(d.attempts), Replay: int(d.replay),
	})
	return w.q.eventID.end()
}

// notifyExpired runs in the goroutine that sweeps: what it calls may take its
// time, and events go on being taken.
func (s *Store) notifyExpired(all []spool.Delivery) {
	for _, d := range all {
		s.expired.notify(d)
	}
}

// isRecentReplay: a replay of an old event has waited only since it was asked for.
func (w *writer) isRecentReplay(d storedDelivery) bool {
	retention := dur(w.s.settings.Load().Retention)
	return (d.state == requeued || d.replay > 0) && (d.due >= w.now-retention || w.age-w.jumpAge < retention)
}

// mayExpire: what has waited for too long must have had its chance in this life
// of the process, or an hour of it where its route cannot be tried.
func (w *writer) mayExpire(d storedDelivery) bool {
	return d.fence>>32 == w.epoch || w.age-w.ageBase >= dur(min(w.s.settings.Load().Retention, time.Hour))
}
