package faults

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// flood answers with a gigabyte, as far as anybody reads it.
func flood(status int, sent *atomic.Int64) rig.Behaviour {
	return func(w http.ResponseWriter, _ *http.Request, _ *history.Attempt) {
		w.WriteHeader(status)
		for chunk, left := make([]byte, 1<<20), 1<<10; left > 0; left-- {
			n, err := w.Write(chunk)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	}
}

// An answer of a gigabyte is read to a cap and judged by its status, and the
// memory does not grow with it.
func TestFaultUpstreamGigabyte(t *testing.T) {
	t.Parallel()
	const most = 150 // MiB: an idle process has less than half of that
	for _, c := range []struct {
		name          string
		status, tries int
	}{{"200", http.StatusOK, 1}, {"500", http.StatusInternalServerError, 2}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var sent atomic.Int64
			seen := newVisits()
			r := rig.New(t, rig.Options{Routes: []rig.Route{
				{Name: "app", Types: "message.*", Retry: "100ms 100ms", Behave: firstly(seen, 1, flood(c.status, &sent))},
			}})
			l := r.Start()
			n := rig.Rounds(32, 512)
			events := make([]history.Event, n)
			for i := range events {
				events[i] = r.Event(event.TypeMessageRead)
			}
			r.SendAll(t.Context(), events)
			r.AwaitAll()
			if got := peakRSS(t, l.PID); got > most {
				t.Errorf("%d MiB resident, want at most %d", got, most)
			}
			// A MiB is read of each; what lies in buffers comes to that.
			if per := sent.Load() / int64(n) >> 20; per > 64 {
				t.Errorf("%d MiB of each answer were taken", per)
			}
			r.App("app").Behave(nil)
			r.Settle()
			if code := r.Stop(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			books := r.Books()
			for _, e := range events {
				d, ok := books.Delivery(e.ID, "app")
				if !ok || len(d.Log) != c.tries || d.Log[0].Status != c.status {
					t.Fatalf("%s: %d attempts in the log, want %d, the first with status %d: %+v", e.ID, len(d.Log), c.tries, c.status, d)
				}
				if got := len(seen.of(e.ID)); got != c.tries {
					t.Errorf("%s came %d times, want %d", e.ID, got, c.tries)
				}
			}
			r.Report([]int{35}, "an app answers "+c.name+" and a gigabyte", n)
		})
	}
}
