package control_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/postgres"
)

// A stream brings what other processes take and deliver, and groups and counts are of all
// of them.
func TestPagesOfASharedStore(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared(t).Database(t)
	var members [2]*postgres.Store
	app := spool.RouteKey{Source: "inbox", Route: "app"}
	for i := range members {
		st, err := postgres.Open(t.Context(), dsn, postgres.Options{Name: fmt.Sprint("gate-", i)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = st.Close() })
		if err := st.Configure(t.Context(), spool.Owner(fmt.Sprint("owner-", i)), "inbox", []spool.RouteName{{Name: "app"}}); err != nil {
			t.Fatal(err)
		}
		members[i] = st
	}
	here, other := members[0], members[1]
	r := &rig{T: t, api: control.New(control.Options{
		Store: here, Ended: func(func(int64)) func() { return func() {} },
		Configured: func() map[spool.RouteKey]bool { return map[spool.RouteKey]bool{app: true} },
		About:      func() control.About { return control.About{Sources: []control.SourceStatus{{Source: "inbox"}}} },
	})}
	c := control.Over(r.api)
	s := r.stream(c, control.Filter{}, 0)
	take := func(id string, by *postgres.Store, owner spool.Owner) spool.Delivery {
		t.Helper()
		got, err := by.Accept(t.Context(), spool.Intake{
			Event: &spool.Event{Source: "inbox", ID: id, Type: "message.read", CreatedAt: time.Now(), Request: spool.Request{Body: []byte(`{}`)}},
			Owner: owner, LeaseFor: time.Minute, Routes: []spool.RouteWish{{Route: "app", Start: true}},
		})
		if err != nil || len(got.Running) != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
		return got.Running[0]
	}
	mine, theirs := take("evt_mine", here, "owner-0"), take("evt_theirs", other, "owner-1")
	s.want("event evt_mine", "event evt_theirs")
	at := spool.Attempt{N: 1, Start: time.Now(), Status: 500, Error: "status 500"}
	r.ok(other.Settle(t.Context(), spool.Settlement{Lease: theirs.Lease, State: spool.Dead, Attempt: at, Reason: "refused"}))
	s.want("ended evt_theirs")
	r.ok(here.Settle(t.Context(), spool.Settlement{Lease: mine.Lease, State: spool.Dead, Attempt: at, Reason: "refused"}))
	s.want("ended evt_mine")
	groups, err := c.DeadGroups(t.Context(), control.Filter{})
	r.ok(err)
	if len(groups.Groups) != 1 || groups.Total != 2 {
		t.Fatalf("%+v", groups)
	}
	for by, want := range map[string]string{
		control.ByState: "waiting:0 running:0 retrying:0 parked:0 delivered:0 dead:2 discarded:0 unrouted:0",
		control.ByRoute: "app:2", control.ByType: "message.read:2",
	} {
		if got, err := c.Counts(t.Context(), by, control.Filter{}); err != nil || text(got) != want || got.Partial {
			t.Errorf("by %s: %s, %v, want %s", by, text(got), err, want)
		}
	}
	step, err := c.Replay(t.Context(), control.Bulk{Filter: groups.Groups[0].Filter(), OnlyState: true, Rate: 1000}, nil)
	if err != nil || step.Changed != 2 {
		t.Errorf("%+v, %v", step, err)
	}
	status, err := c.Status(t.Context())
	if err != nil || len(status.Store.Members) != 2 || status.Sources[0].LastEvent.IsZero() {
		t.Errorf("%+v, %v", status, err)
	}
	s.stop()
}
