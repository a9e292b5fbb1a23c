package deliver

import (
	"context"
	"time"
)

// followMembersEvery is how often a dispatcher asks how many members serve its routes.
const followMembersEvery = time.Second

// A bound of the configuration is one of all members together, as it is an app's. Each
// takes an equal share of it, without asking the others: a member that comes or goes
// is known to all within moments, and until then the sum may be above or below.

// followMembers keeps the shares of a shared store's members up to date until ctx
// ends.
func (d *Dispatcher) followMembers(ctx context.Context) {
	for sleep(ctx, followMembersEvery) {
		for _, w := range d.workers {
			if w.countMembers() {
				w.slots.rebound()
				w.poke() // With room for more, a loop that found none looks again.
			}
		}
	}
}

// countMembers asks how many live members serve the route, and reports whether that
// has changed.
func (w *worker) countMembers() bool {
	live := int64(1)
	if w.d.shared != nil {
		live = max(1, int64(w.d.shared.Live(w.Key)))
	}
	return w.live.Swap(live) != live
}

// limit returns how many attempts of the route may run at once in this process. It is
// at least 1, so that each member delivers; more members than MaxInFlight run more.
func (w *worker) limit() int {
	if w.MaxInFlightEach {
		return w.MaxInFlight
	}
	live := int(w.live.Load())
	return (w.MaxInFlight + live - 1) / live
}

// rate returns how many attempts may begin in a second in this process, and how many
// of them at once, as Route.Rate and Burst say.
func (w *worker) rate() (perSecond float64, burst int) {
	if w.RateEach {
		return w.Rate, w.Burst
	}
	live := int(w.live.Load())
	return w.Rate / float64(live), (w.Burst + live - 1) / live
}
