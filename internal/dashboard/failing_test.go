package dashboard

import (
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
)

// What failed here and was delivered by another process, or died, makes no route look as
// failing: nothing waits for it.
func TestNothingWaitsNothingFails(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := control.Status{Takes: true}
	s.Routes = []control.Route{{Source: "inbox", Route: "app", State: control.RouteReady, Failure: &control.Outcome{At: now.Add(-time.Minute), Status: 500}}}
	for waiting, want := range map[int64]bool{0: false, 3: true} {
		s.Routes[0].Waiting = waiting
		rows := rowsOf(s, control.Minutes{}, now)
		if told := len(problems(s, rows, now)) > 0; rows[0].Failing != want || told != want {
			t.Errorf("%d wait: failing %t, told %t, want %t", waiting, rows[0].Failing, told, want)
		}
	}
}
