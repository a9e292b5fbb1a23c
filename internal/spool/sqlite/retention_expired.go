package sqlite

import "github.com/inboxgate/inboxgate/internal/spool"

// OnExpired implements spool.Expirer.
func (s *Store) OnExpired(f func(d spool.Delivery, reason string)) (stop func()) {
	return s.expired.add(func(d spool.Delivery) { f(d, reasonWaited) })
}

// noteExpired keeps what is to be told of a dead letter once it is committed.
func (w *writer) noteExpired(seq int64, d owned) error {
	e := &spool.Event{Seq: seq, Source: d.route.key.Source}
	if w.q.eventID.int(seq).next() {
		e.ID, e.Type = w.q.eventID.ColumnText(1), w.q.eventID.ColumnText(2)
	}
	w.sweep.expired = append(w.sweep.expired, spool.Delivery{
		Lease: spool.Lease{Delivery: d.number}, Route: d.route.key, Event: e, Attempts: int(d.attempts), Replay: int(d.replay),
	})
	return w.q.eventID.end()
}

// tellExpired runs in the goroutine that sweeps: what it calls may take its
// time, and events go on being taken.
func (s *Store) tellExpired(all []spool.Delivery) {
	for _, d := range all {
		s.expired.tell(d)
	}
}

// waitsAnew: a replay of an old event has waited only since it was asked for.
func (w *writer) waitsAnew(d owned) bool {
	retention := dur(w.s.settings.Load().Retention)
	return (d.state == again || d.replay > 0) && (d.due >= w.now-retention || w.age-w.leapt < retention)
}
