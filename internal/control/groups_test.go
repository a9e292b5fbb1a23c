package control_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// die stores an event for app and crm whose deliveries end so.
func (r *rig) die(n int, ends map[string]spool.Attempt, reason string) int64 {
	r.Helper()
	in := spool.Intake{
		Event: &spool.Event{Source: "inbox", ID: fmt.Sprint("evt_", n), Type: "message.read", CreatedAt: time.Now(), Request: spool.Request{Body: []byte(`{}`)}},
		Owner: "test", LeaseFor: time.Minute,
	}
	for _, route := range []string{"app", "crm"} {
		if _, ok := ends[route]; ok {
			in.Routes = append(in.Routes, spool.RouteWish{Route: route, Start: true})
		}
	}
	got, err := r.store.Accept(r.Context(), in)
	r.ok(err)
	for _, d := range got.Running {
		at := ends[d.Route.Route]
		at.N, at.Start = 1, time.Now()
		s := spool.Settlement{Lease: d.Lease, State: spool.Dead, Attempt: at, Reason: reason}
		if at.Status == 200 {
			s.State = spool.Delivered
		}
		r.ok(r.store.Settle(r.Context(), s))
	}
	return got.Seq
}

// kinds stores dead letters that differ in one thing each, and are easy to take for one
// another: one error holds another, has none, or other letters; one event is in two
// groups.
func (r *rig) kinds() (letters int64) {
	r.Helper()
	n := 0
	for range 3 {
		for _, end := range []spool.Attempt{
			{Status: 500, Error: "status 500"},
			{Status: 500, Error: "status 500 again"},
			{Status: 500, Error: "STATUS 500"},
			{Status: 500},
			{Error: "dial tcp: refused"},
			{},
		} {
			for _, reason := range []string{"attempts used up", "attempts used up twice", ""} {
				n++
				r.die(n, map[string]spool.Attempt{"app": end}, reason)
				letters++
			}
		}
		n++
		r.die(n, map[string]spool.Attempt{"app": {Status: 410, Error: "gone"}, "crm": {Status: 500, Error: "status 500"}}, "attempts used up")
		n++
		r.die(n, map[string]spool.Attempt{"app": {Status: 410, Error: "gone"}, "crm": {Status: 200}}, "attempts used up")
		letters += 3
	}
	return letters
}

// tally counts the deliveries in the log by route and state.
func (r *rig) tally() map[string]int64 {
	r.Helper()
	n := map[string]int64{}
	for q := (spool.Query{}); ; {
		page, err := r.store.Records(r.Context(), q)
		r.ok(err)
		for _, rec := range page.Records {
			for _, d := range rec.Deliveries {
				n[d.Route+" "+d.State.String()]++
			}
		}
		if q.Cursor = page.Next; q.Cursor == 0 {
			return n
		}
	}
}

// A group's filter chooses exactly the group: group by group all are replayed, each once,
// and nothing besides. So are they discarded.
func TestGroupsAreActedOnExactly(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"replay", "discard"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			letters := r.kinds()
			c := control.Over(r.api)
			groups, err := c.DeadGroups(t.Context(), control.Filter{})
			r.ok(err)
			if len(groups.Groups) != 20 || groups.Total != letters || groups.Partial {
				t.Fatalf("%d groups of %d, partial %v, want 20 of %d", len(groups.Groups), groups.Total, groups.Partial, letters)
			}
			act := func(b control.Bulk) (control.Step, error) {
				if what == "discard" {
					return c.DiscardDead(t.Context(), b, nil)
				}
				return c.Replay(t.Context(), b, nil)
			}
			left := letters
			for _, g := range groups.Groups {
				b := control.Bulk{Filter: g.Filter(), OnlyState: what == "replay", Rate: 10000, DryRun: true, Reason: "it is mended"}
				dry, err := act(b)
				r.ok(err)
				b.DryRun = false
				step, err := act(b)
				r.ok(err)
				if dry.Changed != g.Count || step.Changed != g.Count || step.Matched != g.Count || step.Skipped != 0 {
					t.Errorf("%+v: the dry run changes %d, the call %+v", g, dry.Changed, step)
				}
				again, err := act(b)
				r.ok(err)
				if again.Changed != 0 {
					t.Errorf("%+v: a second call changes %d", g, again.Changed)
				}
				left -= g.Count
				rest, err := c.DeadGroups(t.Context(), control.Filter{})
				r.ok(err)
				if rest.Total != left || slices.ContainsFunc(rest.Groups, func(o control.Group) bool { return o.Kind == g.Kind }) {
					t.Errorf("%+v: %d are left, want %d without it", g, rest.Total, left)
				}
			}
			now := r.tally()
			want := map[string]int64{"replay": 3, "discard": 3}[what] // The one that was delivered.
			if now["crm delivered"] != want || now["app dead"]+now["crm dead"] != 0 {
				t.Errorf("the log has %v", now)
			}
		})
	}
}

