package control_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// alsoDead gives an event a dead letter on one more route.
func (r *rig) alsoDead(seq int64, route string) {
	r.Helper()
	_, err := r.store.Redeliver(r.Context(), seq, spool.RouteWish{Route: route})
	r.ok(err)
	b, err := r.store.Lease(r.Context(), spool.Pick{Owner: "test", Route: spool.RouteKey{Source: "inbox", Route: route}, N: 1, LeaseFor: time.Minute})
	r.ok(err)
	for _, d := range b.Deliveries {
		r.ok(r.store.Settle(r.Context(), spool.Settlement{Lease: d.Lease, State: spool.Dead, Reason: "refused", Attempt: spool.Attempt{N: 1, Status: 410}}))
	}
}

func (r *rig) states(seq int64) string {
	r.Helper()
	p, err := r.store.Records(r.Context(), spool.Query{Seq: seq})
	r.ok(err)
	var all []string
	for _, d := range p.Records[0].Deliveries {
		all = append(all, d.Route+" "+d.State.String())
	}
	return strings.Join(all, ", ")
}

// Dead letters are sent again on their own routes, and what was delivered of the
// same events is not.
func TestReplayOnlyState(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	both := r.accept(1, "message.read", "app", spool.Delivered)
	r.alsoDead(both, "crm")
	parked := r.accept(2, "message.read", "app", spool.Dead)
	r.alsoDead(parked, "gone")
	c := r.client()
	dead := control.Filter{State: "dead"}
	want := control.Step{Matched: 2, Changed: 2, Total: 2, Done: true, PassedOver: []control.PassedOver{{Source: "inbox", Route: "gone", Deliveries: 1}}}
	for _, dry := range []bool{true, false} {
		got, err := c.Replay(t.Context(), control.Bulk{Filter: dead, OnlyState: true, DryRun: dry}, nil)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("dry %v: %+v, %v, want %+v", dry, got, err, want)
		}
	}
	if got := r.states(both); got != "app delivered, crm available" {
		t.Errorf("the event that was half delivered is %s", got)
	}
	if got := r.states(parked); got != "app available, gone dead" {
		t.Errorf("the event of the parked route is %s", got)
	}
	for want, b := range map[string]control.Bulk{
		"needs a filter": {Filter: control.Filter{State: "retrying"}, OnlyState: true},
		"exclude":        {Filter: dead, OnlyState: true, Route: "app"},
	} {
		if _, err := c.Replay(t.Context(), b, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", b, err)
		}
	}
}

// Dead letters are let go by a text of their bodies, and no others are.
func TestDiscardDeadByText(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one, other := r.accept(1, "message.read", "app", spool.Dead), r.accept(2, "message.read", "app", spool.Dead)
	got, err := r.client().DiscardDead(t.Context(), control.Bulk{Filter: control.Filter{Contains: `"msg_1"`}}, nil)
	if err != nil || got.Changed != 1 || r.states(one) != "app discarded" || r.states(other) != "app dead" {
		t.Errorf("%+v, %v, %s, %s", got, err, r.states(one), r.states(other))
	}
}

// What cannot go anywhere does not use up Max, and may be sent elsewhere.
func TestReplayPassesOver(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	old := r.accept(1, "message.read", "app", spool.Dead)
	gone := r.accept(2, "message.read", "gone", spool.Dead)
	c := r.client()
	got, err := c.Replay(t.Context(), control.Bulk{All: true, Max: 1}, nil)
	if err != nil || got.Changed != 1 || got.Skipped != 1 || len(got.PassedOver) != 1 || r.states(old) != "app available" || r.states(gone) != "gone dead" {
		t.Errorf("all: %+v, %v, %s, %s", got, err, r.states(old), r.states(gone))
	}
	one, err := c.Change(t.Context(), control.Ref{Ref: "evt_2"}, "replay", "")
	if err != nil || one.Changed != 0 || !reflect.DeepEqual(one.PassedOver, got.PassedOver) {
		t.Errorf("one: %+v, %v", one, err)
	}
	if _, err := c.Change(t.Context(), control.Ref{Ref: "evt_2"}, "replay", "gone"); err == nil || !strings.Contains(err.Error(), "configure it") {
		t.Errorf("one, to the route itself: %v", err)
	}
	got, err = c.Replay(t.Context(), control.Bulk{Filter: control.Filter{Route: "gone", State: "dead"}, Route: "crm"}, nil)
	if err != nil || got.Changed != 1 || got.PassedOver != nil || r.states(gone) != "gone dead, crm available" {
		t.Errorf("elsewhere: %+v, %v, %s", got, err, r.states(gone))
	}
}
