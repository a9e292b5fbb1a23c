package spooltest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

const (
	hour = time.Hour
	day  = 24 * hour
)

var bigBody = strings.Repeat("inboxgate ", 64<<10/10)

// retentionByAge checks that what has ended is kept for retention, what waited for
// longer becomes a dead letter, and dead letters have 30 days.
func retentionByAge(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	r.queue("delivered", "a")
	r.settle(r.ended(r.lease1("a")))
	r.want(intake(r.event("unrouted")), spool.Accepted)
	r.queue("half", "a", "b")
	r.settle(r.ended(r.lease1("a")))
	r.settle(r.failed(r.lease1("b"), 200*hour))
	r.queue("running", "a")
	running := r.lease1("a")
	r.ok(r.st.Quarantine(bg, r.oddBody(source, "{")), "Quarantine")
	keep := func(at time.Duration, want ...string) {
		t.Helper()
		r.set(epoch.Add(at))
		r.sweep()
		got := map[string]bool{}
		for _, rec := range r.records(spool.Query{}) {
			got[rec.Event.ID] = true
		}
		for _, id := range want {
			if !got[id] {
				t.Errorf("after %v event %s is gone", at, id)
			}
		}
		if len(got) != len(want) {
			t.Errorf("after %v there are events %v, want %v", at, got, want)
		}
	}
	r.set(epoch.Add(71 * hour))
	_, err := r.st.Extend(bg, []spool.Lease{running.Lease}, 5*hour)
	r.ok(err, "Extend")
	keep(71*hour, "delivered", "unrouted", "half", "running")
	if d := r.delivery("half", "b"); d.State != spool.Retrying {
		t.Errorf("after 71 h the waiting delivery is %v, want retrying", d.State)
	}
	keep(73*hour, "half", "running")
	if d := r.delivery("half", "b"); d.State != spool.Dead || d.Reason != "waited longer than retention" || d.Ended.IsZero() {
		t.Errorf("after 73 h the waiting delivery is %+v, want it dead with a reason", d)
	}
	if d := r.delivery("running", "a"); d.State != spool.Running {
		t.Errorf("after 73 h the running delivery is %v, want it left alone", d.State)
	}
	r.settle(r.ended(running))
	if n := r.route("b").Dead; n != 1 {
		t.Errorf("route b has %d dead letters, want 1", n)
	}
	keep(29*day, "half")
	if n := len(r.odd()); n != 1 {
		t.Errorf("%d entries in quarantine after 29 days, want 1", n)
	}
	keep(34 * day)
	if n := len(r.odd()); n != 0 {
		t.Errorf("%d entries in quarantine after 34 days, want none", n)
	}
	if st := r.route("b"); st.Dead != 0 || st.Waiting != 0 {
		t.Errorf("route b is %+v after all is gone", st)
	}
}

// expiryReported: no dispatcher settles a dead letter that retention made, so the store
// reports it, once, when it is there to be seen.
func expiryReported(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	type report struct {
		route           spool.RouteKey
		id, typ, reason string
		seq             int64
		attempts        int
	}
	var all []report
	stop := r.st.OnExpired(func(d spool.Delivery, reason string) {
		all = append(all, report{d.Route, d.Event.ID, d.Event.Type, reason, d.Event.Seq, d.Attempts})
		if seen := r.delivery(d.Event.ID, d.Route.Route); seen.State != spool.Dead || seen.Number != d.Lease.Delivery {
			t.Errorf("reported %+v, which is %+v", d, seen)
		}
	})
	seq := r.queue("waited", "a", "b").Seq
	r.settle(r.ended(r.lease1("a")))
	r.settle(r.failed(r.lease1("b"), 200*hour))
	r.set(epoch.Add(73 * hour))
	r.sweep()
	r.sweep()
	want := report{key("b"), "waited", r.event("of the same type").Type, "waited longer than retention", seq, 1}
	if len(all) != 1 || all[0] != want {
		t.Errorf("reported %+v, want once %+v", all, want)
	}
	stop()
	r.queue("later", "a")
	r.set(epoch.Add(200 * hour))
	r.sweep()
	if d := r.delivery("later", "a"); d.State != spool.Dead || len(all) != 1 {
		t.Errorf("after stop the delivery is %v, and %d were reported", d.State, len(all))
	}
}

// fullStore checks that undelivered events are never removed to make room,
// delivered ones are.
func fullStore(t testing.TB, mk Make) {
	const size = 4 << 20
	r := newRig(t, mk, spool.Settings{MaxSize: size})
	big := func(n int) spool.Intake { return intake(r.eventOf(source, fmt.Sprint(n), bigBody), "a") }
	kept := 0
	for {
		_, err := r.st.Accept(bg, big(kept))
		if err != nil {
			r.wantErr("Accept", err, spool.ErrFull)
			break
		}
		if kept++; kept*len(bigBody) > 2*size {
			t.Fatalf("a store of %d MiB took %d MiB", size>>20, kept*len(bigBody)>>20)
		}
	}
	if kept*len(bigBody) < size/4 {
		t.Errorf("a store of %d KiB is full after %d KiB", size>>10, kept*len(bigBody)>>10)
	}
	r.sweep()
	r.want(big(0), spool.Duplicate)
	if n := r.route("a").Waiting; n != int64(kept) {
		t.Fatalf("%d deliveries wait in the full store, want all %d", n, kept)
	}
	r.kill()
	if _, err := r.st.Accept(bg, big(kept)); !errors.Is(err, spool.ErrFull) {
		t.Errorf("the full store answers %v after a restart, want ErrFull", err)
	}
	for _, d := range r.lease("a", kept) {
		r.settle(r.ended(d))
	}
	r.sweep()
	for n := kept; n < 2*kept; n++ {
		r.again("Accept in the store that has room again", func(ctx context.Context) error {
			got, err := r.st.Accept(ctx, big(n))
			if err == nil && got.Verdict != spool.Accepted {
				t.Fatalf("an event that was refused before is answered %v", got.Verdict)
			}
			return err
		})
		r.settle(r.ended(r.lease1("a")))
		r.sweep()
	}
	r.want(big(0), spool.Duplicate)
	r.whole(fmt.Sprint(2*kept-1), "a")
}
