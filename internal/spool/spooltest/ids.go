package spooltest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

func duplicates(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	in := intake(r.event("1"), "a")
	r.want(in, spool.Accepted)
	r.want(in, spool.Duplicate)
	r.add(23 * time.Hour)
	r.want(in, spool.Duplicate)
	r.kill()
	r.want(in, spool.Duplicate)
	r.want(starting(in, "one"), spool.Duplicate)
	if n := len(r.lease("a", 10)); n != 1 {
		t.Errorf("%d deliveries after four copies, want 1", n)
	}
	if n := len(r.odd()); n != 0 {
		t.Errorf("%d entries in quarantine, want none", n)
	}

	other := intake(r.event("1"), "a")
	other.Event.Source = "other"
	r.want(other, spool.Accepted)
	r.want(intake(r.event("2"), "a"), spool.Accepted)
}

// knownWhateverItsAge checks that what is known is judged before freshness is.
func knownWhateverItsAge(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	old := intake(r.event("1"), "a")
	old.Event.CreatedAt = r.now().Add(-23 * time.Hour)
	r.want(old, spool.Accepted)
	r.add(2 * time.Hour)
	r.want(old, spool.Duplicate)
	conflict := intake(r.eventOf(source, "1", "other"), "a")
	conflict.Event.CreatedAt = old.Event.CreatedAt
	r.want(conflict, spool.Conflict)
	ahead := intake(r.eventOf(source, "1", "ahead"), "a")
	ahead.Event.CreatedAt = r.now().Add(30 * 24 * time.Hour)
	r.want(ahead, spool.Conflict)
	forced := conflict
	forced.DeliverStale = true
	r.want(forced, spool.Conflict)
}

func conflicts(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	r.queue("1", "a")
	odd := func(n int) spool.Intake {
		return intake(r.eventOf(source, "1", fmt.Sprint("other body ", n)), "a")
	}
	if got := r.want(odd(0), spool.Conflict); got.Reason == "" || len(got.Running) != 0 {
		t.Errorf("conflict: %+v, want a reason and nothing running", got)
	}
	r.want(odd(0), spool.Conflict)
	entries := r.odd()
	if len(entries) != 1 || entries[0].Copies != 2 || entries[0].Reason == "" {
		t.Fatalf("quarantine is %+v, want one entry of 2 copies with a reason", entries)
	}
	r.sameBody(entries[0], "other body 0")
	for n := range 2 * spool.MaxConflicts {
		r.want(odd(n), spool.Conflict)
	}
	if n := len(r.odd()); n != spool.MaxConflicts {
		t.Errorf("%d other bodies of one id are kept, want %d", n, spool.MaxConflicts)
	}
	r.cut()
	r.want(odd(3), spool.Conflict)
	r.want(odd(2*spool.MaxConflicts), spool.Conflict)
	if n := len(r.odd()); n != spool.MaxConflicts {
		t.Errorf("%d other bodies of one id are kept after a restart, want %d", n, spool.MaxConflicts)
	}
	r.want(intake(r.event("1"), "a"), spool.Duplicate)
	if n := len(r.lease("a", 10)); n != 1 {
		t.Errorf("%d deliveries, want only that of the first body", n)
	}
}

func (r *rig) sameBody(rec spool.Record, body string) {
	if rec.Event == nil || string(rec.Event.Request.Body) != body {
		r.Errorf("entry %+v, want the body %q", rec.Event, body)
	}
}

func concurrentCopies(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	for round := range 3 {
		id := fmt.Sprint(round)
		var (
			wg  sync.WaitGroup
			mu  sync.Mutex
			got = map[spool.Verdict]int{}
		)
		for i := range 50 {
			in := intake(r.event(id), "a")
			if i%5 == 4 {
				in = intake(r.eventOf(source, id, "other"), "a")
			}
			wg.Go(func() {
				a, err := r.st.Accept(bg, in)
				if err != nil {
					t.Errorf("Accept: %v", err)
				}
				mu.Lock()
				defer mu.Unlock()
				got[a.Verdict]++
			})
		}
		wg.Wait()
		// Either body may have come first.
		if got[spool.Accepted] != 1 || got[spool.Duplicate]+got[spool.Conflict] != 49 ||
			got[spool.Duplicate] != 39 && got[spool.Duplicate] != 9 {
			t.Errorf("50 copies, 10 of them with another body: %v", got)
		}
		r.whole(id, "a")
	}
}