// A list and a count of a group are the group.
func TestGroupsAreListed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.kinds()
	c := r.client()
	groups, err := c.DeadGroups(t.Context(), control.Filter{Route: "app", Status: 500})
	r.ok(err)
	if len(groups.Groups) != 12 {
		t.Fatalf("%d groups of app with status 500, want 12", len(groups.Groups))
	}
	for _, g := range groups.Groups {
		page, err := c.Events(t.Context(), control.List{Filter: g.Filter(), Total: true})
		r.ok(err)
		if int64(len(page.Events)) != g.Count || page.Total == nil || *page.Total != g.Count {
			t.Errorf("%+v: listed %d, total %v", g, len(page.Events), page.Total)
		}
		for _, e := range page.Events {
			if i := slices.IndexFunc(e.Deliveries, func(d control.Delivery) bool { return d.LastWas(g.Filter()) }); i < 0 || e.Deliveries[i].Reason != g.Reason {
				t.Errorf("%+v has %+v", g, e)
			}
		}
	}
}

// Entries of quarantine are grouped by why they are there, and acted on so.
func TestQuarantineGroups(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.ok(r.store.Configure(t.Context(), "", "other", []spool.RouteName{{Name: "app"}}))
	want := map[string]int64{"inbox body is not JSON": 4, "inbox trailing data": 2, "other body is not JSON": 3}
	n := byte(0)
	for i, source := range []string{"inbox", "inbox", "other"} {
		reason := []string{"body is not JSON", "trailing data", "body is not JSON"}[i]
		for range want[source+" "+reason] {
			n++
			e := &spool.Event{Source: source, Digest: spool.Digest{n}, Request: spool.Request{Body: []byte{n}}}
			r.ok(r.store.Quarantine(t.Context(), spool.Odd{Event: e, Reason: reason}))
		}
	}
	c := control.Over(r.api)
	groups, err := c.QuarantineGroups(t.Context(), control.Filter{})
	r.ok(err)
	if len(groups.Groups) != 3 || groups.Total != 9 || groups.Partial || groups.Groups[0].Count != 4 {
		t.Fatalf("%+v", groups)
	}
	left := groups.Total
	for i, g := range groups.Groups {
		if g.Count != want[g.Source+" "+g.Reason] || g.Oldest.IsZero() || g.Newest.Before(g.Oldest) {
			t.Errorf("%+v", g)
		}
		b := control.Bulk{Filter: g.Filter(), DryRun: true}
		act := c.DiscardOdd
		if i == 0 {
			act = c.ReleaseOdd
		}
		dry, err := act(t.Context(), b, nil)
		r.ok(err)
		b.DryRun = false
		steps := 0
		step, err := act(t.Context(), b, func(control.Step) { steps++ })
		r.ok(err)
		if dry.Changed != g.Count || step.Changed != g.Count || steps == 0 || !step.Done {
			t.Errorf("%+v: the dry run changes %d, the call %+v in %d steps", g, dry.Changed, step, steps)
		}
		if i == 0 {
			continue // What is released leaves by the accept of a real handler.
		}
		left -= g.Count
		rest, err := c.QuarantineGroups(t.Context(), control.Filter{})
		r.ok(err)
		if rest.Total != left {
			t.Errorf("%+v: %d are left, want %d", g, rest.Total, left)
		}
	}
	if one, err := c.QuarantineGroups(t.Context(), control.Filter{Source: "other"}); err != nil || one.Total != 0 {
		t.Errorf("of other: %+v, %v", one, err)
	}
}

// A group shows what the app answered last, without phone numbers, and not all of it.
func TestGroupsShowAnAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.accept(1, "message.read", "app", spool.Dead)
	g, err := r.client().DeadGroups(t.Context(), control.Filter{})
	r.ok(err)
	if len(g.Groups) != 1 || !strings.HasPrefix(g.Groups[0].Response, "no such user +1") || strings.Contains(g.Groups[0].Response, phone) || len(g.Groups[0].Response) > 200 {
		t.Errorf("%+v", g.Groups)
	}
}
