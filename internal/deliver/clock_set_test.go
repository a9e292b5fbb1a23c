package deliver

import (
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// The store's times have no monotonic reading. One that is kept as it came lies hours
// ahead once the machine's clock is set back, and what waits for it would idle as long.
func TestTimesOfTheStoreOutliveASetClock(t *testing.T) {
	t.Parallel()
	outlives := func(what string, at time.Time) {
		t.Helper()
		if !strings.Contains(at.String(), " m=") {
			t.Errorf("%s is %s, by the wall clock alone", what, at)
		}
	}
	now := time.Now()
	w := &worker{d: &Dispatcher{}}
	at := w.lookAgain(spool.Batch{Next: now.Add(3 * time.Second).Round(0)}, now)
	outlives("when to look again", at)
	if d := at.Sub(now); d < 3*time.Second-time.Millisecond || d > 3*time.Second+time.Millisecond {
		t.Errorf("it looks again after %s", d)
	}
	var h holding
	stored := spool.Hold{Since: now.Round(0), Probes: 2, NextProbe: now.Add(4 * time.Second).Round(0)}
	h.adopt(now, &stored)
	outlives("the next probe", h.current.NextProbe)
	h.adopt(now, &stored)
	outlives("the next probe, read anew", h.current.NextProbe)
}
