package sqlite

import (
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// TestMergeCutShort: a renamed route whose both names have deliveries gets all
// of them, also when the process ends before the last has moved.
func TestMergeCutShort(t *testing.T) {
	t.Parallel()
	const each = 1300 // more than two steps
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	if err := s.Configure(bg, "", "inbox", []spool.RouteName{{Name: "old"}, {Name: "new"}}); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	for g := range int64(20) {
		go func() {
			defer func() { done <- struct{}{} }()
			for n := range int64(each / 20) {
				accept(t, s, benchEvent(g<<20|n), "old", false)
				accept(t, s, benchEvent(g<<20|n|1<<40), "new", false)
			}
		}()
	}
	for range 20 {
		<-done
	}
	old, fresh := spool.RouteKey{Source: "inbox", Route: "old"}, spool.RouteKey{Source: "inbox", Route: "new"}
	b, err := s.Lease(bg, spool.Pick{Owner: "o", Route: old, N: 3, LeaseFor: time.Hour})
	if err != nil || len(b.Deliveries) != 3 {
		t.Fatal(b, err)
	}
	if err := s.do(bg, true, 0, func(w *writer) error {
		if err := w.configure(w.sources["inbox"], []spool.RouteName{{Name: "new", Was: "old"}}); err != nil {
			return err
		}
		_, err := w.moveSome()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Settle(bg, spool.Settlement{Lease: b.Deliveries[0].Lease, State: spool.Retrying, Due: time.Now()}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = mustOpen(t, dir, Options{})
	states, err := s.Routes(bg)
	if err != nil || len(states) != 1 || states[0].Key != fresh || states[0].Waiting != 2*each {
		t.Fatalf("routes: %+v, %v", states, err)
	}
	for _, k := range []spool.RouteKey{old, fresh} {
		b, err := s.Lease(bg, spool.Pick{Owner: "o", Route: k, N: each, LeaseFor: time.Hour})
		if err != nil || len(b.Deliveries) != each {
			t.Errorf("leased %d as %s, want %d: %v", len(b.Deliveries), k.Route, each, err)
		}
	}
	check(t, s)
}
