package spooltest

import (
	"fmt"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

func stale(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	day := 24 * time.Hour
	for i, c := range []struct {
		age  time.Duration
		want spool.Verdict
	}{
		{0, spool.Accepted},
		{day - time.Second, spool.Accepted},
		{day + time.Second, spool.Stale},
		{365 * day, spool.Stale},
		{-time.Hour, spool.Accepted},
		{-spool.MaxAhead + time.Second, spool.Accepted},
		{-spool.MaxAhead - time.Second, spool.Stale},
	} {
		id := fmt.Sprint(i)
		in := intake(r.event(id), "a")
		in.Event.CreatedAt = r.now().Add(-c.age)
		got := r.want(in, c.want)
		if c.want == spool.Accepted {
			r.want(in, spool.Duplicate)
			continue
		}
		if got.Reason == "" {
			t.Errorf("age %v: stale without a reason", c.age)
		}
		before := len(r.odd())
		r.want(in, spool.Stale)
		if entries := r.odd(); len(entries) != before || entries[0].Copies != 2 {
			t.Errorf("age %v: a stale body came twice: %d entries, %d copies, want %d entries, 2 copies",
				c.age, len(entries), entries[0].Copies, before)
		}
		// The id is unclaimed: a body that is fresh takes it.
		r.want(intake(r.eventOf(source, id, "fresh"), "a"), spool.Accepted)
	}
}

func deliverStale(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	in := intake(r.event("1"), "a")
	in.Event.CreatedAt = r.now().Add(-48 * time.Hour)
	in.DeliverStale = true
	r.want(in, spool.Accepted)
	r.want(in, spool.Duplicate)
	in.DeliverStale = false
	r.want(in, spool.Duplicate)
	// It is remembered from its receipt.
	r.add(23 * time.Hour)
	r.sweep()
	r.want(in, spool.Duplicate)
	if n := len(r.odd()); n != 0 {
		t.Errorf("%d entries in quarantine, want none", n)
	}
}

// noCreatedAt checks that an event without created_at is remembered from its
// receipt, which is now where the event does not say.
func noCreatedAt(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	in := intake(r.event("1"), "a")
	in.Event.CreatedAt, in.Event.Received = time.Time{}, time.Time{}
	r.want(in, spool.Accepted)
	if got := r.record("1").Event.Received; !got.Equal(r.now()) {
		t.Errorf("received at %v, want now, %v", got, r.now())
	}
	r.add(23 * time.Hour)
	r.sweep()
	r.want(in, spool.Duplicate)
	if got := r.record("1").Event.CreatedAt; !got.IsZero() {
		t.Errorf("created at %v, want the zero time", got)
	}
}

// forgotten has one id forgotten by age, with a watermark at its created_at.
func forgotten(t testing.TB, mk Make) (*rig, spool.Intake) {
	r := newRig(t, mk, spool.Settings{Window: 4 * time.Hour})
	in := intake(r.event("1"), "a")
	r.want(in, spool.Accepted)
	r.settle(r.ended(r.lease1("a")))
	r.add(4*time.Hour + time.Minute)
	r.queue("2", "a")
	r.sweep()
	r.want(in, spool.Stale)
	return r, in
}

// raisedWindow checks that an id that was forgotten under a short window is not
// fresh under a longer one.
func raisedWindow(t testing.TB, mk Make) {
	r, in := forgotten(t, mk)
	for _, e := range endings {
		e.end(r)
		r.settings.Window = 48 * time.Hour
		r.open()
		r.want(in, spool.Stale)
	}
	young := intake(r.event("3"), "a")
	young.Event.CreatedAt = r.now().Add(-time.Hour)
	r.want(young, spool.Accepted)
	other := intake(r.event("1"), "a")
	other.Event.Source, other.Event.CreatedAt = "other", in.Event.CreatedAt
	r.want(other, spool.Accepted)
	r.st.Tune(spool.Settings{Window: 96 * time.Hour})
	r.want(in, spool.Stale)
}

// clockBack checks that a clock that is set back makes nothing fresh, in one run
// of the program or from one to the next.
func clockBack(t testing.TB, mk Make) {
	r, in := forgotten(t, mk)
	r.set(epoch)
	r.want(in, spool.Stale)
	r.kill()
	r.want(in, spool.Stale)
	r.want(intake(r.event("2"), "a"), spool.Duplicate)
}

// clockJump checks that a clock that jumps forth and back again forgets ids too
// early, but they are not taken as new.
func clockJump(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	in := intake(r.event("1"), "a")
	r.want(in, spool.Accepted)
	r.set(epoch.Add(48 * time.Hour))
	r.queue("2", "a")
	r.sweep()
	r.set(epoch.Add(time.Minute))
	r.want(in, spool.Stale)
	r.cut()
	r.want(in, spool.Stale)
}

// clockOf1970 checks that a machine that starts without a clock goes by the last
// time that the store has persisted.
func clockOf1970(t testing.TB, mk Make) {
	for _, e := range endings {
		r := newRig(t, mk, spool.Settings{})
		old := intake(r.event("1"), "a")
		r.want(old, spool.Accepted)
		r.add(20 * time.Hour)
		r.queue("2", "a")
		today := r.now()
		e.end(r)
		r.set(time.Unix(0, 0).UTC())
		r.open()
		r.want(old, spool.Duplicate)
		fresh := intake(r.event("3"), "a")
		fresh.Event.CreatedAt, fresh.Event.Received = today.Add(time.Hour), time.Time{}
		r.want(fresh, spool.Accepted)
		past := intake(r.event("4"), "a")
		past.Event.CreatedAt, past.Event.Received = today.Add(-25*time.Hour), time.Time{}
		r.want(past, spool.Stale)
		r.sweep()
		r.want(old, spool.Duplicate)
		if n := len(r.lease("a", 10)); n != 3 {
			t.Errorf("after %s: leased %d deliveries in 1970, want 3", e.name, n)
		}
		endings[1].end(r)
	}
}

// idsOutliveEvents, and events their ids: each goes by its own age.
func idsOutliveEvents(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{Window: 100 * time.Hour, Retention: 10 * time.Hour})
	in := intake(r.event("1"), "a")
	r.want(in, spool.Accepted)
	r.settle(r.ended(r.lease1("a")))
	r.add(11 * time.Hour)
	r.sweep()
	if n := len(r.records(spool.Query{})); n != 0 {
		t.Errorf("%d records after retention, want none", n)
	}
	r.want(in, spool.Duplicate)
	r.want(intake(r.eventOf(source, "1", "other"), "a"), spool.Conflict)
	r.add(88 * time.Hour)
	r.sweep()
	r.want(in, spool.Duplicate)
	r.add(2 * time.Hour)
	r.sweep()
	r.want(in, spool.Stale)
}

// idsAhead checks that an id is remembered from its created_at, where that lies
// ahead.
func idsAhead(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	in := intake(r.event("1"), "a")
	in.Event.CreatedAt = r.now().Add(6 * 24 * time.Hour)
	r.want(in, spool.Accepted)
	r.add(6*24*time.Hour + 23*time.Hour)
	r.sweep()
	r.want(in, spool.Duplicate)
	r.add(2 * time.Hour)
	r.sweep()
	r.want(in, spool.Stale)
}
