//go:build linux

package postgres

import (
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// TestWhatWasLetGoLetsOthersStart: the end of a delivery lets the next of its key go. While
// that one waits to be leased, one of another key is born running, and one that comes after
// something else has queued is not.
func TestWhatWasLetGoLetsOthersStart(t *testing.T) {
	t.Parallel()
	s := openOn(t, pgtest.Shared(t).Database(t), Options{beat: time.Hour})
	route := spool.RouteKey{Source: "inbox", Route: "a"}
	if err := s.Configure(t.Context(), "one", "inbox", []spool.RouteName{{Name: "a"}}); err != nil {
		t.Fatal(err)
	}
	accept := func(in spool.Intake) []spool.Delivery {
		t.Helper()
		got, err := s.Accept(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		return got.Running
	}
	first := accept(keyedTo("1", "x"))
	if behind := accept(keyedTo("2", "x")); len(first) != 1 || len(behind) != 0 {
		t.Fatalf("%d and %d of a key run, want 1 and 0", len(first), len(behind))
	}
	if err := s.Settle(t.Context(), settled(first[0])); err != nil {
		t.Fatal(err)
	}
	if got := accept(keyedTo("3", "y")); len(got) != 1 {
		t.Error("one of another key queues behind what was just let go")
	}
	if got := accept(keyedTo("4", "x")); len(got) != 0 {
		t.Error("one overtakes its own key")
	}
	queued := keyedTo("5", "z")
	queued.Routes[0].Start = false
	accept(queued)
	if got := accept(keyedTo("6", "w")); len(got) != 0 {
		t.Error("one overtakes what has queued without being let go")
	}
	got, err := s.Lease(t.Context(), spool.Pick{Owner: "one", LeaseFor: time.Minute, Route: route, N: 10})
	if err != nil || len(got.Deliveries) != 3 || got.Deliveries[0].Event.ID != "2" {
		t.Fatalf("leased %v, %v, want the second, fifth and sixth event", got.Deliveries, err)
	}
	// What was let go and given back has a turn as any other.
	if err := s.Release(t.Context(), []spool.Lease{got.Deliveries[0].Lease}); err != nil {
		t.Fatal(err)
	}
	if got := accept(keyedTo("7", "v")); len(got) != 0 {
		t.Error("one overtakes what was given back")
	}
}

// TestHints: what keeps an event from being born running.
func TestHints(t *testing.T) {
	t.Parallel()
	r := reading{now: int64(time.Hour), age: int64(time.Hour)}
	ago := func(d time.Duration) int64 { return r.now - int64(d) }
	for name, x := range map[string]struct {
		does func(s *Store)
		want bool
	}{
		"nothing":            {func(*Store) {}, true},
		"something is due":   {func(s *Store) { s.noteDue(1, r.now) }, false},
		"something is later": {func(s *Store) { s.noteDue(1, r.now+1) }, true},
		"a lease has ended":  {func(s *Store) { s.noteUntil(1, r.age) }, false},
		"one was let go":     {func(s *Store) { s.notePassed(1, 7, r.now) }, true},
		"one waits again":    {func(s *Store) { s.notePassed(1, 7, r.now); s.noteWaits(1, 7, r.now) }, false},
		"too many were let go": {func(s *Store) {
			for n := range int64(maxPassed + 1) {
				s.notePassed(1, n, r.now)
			}
		}, false},
		"a reading beside a birth": {func(s *Store) {
			s.noteDue(1, r.now)
			v := s.hintVersion(1)
			s.noteUntil(1, r.age+1)
			s.setHint(1, v, never, never)
		}, true},
		"a reading beside a queued one": {func(s *Store) {
			v := s.hintVersion(1)
			s.noteDue(1, r.now)
			s.setHint(1, v, never, never)
		}, false},
		"all that is due is being leased": {func(s *Store) {
			s.noteDue(1, r.now)
			s.take(1, s.hintVersion(1), 1)
		}, true},
		"that lease has ended": {func(s *Store) {
			s.noteDue(1, r.now)
			s.take(1, s.hintVersion(1), 1)
			s.free(1)
		}, false},
		"more comes meanwhile": {func(s *Store) {
			s.noteDue(1, r.now)
			s.take(1, s.hintVersion(1), 9)
			s.noteDue(1, r.now)
		}, false},
		"more is due than is being leased": {func(s *Store) {
			s.noteDue(1, r.now)
			s.noteDue(1, r.now)
			s.take(1, s.hintVersion(1), 1)
		}, false},
		"it is not known how much is due": {func(s *Store) {
			s.setHint(1, s.hintVersion(1), r.now, never)
			s.take(1, s.hintVersion(1), 100)
		}, false},
		"a lease has ended beside one": {func(s *Store) {
			s.noteDue(1, r.now)
			s.noteUntil(1, r.age)
			s.take(1, s.hintVersion(1), 100)
		}, false},
	} {
		s := &Store{}
		s.catalog.routes = map[int64]*route{1: {id: 1, hint: hint{due: never, until: never}}}
		x.does(s)
		if got := s.mayStart(1, r); got != x.want {
			t.Errorf("%s: may start is %v, want %v", name, got, x.want)
		}
	}
	s := &Store{}
	s.catalog.routes = map[int64]*route{1: {id: 1}}
	s.notePassed(1, 7, ago(passedFor))
	if got := s.passed(1, r); len(got) != 1 {
		t.Errorf("let go within %v are %v, want one", passedFor, got)
	}
	r.now++
	if got := s.passed(0, r); len(got) != 0 {
		t.Errorf("let go are %v, want none after %v: a reading counts them", got, passedFor)
	}
}
