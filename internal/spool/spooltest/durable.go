package spooltest

import (
	"fmt"
	"testing"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// More syncs than an accept needs in any sane engine.
const manySyncs = 16

func acceptSurvives(t testing.TB, mk Make) {
	for _, e := range endings {
		r := newRig(t, mk, spool.Settings{})
		in := intake(r.event("1"), "a", "b")
		first := r.want(in, spool.Accepted)
		unrouted := r.want(intake(r.event("2")), spool.Accepted)
		if unrouted.Seq <= first.Seq {
			t.Errorf("Seq %d follows %d, want it rising", unrouted.Seq, first.Seq)
		}
		e.end(r)
		r.open()
		r.whole("1", "a", "b")
		r.whole("2")
		for _, route := range []string{"a", "b"} {
			d := r.lease1(route)
			r.sameEvent(d.Event, in.Event)
			if d.Event.Seq != first.Seq || d.Route != key(route) || d.Attempts != 0 || d.Replay != 0 {
				t.Errorf("after %s: delivery %+v of event %d, want seq %d and no attempts", e.name, d, d.Event.Seq, first.Seq)
			}
		}
		r.want(in, spool.Duplicate)
		if third := r.queue("3", "a"); third.Seq <= unrouted.Seq {
			t.Errorf("after %s: Seq %d follows %d, want it rising", e.name, third.Seq, unrouted.Seq)
		}
		endings[1].end(r)
	}
}

// whole checks that an event is stored with exactly these deliveries.
func (r *rig) whole(id string, routes ...string) {
	got := map[string]int{}
	for _, d := range r.record(id).Deliveries {
		got[d.Route]++
	}
	want := map[string]int{}
	for _, n := range routes {
		want[n]++
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		r.Fatalf("event %s has deliveries %v, want %v", id, got, want)
	}
}

// wholeOrNone checks that an event and its deliveries are seen together.
func (r *rig) wholeOrNone(id string, routes ...string) (found bool) {
	if len(r.records(spool.Query{Source: source, ID: id})) == 0 {
		return false
	}
	r.whole(id, routes...)
	return true
}

// acceptStopped ends the store at the first, second, … sync of an accept,
// until the accept needs no more of them.
func acceptStopped(t testing.TB, mk Make) {
	for _, e := range endings[1:] {
		r := newRig(t, mk, spool.Settings{})
		for i := 0; ; i++ {
			if i == manySyncs {
				t.Fatalf("an accept takes more than %d syncs", manySyncs)
			}
			id := fmt.Sprint(e.name, i)
			in := intake(r.event(id), "a", "b")
			blocked, release := r.GateSyncs(i)
			c := r.goAccept(bg, in)
			var got answer
			stopped := false
			select {
			case <-blocked:
				stopped = true
				e.end(r)
				got = <-c
				r.open()
			case got = <-c:
			}
			release()
			stored := r.wholeOrNone(id, "a", "b")
			if got.err == nil && !stored {
				t.Fatalf("%s at sync %d: answered %v, but the event is gone", e.name, i+1, got.Verdict)
			}
			if v := r.acceptAgain(in); stored != (v == spool.Duplicate) {
				t.Fatalf("%s at sync %d: stored is %v, but the copy is told %v", e.name, i+1, stored, v)
			}
			r.whole(id, "a", "b")
			if !stopped {
				break
			}
		}
		r.cut()
		endings[1].end(r)
	}
}

// acceptWaits holds up the medium: neither the first caller nor a copy may
// hear anything before the sync.
func acceptWaits(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	in := intake(r.event("1"), "a")
	blocked, release := r.GateSyncs(0)
	defer release()
	first := r.goAccept(bg, in)
	r.reach(blocked, first)
	copies := r.goAccept(bg, in)
	r.silent(first, "Accept before its sync")
	r.silent(copies, "a copy before the sync of the first")
	release()
	a, b := <-first, <-copies
	if a.err != nil || a.Verdict != spool.Accepted || b.err != nil || b.Verdict != spool.Duplicate {
		t.Fatalf("got %v, %v and %v, %v, want accepted and duplicate", a.Verdict, a.err, b.Verdict, b.err)
	}
	r.cut()
	r.whole("1", "a")
}

// failedSync fails each sync of an accept in turn, or all from one on. However
// the sender tries again, what it is answered in the end is true on stable storage.
func failedSync(t testing.TB, mk Make) {
	for _, c := range []struct{ after, n int }{{0, 1}, {1, 1}, {2, 1}, {0, manySyncs}, {1, manySyncs}} {
		r := newRig(t, mk, spool.Settings{})
		in := intake(r.event("1"), "a", "b")
		r.FailSyncs(c.after, c.n)
		_, err := r.st.Accept(bg, in)
		if err == nil && c.after == 0 && c.n > 1 {
			t.Fatal("Accept succeeded although every sync failed")
		}
		if c.n > 1 {
			r.FailSyncs(0, 0)
		}
		r.acceptAgain(in)
		r.acceptAgain(intake(r.event("2"), "a"))
		r.cut()
		r.whole("1", "a", "b")
		r.whole("2", "a")
		r.want(in, spool.Duplicate)
		endings[1].end(r)
	}
}

// failedSyncThenKill leaves the failed commit in the page cache only. A copy
// that is called a duplicate after the restart must find it durable.
func failedSyncThenKill(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	in := intake(r.event("1"), "a", "b")
	r.FailSyncs(0, manySyncs)
	if _, err := r.st.Accept(bg, in); err == nil {
		t.Fatal("Accept succeeded although every sync failed")
	}
	r.kill()
	r.acceptAgain(in)
	r.cut()
	r.whole("1", "a", "b")
	r.want(in, spool.Duplicate)
}

// failedOpen fails the syncs of an opening: it may fail, or give a store that
// mends itself, but not one that believes the page cache.
func failedOpen(t testing.TB, mk Make) {
	for i := range 4 {
		r := newRig(t, mk, spool.Settings{})
		in := intake(r.event("1"), "a")
		r.FailSyncs(0, manySyncs)
		if _, err := r.st.Accept(bg, in); err == nil {
			t.Fatal("Accept succeeded although every sync failed")
		}
		r.Kill(t)
		r.FailSyncs(i, 1)
		st, err := r.Engine.Open(t, Options{Now: r.now, Settings: r.settings})
		if err != nil {
			r.open()
		} else {
			r.st = st
		}
		r.acceptAgain(in)
		r.cut()
		r.whole("1", "a")
		endings[1].end(r)
	}
}

// failedSyncShared fails the one sync that several accepts and copies may be
// waiting for, and in a second round all that follow.
func failedSyncShared(t testing.TB, mk Make) {
	for _, fails := range []int{1, 100 * manySyncs} {
		r := newRig(t, mk, spool.Settings{})
		blocked, release := r.GateSyncs(0)
		r.FailSyncs(0, fails)
		ids := []string{"1", "1", "1", "2", "2", "3", "3"}
		answers := []<-chan answer{r.goAccept(bg, intake(r.event("1"), "a"))}
		r.reach(blocked, answers[0])
		for _, id := range ids[1:] {
			answers = append(answers, r.goAccept(bg, intake(r.event(id), "a")))
		}
		r.silent(answers[1], "a copy before the sync of the first")
		release()
		stored, accepted := map[string]bool{}, map[string]int{}
		for i, c := range answers {
			got := <-c
			if got.err == nil {
				stored[ids[i]] = true
			}
			if got.Verdict == spool.Accepted {
				accepted[ids[i]]++
			}
		}
		r.cut()
		for id := range stored {
			r.whole(id, "a")
		}
		for id, n := range accepted {
			if n > 1 {
				t.Errorf("event %s was accepted %d times", id, n)
			}
		}
		endings[1].end(r)
	}
}

// settlesMayBeLost checks that a power cut may repeat attempts; a kill may not.
func settlesMayBeLost(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	r.queue("1", "a")
	r.queue("2", "a")
	r.settle(r.ended(r.lease1("a")))
	r.kill()
	if s := r.delivery("1", "a").State; s != spool.Delivered {
		t.Errorf("after a kill the settled delivery is %v, want delivered", s)
	}
	r.settle(r.ended(r.lease1("a")))
	r.cut()
	r.abandoned()
	for _, id := range []string{"1", "2"} {
		switch d := r.delivery(id, "a"); {
		case d.State == spool.Delivered, d.State == spool.Available, d.State == spool.Retrying:
		case d.State == spool.Running && r.outlasts():
		default:
			t.Errorf("after a power cut event %s is %v, want delivered or waiting", id, d.State)
		}
	}
	left := int(r.route("a").Waiting + r.route("a").Running)
	for _, d := range r.leaseAll(pickOf("a", 10), left) {
		if d.Attempts == 0 {
			t.Errorf("event %s was running at the power cut, but no attempt was counted", d.Event.ID)
		}
		r.settle(r.ended(d))
	}
	if st := r.route("a"); st.Waiting != 0 || st.Running != 0 {
		t.Errorf("route has %d waiting, %d running, want none", st.Waiting, st.Running)
	}
}
