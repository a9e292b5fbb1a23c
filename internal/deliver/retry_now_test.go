package deliver

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// What waits for its next attempt is attempted at once where an operator asks for it,
// and once: what fails again waits for its schedule.
func TestRetryNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, d := startRig(t, always(status(500)), 3)
		time.Sleep(10 * time.Second) // The first attempts have failed; the next come after 30 s.
		if n := r.nTries(); n != 3 {
			t.Fatalf("%d attempts before, want 3", n)
		}
		if !d.Retry(app, 3) {
			t.Fatal("refused")
		}
		time.Sleep(time.Second)
		if n := r.nTries(); n != 6 {
			t.Fatalf("%d attempts after a retry that fails, want 6", n)
		}
		r.setAnswer(always(status(200)))
		d.Retry(app, 3)
		time.Sleep(time.Second)
		r.wantDelivered(3)
		r.end(d)
		if d.Retry(app, 3) {
			t.Error("a dispatcher that has ended retries")
		}
	})
}

// A retry never passes a hold, an operator's least of all.
func TestRetryNowLeavesHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, d := startRig(t, always(status(500)), 2)
		time.Sleep(5 * time.Second)
		must(t, r.store.Hold(t.Context(), "", app, byHand))
		if d.Retry(app, 2) {
			t.Error("a route that is held by hand is retried")
		}
		time.Sleep(time.Hour)
		if n := r.nTries(); n != 2 || r.store.held(app) == nil {
			t.Errorf("%d attempts, held %v", n, r.store.held(app))
		}
		if d.Retry(spool.RouteKey{Source: "inbox", Route: "none"}, 1) {
			t.Error("an unknown route is retried")
		}
		r.end(d)
	})
}
