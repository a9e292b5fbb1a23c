package memstore

import (
	"slices"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Of a key, the deliveries that neither have ended nor are behind hold its place: one of
// a queue, or more only where those of two queues were joined while they ran.

// holders returns those that hold the place of a key, in order.
func (tx *tx) holders(queue, key int64) (found []delivery) {
	for _, d := range tx.im.deliveries {
		if key != 0 && d.queue == queue && d.key == key && !d.behind && !d.finished() {
			found = append(found, d)
		}
	}
	slices.SortFunc(found, byEvent)
	return found
}

// await has a delivery wait, behind another one of its key where there is one.
func (tx *tx) await(d delivery) {
	for _, h := range tx.holders(d.queue, d.key) {
		if h.state != spool.Running || !tx.faults[OverlooksRunning] {
			d.behind = d.replay == 0 || !tx.faults[ReplaysBeside]
		}
	}
	tx.setDelivery(d)
}

// mayNotStart reports whether another delivery holds the place of a new one's key.
func (tx *tx) mayNotStart(d delivery) bool {
	return slices.ContainsFunc(tx.holders(d.queue, d.key), func(h delivery) bool {
		if h.state == spool.Running {
			return !tx.faults[OverlooksRunning]
		}
		return !tx.faults[OverlooksWaiting]
	})
}

// promote has the next of a key take the place of a delivery that has ended.
func (tx *tx) promote(ended delivery) {
	if !ended.finished() || ended.key == 0 || tx.faults[PromotesNothing] || len(tx.holders(ended.queue, ended.key)) > 0 {
		return
	}
	next := tx.behind(ended.queue, ended.key)
	if tx.faults[PromotesNewest] {
		slices.Reverse(next)
	}
	n := 1
	if tx.faults[PromotesTwo] {
		n = 2
	}
	for _, d := range next[:min(n, len(next))] {
		d.behind, d.due = false, minTime(d.due, tx.now)
		tx.setDelivery(d)
	}
}

// behind returns those that wait for the place of a key, in order.
func (tx *tx) behind(queue, key int64) (found []delivery) {
	for _, d := range tx.im.deliveries {
		if d.queue == queue && d.key == key && d.behind {
			found = append(found, d)
		}
	}
	slices.SortFunc(found, byEvent)
	return found
}

// joinKeys leaves one holder a key in a queue that has taken over another: what runs, or
// else the first.
func (tx *tx) joinKeys(queue int64) {
	keys := map[int64]bool{}
	for _, d := range tx.im.deliveries {
		if d.queue == queue && d.key != 0 {
			keys[d.key] = true
		}
	}
	for key := range keys {
		held := tx.holders(queue, key)
		runs := slices.ContainsFunc(held, func(d delivery) bool { return d.state == spool.Running })
		for i, d := range held {
			if d.state != spool.Running && (runs || i > 0) && !tx.faults[JoinsBeside] {
				d.state, d.behind = spool.Available, true
				tx.setDelivery(d)
			}
		}
	}
}

// yield is ReleasesPlaces.
func (tx *tx) yield(d delivery) {
	if next := tx.behind(d.queue, d.key); len(next) > 0 {
		d.behind = true
		tx.setDelivery(d)
		next[0].behind = false
		tx.setDelivery(next[0])
	}
}
