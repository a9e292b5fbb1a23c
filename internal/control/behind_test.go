package control_test

import (
	"testing"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// What waits for an earlier delivery of its key is available, is chosen with all that
// waits, and says that it is behind.
func TestBehindAnother(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var numbers []int64
	for n := range 2 {
		e := &spool.Event{Source: "inbox", ID: []string{"evt_1", "evt_2"}[n], Type: "message.read"}
		e.Digest[0] = byte(n)
		got, err := r.store.Accept(t.Context(), spool.Intake{Event: e, Routes: []spool.RouteWish{{Route: "app", Key: "msg_1"}}})
		r.ok(err)
		numbers = append(numbers, got.Seq)
	}
	for i, behind := range []bool{false, true} {
		e, err := r.client().Event(t.Context(), control.ByNumber(numbers[i]), false)
		r.ok(err)
		if d := e.Deliveries[0]; d.State != "available" || d.Behind != behind || d.Due.IsZero() != behind {
			t.Errorf("event %d: %+v, want it available, behind another: %v", i+1, d, behind)
		}
	}
	for _, f := range []control.Filter{{State: "available"}, {State: "waiting"}} {
		p, err := r.client().Events(t.Context(), control.List{Filter: f})
		if err != nil || len(p.Events) != 2 {
			t.Errorf("%+v chooses %+v, %v, want both", f, p, err)
		}
	}
}
