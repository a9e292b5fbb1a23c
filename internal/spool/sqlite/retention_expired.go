package sqlite

import (
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// OnExpired implements spool.Store. A dispatcher learns of dead letters that it did not
// settle itself only from here.
func (s *Store) OnExpired(f func(d spool.Delivery, reason string)) (stop func()) {
	return s.expired.Add(func(d spool.Delivery) { f(d, reasonWaited) })
}

// recordExpired keeps what OnExpired is to get of a dead letter once it is committed.
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

// notifyExpired calls the functions given to OnExpired. It runs in the goroutine that
// sweeps: they may take their time, and accepts go on.
func (s *Store) notifyExpired(all []spool.Delivery) {
	for _, d := range all {
		s.expired.Notify(d)
	}
}

// isRecentReplay reports whether a delivery that waits again, as a replay does, became due
// within retention: however old its event is, it has waited only since then. Its due time
// is in now, which may have jumped ahead. Until retention has passed since a jump, or since
// this process began, every such delivery counts as recent.
func (w *writer) isRecentReplay(d storedDelivery) bool {
	retention := dur(w.s.settings.Load().Retention)
	return (d.state == requeued || d.replay > 0) && (d.due >= w.now-retention || w.age-w.jumpAge < retention)
}

// mayExpire reports whether what has waited for too long had its chance in this life of the
// process: an attempt (its fence has this epoch), or an hour, where its route cannot be
// tried. A machine that was off for days must not make dead letters at its start.
func (w *writer) mayExpire(d storedDelivery) bool {
	return d.fence>>32 == w.epoch || w.age-w.ageBase >= dur(min(w.s.settings.Load().Retention, time.Hour))
}
