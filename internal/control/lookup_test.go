package control_test

import (
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// An event whose id looks like a number is found by its id, and what is done to
// it is done to no other.
func TestNumericIDs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := r.accept(10, "message.read", "app", spool.Dead)
	named := r.acceptID("1", 1, "message.read", "app", spool.Dead)
	if first != 1 || named != 2 {
		t.Fatalf("numbers %d and %d", first, named)
	}
	c := r.client()
	for ref, want := range map[string]int64{"1": named, "2": named, "seq:1": first, "seq:2": named, "evt_10": first} {
		if e, err := c.Event(t.Context(), control.Ref{Ref: ref}, false); err != nil || e.Number != want {
			t.Errorf("%s is event %d, %v, want %d", ref, e.Number, err, want)
		}
	}
	if _, err := c.Change(t.Context(), control.Ref{Ref: "1"}, "discard", ""); err != nil {
		t.Fatal(err)
	}
	if a, b := r.states(first), r.states(named); a != "app dead" || b != "app discarded" {
		t.Errorf("discarding id 1 has left event 1 %s and event 2 %s", a, b)
	}
}

// Dead letters are found, counted and sent again by how their last attempt was.
func TestDeadByLastAttempt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	refused := r.accept(1, "message.read", "app", spool.Dead) // 500
	gone := r.accept(2, "message.read", "app", spool.Delivered)
	r.alsoDead(gone, "crm") // 410
	r.alsoDead(refused, "crm")
	c := r.client()
	g, err := c.DeadGroups(t.Context(), control.Filter{})
	r.ok(err)
	if len(g.Groups) != 2 || g.Total != 3 || g.Groups[0].Count != 2 || g.Groups[0].Status != 410 || g.Groups[0].Route != "crm" || g.Groups[1].Status != 500 {
		t.Errorf("groups: %+v", g)
	}
	e, err := c.Event(t.Context(), control.ByNumber(gone), false)
	r.ok(err)
	if a, b := e.Deliveries[0].Log[0], e.Deliveries[1].Log[0]; a.Replay != 0 || b.Replay != 1 {
		t.Errorf("the attempt of the first life has replay %d, that of a replay %d", a.Replay, b.Replay)
	}
	p, err := c.Events(t.Context(), control.List{Filter: control.Filter{State: "dead", Status: 500}})
	r.ok(err)
	if len(p.Events) != 1 || p.Events[0].Number != refused {
		t.Errorf("with 500: %+v", p.Events)
	}
	step, err := c.Replay(t.Context(), control.Bulk{Filter: control.Filter{State: "dead", Status: 410}, OnlyState: true}, nil)
	if err != nil || step.Changed != 2 {
		t.Errorf("replaying those with 410: %+v, %v", step, err)
	}
	if got := r.states(refused); got != "app dead, crm available" {
		t.Errorf("the one with 500 is %s", got)
	}
	step, err = c.DiscardDead(t.Context(), control.Bulk{Filter: control.Filter{Error: "STATUS 5"}}, nil)
	if err != nil || step.Changed != 1 || r.states(refused) != "app discarded, crm available" {
		t.Errorf("discarding by error: %+v, %v, %s", step, err, r.states(refused))
	}
}

// A source or route that nobody has is told, and not answered with nothing.
func TestUnknownNamesInFilters(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.accept(1, "message.read", "app", spool.Dead)
	for word, f := range map[string]control.Filter{"secnd": {Source: "secnd"}, "ap": {Route: "ap"}} {
		for name, ask := range map[string]func() error{
			"list":   func() error { _, err := r.client().Events(t.Context(), control.List{Filter: f}); return err },
			"groups": func() error { _, err := r.client().DeadGroups(t.Context(), f); return err },
			"replay": func() error { _, err := r.client().Replay(t.Context(), control.Bulk{Filter: f}, nil); return err },
		} {
			if err := ask(); err == nil || !strings.Contains(err.Error(), word) || !strings.Contains(err.Error(), "there are") {
				t.Errorf("%s by %s: %v", name, word, err)
			}
		}
	}
}

// A held route's dead letters are sent again once: a second replay finds that they wait.
func TestReplayOfWhatWaits(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const events = 320
	for n := range events {
		r.accept(100+n, "message.read", "app", spool.Dead)
	}
	r.ok(r.store.Hold(t.Context(), "", spool.RouteKey{Source: "inbox", Route: "app"}, spool.Hold{Reason: "test", ByHand: true}))
	step, err := r.client().Replay(t.Context(), control.Bulk{All: true, Rate: 10000}, nil)
	if err != nil || step.Changed != events {
		t.Fatalf("%+v, %v", step, err)
	}
	if step, err = r.client().Replay(t.Context(), control.Bulk{All: true, Max: 5}, nil); err != nil || step.Changed != 0 {
		t.Errorf("those that wait: %+v, %v", step, err)
	}
}
