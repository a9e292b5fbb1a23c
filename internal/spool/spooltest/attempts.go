package spooltest

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// outcomes checks that what was settled stands in the log, also after a restart.
func outcomes(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	r.queue("1", "a")
	r.queue("2", "a")
	d := r.lease1("a")
	first := r.failed(d, 10*time.Second)
	r.settle(first)
	rec := r.delivery("1", "a")
	if rec.State != spool.Retrying || rec.Attempts != 1 || !rec.Due.Equal(first.Due) || !rec.Ended.IsZero() {
		t.Errorf("delivery %+v, want it retrying, due at %v", rec, first.Due)
	}
	bad := r.lease1("a")
	r.settle(r.deadLetter(bad, "refused for good"))
	r.add(10 * time.Second)
	d = r.lease1("a")
	r.wantIDs("the retry", []spool.Delivery{d}, "1")
	if d.Attempts != 1 {
		t.Errorf("the retry has %d attempts behind it, want 1", d.Attempts)
	}
	last := r.ended(d)
	r.settle(last)
	r.wantIDs("nothing is left", r.lease("a", 10))
	r.kill()
	rec = r.delivery("1", "a")
	if rec.State != spool.Delivered || rec.Attempts != 2 || !rec.Ended.Equal(r.now()) || !rec.Due.IsZero() {
		t.Errorf("delivery %+v, want it delivered at %v after 2 attempts", rec, r.now())
	}
	r.sameLog(rec.Log, first.Attempt, last.Attempt)
	rec = r.delivery("2", "a")
	if rec.State != spool.Dead || rec.Reason != "refused for good" || rec.Attempts != 1 || rec.Ended.IsZero() {
		t.Errorf("delivery %+v, want it dead with a reason", rec)
	}
	r.wantIDs("nothing is left after a restart", r.lease("a", 10))
}

func (r *rig) sameLog(got []spool.Attempt, want ...spool.Attempt) {
	if len(got) != len(want) {
		r.Fatalf("%d attempts in the log, want %d", len(got), len(want))
	}
	for i := range want {
		g, w := got[i], want[i]
		same := g.N == w.N && g.Start.Equal(w.Start) && g.Took == w.Took && g.Status == w.Status &&
			g.Error == w.Error && bytes.Equal(g.Response, w.Response) && g.Free == w.Free
		if !same {
			r.Errorf("attempt %d is %+v, want %+v", i, g, w)
		}
	}
}

// freeAttempts are logged, not counted.
func freeAttempts(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	r.queue("1", "a")
	var want []spool.Attempt
	for i, free := range []bool{true, true, false, true, false} {
		counted := []int{0, 0, 0, 1, 1}[i]
		d := r.lease1("a")
		if d.Attempts != counted {
			t.Errorf("attempt %d: %d counted before it, want %d", i, d.Attempts, counted)
		}
		s := r.failed(d, 0)
		s.Attempt.Free, s.Attempt.Status, s.Attempt.Error = free, 0, "connection refused"
		r.settle(s)
		want = append(want, s.Attempt)
		r.add(time.Second)
	}
	r.kill()
	d := r.delivery("1", "a")
	if d.Attempts != 2 {
		t.Errorf("%d attempts counted, want 2", d.Attempts)
	}
	r.sameLog(d.Log, want...)
}

// bounds checks that the newest attempts and the start of a response are kept.
func bounds(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	r.queue("1", "a")
	response := bytes.Repeat([]byte("0123456789abcdef"), spool.MaxResponse/8)
	var want []spool.Attempt
	for range spool.MaxAttempts + 5 {
		s := r.failed(r.lease1("a"), 0)
		s.Attempt.Response = response
		r.settle(s)
		s.Attempt.Response = response[:spool.MaxResponse]
		want = append(want, s.Attempt)
		r.add(time.Second)
	}
	d := r.delivery("1", "a")
	if d.Attempts != spool.MaxAttempts+5 {
		t.Errorf("%d attempts counted, want %d", d.Attempts, spool.MaxAttempts+5)
	}
	r.sameLog(d.Log, want[5:]...)
}

// cutShort checks that what was running when the process ended counts as an
// attempt, and is due at once.
func cutShort(t testing.TB, mk Make) {
	for _, e := range endings {
		r := newRig(t, mk, spool.Settings{})
		r.queue("1", "a")
		r.queue("2", "a")
		r.settle(r.failed(r.lease1("a"), 0))
		r.lease("a", 2)
		r.want(starting(intake(r.event("3"), "b"), "one"), spool.Accepted)
		r.queue("4", "b")
		e.end(r)
		r.open()
		r.abandoned()
		// A power cut may have undone the settle of 1.
		least := map[string]int{"1": 2, "2": 1, "3": 1, "4": 0}
		if e.name == "PowerCut" {
			least["1"] = 1
		}
		got := append(r.leaseAll(pickOf("a", 10), 2), r.leaseAll(pickOf("b", 10), 2)...)
		for _, d := range got {
			id := d.Event.ID
			rec := r.delivery(id, d.Route.Route)
			if want := least[id]; d.Attempts < want || d.Attempts > max(want, 2) || len(rec.Log) != d.Attempts {
				t.Errorf("after %s: event %s has %d attempts, %d in the log, want %d", e.name, id, d.Attempts, len(rec.Log), want)
			}
			if n := len(rec.Log); n > 0 && (rec.Log[n-1].Error == "" || rec.Log[n-1].Free || rec.Log[n-1].N != n) {
				t.Errorf("after %s: event %s: the log ends with %+v, want the counted attempt that was cut short", e.name, id, rec.Log[n-1])
			}
		}
		endings[1].end(r)
	}
}

// cleanStop checks that a stop that gives its leases back uses up no attempt.
func cleanStop(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	for i := range 3 {
		r.queue(fmt.Sprint(i), "a")
	}
	for range 3 {
		got := r.lease("a", 10)
		r.wantIDs("after a clean stop", got, "0", "1", "2")
		for _, d := range got {
			if rec := r.delivery(d.Event.ID, "a"); d.Attempts != 0 || len(rec.Log) != 0 {
				t.Errorf("event %s has %d attempts, %d in its log, want none", d.Event.ID, d.Attempts, len(rec.Log))
			}
		}
		r.ok(r.st.Release(bg, leasesOf(got)), "Release")
		r.ok(r.st.Close(), "Close")
		r.open()
	}
}
