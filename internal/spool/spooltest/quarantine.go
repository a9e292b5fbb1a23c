package spooltest

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

func (r *rig) oddBody(source, body string) spool.Odd {
	ev := r.eventOf(source, "", body)
	ev.Type, ev.CreatedAt = "", time.Time{}
	return spool.Odd{Event: ev, Reason: "broken JSON"}
}

func quarantine(t testing.TB, mk Make) {
	for _, e := range endings {
		r := newRig(t, mk, spool.Settings{})
		o := r.oddBody(source, "{")
		for range 3 {
			r.ok(r.st.Quarantine(bg, o), "Quarantine")
		}
		r.ok(r.st.Quarantine(bg, r.oddBody(source, "[")), "Quarantine")
		r.ok(r.st.Quarantine(bg, r.oddBody("other", "{")), "Quarantine")
		e.end(r)
		r.open()
		got := r.odd()
		if len(got) != 3 {
			t.Fatalf("after %s: %d entries, want 3: one a source and body", e.name, len(got))
		}
		first := got[2]
		r.sameEvent(first.Event, o.Event)
		if first.Reason != o.Reason || first.Copies != 3 || len(first.Deliveries) != 0 {
			t.Errorf("after %s: reason %q, %d copies, %d deliveries, want %q, 3, 0",
				e.name, first.Reason, first.Copies, len(first.Deliveries), o.Reason)
		}
		if n := len(r.records(spool.Query{})); n != 0 {
			t.Errorf("after %s: %d events, want none", e.name, n)
		}
		endings[1].end(r)
	}
}

// quarantineClaimsNoID checks that a broken copy never stands in the way of the
// real one.
func quarantineClaimsNoID(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	o := spool.Odd{Event: r.eventOf(source, "1", "broken"), Reason: "duplicate key"}
	r.ok(r.st.Quarantine(bg, o), "Quarantine")
	r.queue("1", "a")
	r.kill()
	r.ok(r.st.Quarantine(bg, o), "Quarantine")
	r.want(intake(r.event("1"), "a"), spool.Duplicate)
}

// releaseEntry lets a stale event go: the entry leaves and the event comes in
// one commit, wherever the power is cut.
func releaseEntry(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	for i := 0; ; i++ {
		if i == manySyncs {
			t.Fatalf("an accept takes more than %d syncs", manySyncs)
		}
		id := fmt.Sprint(i)
		in := intake(r.event(id), "a")
		in.Event.CreatedAt = r.now().Add(-48 * time.Hour)
		r.want(in, spool.Stale)
		entry := r.records(spool.Query{Kind: spool.Quarantined, ID: id})
		if len(entry) != 1 || entry[0].Event.Seq == 0 {
			t.Fatalf("entries %+v, want one with a number", entry)
		}
		in.DeliverStale, in.Release = true, entry[0].Event.Seq
		blocked, release := r.GateSyncs(i)
		c := r.goAccept(bg, in)
		stopped := false
		select {
		case <-blocked:
			stopped = true
			r.PowerCut(t)
			<-c
			r.open()
		case got := <-c:
			if got.err != nil || got.Verdict != spool.Accepted {
				t.Fatalf("releasing an entry: %v, %v", got.Verdict, got.err)
			}
		}
		release()
		stored := r.wholeOrNone(id, "a")
		if kept := len(r.records(spool.Query{Kind: spool.Quarantined, ID: id})) == 1; kept == stored {
			t.Fatalf("power cut at sync %d: entry is there: %v, event is there: %v, want one of them", i+1, kept, stored)
		}
		if !stopped {
			break
		}
	}
	if n := len(r.odd()); n >= manySyncs {
		t.Errorf("%d entries are left", n)
	}
}

// quarantineCap checks that quarantine has a tenth of the store, good events have
// the rest.
func quarantineCap(t testing.TB, mk Make) {
	const size = 4 << 20
	r := newRig(t, mk, spool.Settings{MaxSize: size})
	kept := 0
	for n := range size / len(bigBody) {
		err := r.st.Quarantine(bg, r.oddBody(source, bigBody+fmt.Sprint(n)))
		if err != nil {
			r.wantErr("Quarantine", err, spool.ErrQuarantineFull)
			break
		}
		kept++
	}
	if used := kept * len(bigBody); kept == 0 || used > size/5 {
		t.Errorf("quarantine took %d KiB of %d KiB, want a tenth", used>>10, size>>10)
	}
	in := intake(r.eventOf(source, "stale", bigBody), "a")
	in.Event.CreatedAt = r.now().Add(-48 * time.Hour)
	_, err := r.st.Accept(bg, in)
	r.wantErr("Accept of a stale event", err, spool.ErrQuarantineFull)
	r.queue("1", "a")
	big := intake(r.eventOf(source, "2", bigBody), "a")
	r.want(big, spool.Accepted)
	r.add(31 * 24 * time.Hour)
	r.sweep()
	r.ok(r.st.Quarantine(bg, r.oddBody(source, bigBody)), "Quarantine after 31 days")
	if got := r.odd(); len(got) != 1 || got[0].Event.Digest != sha256.Sum256([]byte(bigBody)) {
		t.Errorf("%d entries after 31 days, want only the new one", len(got))
	}
}

// releasedIsDuplicate checks that a body that was released has become an event,
// whatever it was in quarantine for, and the platform's next copy of it is no
// news.
func releasedIsDuplicate(t testing.TB, mk Make) {
	for _, e := range endings {
		r := newRig(t, mk, spool.Settings{})
		withID := spool.Odd{Event: r.eventOf(source, "1", "odd, with an id"), Reason: "created_at is not an RFC 3339 time"}
		without := r.oddBody(source, "{")
		for _, o := range []spool.Odd{withID, without} {
			r.ok(r.st.Quarantine(bg, o), "Quarantine")
		}
		r.want(intake(r.event("2"), "a"), spool.Accepted)
		conflict := intake(r.eventOf(source, "2", "another body"), "a")
		r.want(conflict, spool.Conflict)
		entries := r.odd()
		if len(entries) != 3 {
			t.Fatalf("%d entries, want 3", len(entries))
		}
		for _, entry := range entries {
			ev := *entry.Event
			ev.ID = spool.ReleaseID(entry.Event, entry.Reason)
			in := intake(&ev, "a")
			in.DeliverStale, in.Release = true, entry.Event.Seq
			r.want(in, spool.Accepted)
		}
		r.record("1")
		e.end(r)
		r.open()
		for _, o := range []spool.Odd{withID, without} {
			r.wantErr("Quarantine of "+o.Reason, r.st.Quarantine(bg, o), spool.ErrReleased)
		}
		r.want(conflict, spool.Duplicate)
		if n := len(r.odd()); n != 0 {
			t.Errorf("after %s: %d in quarantine, want none", e.name, n)
		}
		// A body that differs is another.
		r.ok(r.st.Quarantine(bg, spool.Odd{Event: r.eventOf(source, "1", "odd again"), Reason: withID.Reason}), "Quarantine")
		r.want(intake(r.eventOf(source, "2", "a third body"), "a"), spool.Conflict)
		endings[1].end(r)
	}
}
