package deliver

import "github.com/inboxgate/inboxgate/internal/spool"

// Retry begins a pass over the deliveries that wait for route k, up to the one numbered
// last, whatever their due times are, as a resume does. It reports whether it did: it
// leaves a route that is held as it is. What is left of the pass when the dispatcher
// stops keeps its due times.
func (d *Dispatcher) Retry(k spool.RouteKey, last int64) bool {
	w := d.workers[k]
	if w == nil {
		return false
	}
	w.mu.Lock()
	_, byHand := w.unseenHold()
	ok := !byHand && w.started && !w.stopped && w.hold.known && w.hold.current == nil
	if ok {
		w.startCatchUp(last)
	}
	w.mu.Unlock()
	w.poke()
	return ok
}
