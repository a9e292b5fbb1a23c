package faults

import (
	"net/http"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// The process starts on a machine whose clock begins in 1970, as one without a
// battery does, and later on one that knows the time again. It goes on from the
// last time that the store has seen, and says so: ids stay known, new events are
// fresh, retries and a held route's probe come.
func TestFaultClockIn1970(t *testing.T) {
	t.Parallel()
	clock, seen := rig.NewWallClock(t), newVisits()
	var c crowd
	schedule := []time.Duration{2 * time.Second, 2 * time.Second, 2 * time.Second}
	r := rig.New(t, rig.Options{
		Binary: rig.ClockBinary(t), Env: []string{clock.Env()},
		Routes: []rig.Route{
			{Name: "app", Types: "message.*", Retry: "2s 2s 2s"},
			{Name: "down", Types: "message.failed"},
		},
		Rules: history.Rules{Schedule: map[string][]time.Duration{"app": schedule}},
	})
	l := r.Start()
	n := rig.Rounds(100, 2000)
	rounds := rig.Rounds(2, 10)
	for round := range rounds {
		r.App("app").Behave(onceLate(seen, &c))
		r.App("down").Behave(rig.Answer(http.StatusServiceUnavailable, "down"))
		sendAll(t, r, "accepted", freshEvents(r, n))
		l.Await(t, `"msg":"route held"`, 1)
		if round%2 == 0 {
			r.Kill()
		} else if code := r.Stop(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		clock.Set(-time.Since(time.Unix(1000, 0)).Round(time.Second))
		l = r.Start()
		l.Await(t, "the machine's clock is behind the time that the store has seen", 1)
		r.App("app").Behave(nil)
		r.App("down").Behave(nil)
		r.Settle() // All arrives, all is known, and what is new is taken.
		if code := r.Stop(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		clock.Set(0)
		l = r.Start()
		r.Settle()
	}
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if b := r.Books(); len(b.Quarantine) != 0 {
		t.Errorf("%d in quarantine", len(b.Quarantine))
	}
	r.Report([]int{30}, "a start with the clock in 1970", rounds)
}
