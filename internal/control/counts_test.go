package control_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// text returns rows as key:n.
func text(c control.Counts) string {
	var all []string
	for _, row := range c.Rows {
		one := fmt.Sprint(row.Key, ":", row.N)
		if row.Partial {
			one += "+"
		}
		all = append(all, one)
	}
	return strings.Join(all, " ")
}

// Events are counted by each property, of those that the filter chooses, and a row's key
// finds as many with the filter's own word.
func TestCounts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.ok(r.store.Configure(t.Context(), "", "other", []spool.RouteName{{Name: "app"}}))
	for n := range 3 {
		r.accept(n, "message.read", "app", spool.Delivered)
	}
	for n := range 2 {
		r.accept(10+n, "message.failed", "crm", spool.Dead)
	}
	r.accept(20, "message.failed", "app", spool.Retrying)
	r.accept(30, "message.read", "gone", 0)
	_, err := r.store.Accept(t.Context(), spool.Intake{Event: &spool.Event{Source: "other", ID: "u", Type: "message.action", CreatedAt: time.Now(), Request: spool.Request{Body: []byte(`{}`)}}})
	r.ok(err)
	c := control.Over(r.api)
	hour, day := time.Now().UTC().Truncate(time.Hour), time.Now().UTC().Truncate(24*time.Hour)
	for _, one := range []struct {
		by   string
		f    control.Filter
		want string
	}{
		{control.ByState, control.Filter{}, "waiting:2 running:0 retrying:1 parked:1 delivered:3 dead:2 discarded:0 unrouted:1"},
		{control.ByState, control.Filter{Route: "app"}, "waiting:1 running:0 retrying:1 parked:0 delivered:3 dead:0 discarded:0 unrouted:0"},
		{control.ByState, control.Filter{State: "dead", Status: 500}, "dead:2"},
		{control.ByType, control.Filter{}, "message.read:4 message.failed:3 message.action:1"},
		{control.ByType, control.Filter{State: "dead"}, "message.failed:2"},
		{control.ByRoute, control.Filter{}, "app:4 crm:2 gone:1"},
		{control.ByRoute, control.Filter{State: "waiting"}, "app:1 gone:1 crm:0"},
		{control.ByRoute, control.Filter{Route: "crm"}, "crm:2"},
		{control.BySource, control.Filter{}, "inbox:7 other:1"},
		{control.BySource, control.Filter{Type: "message.read"}, "inbox:4 other:0"},
		{control.ByHour, control.Filter{}, hour.Format(time.RFC3339) + ":8"},
		{control.ByDay, control.Filter{Type: "message.failed"}, day.Format(time.RFC3339) + ":3"},
	} {
		got, err := c.Counts(t.Context(), one.by, one.f)
		if err != nil || text(got) != one.want || got.Partial || got.By != one.by {
			if time.Now().UTC().Truncate(time.Hour).Equal(hour) {
				t.Errorf("by %s of %+v: %s, %v, want %s", one.by, one.f, text(got), err, one.want)
			}
			continue
		}
		for _, row := range got.Rows {
			f := one.f
			switch one.by {
			case control.ByState:
				f.State = row.Key
			case control.ByType:
				f.Type = row.Key
			case control.ByRoute:
				f.Route = row.Key
			case control.BySource:
				f.Source = row.Key
			default:
				f.Since, err = time.Parse(time.RFC3339, row.Key)
				r.ok(err)
			}
			page, err := c.Events(t.Context(), control.List{Filter: f, Total: true})
			if err != nil || *page.Total != row.N {
				t.Errorf("by %s, %s: counted %d, found %v, %v", one.by, row.Key, row.N, page.Total, err)
			}
		}
	}
	for query, want := range map[string]string{"": "give one of state", "?by=colour": "give one of", "?by=type&route=nowhere": "no route", "?by=type&kinds=1": "unknown parameter"} {
		if status, answer := r.call("GET", "/inbox/counts"+query, "", "", ""); status != 400 || !strings.Contains(answer, want) {
			t.Errorf("%q: %d %s", query, status, answer)
		}
	}
}

// endless is a store whose log has no end.
type endless struct{ spool.Store }

func (endless) Records(_ context.Context, q spool.Query) (spool.Page, error) {
	q.Cursor++
	e := &spool.Event{Seq: q.Cursor, Source: "inbox", Type: "message.read", Received: time.Now().Add(-time.Duration(q.Cursor) * time.Minute)}
	return spool.Page{Records: []spool.Record{{Event: e}}, Next: q.Cursor}, nil
}

// A count that takes too long ends, and reports what it is: of the newest hours all, of
// the last one so many or more.
func TestCountsEndInTime(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *control.Options) { o.Store = endless{o.Store} })
	for _, by := range []string{control.ByState, control.ByType, control.ByRoute, control.BySource, control.ByHour, control.ByDay} {
		began := time.Now()
		got, err := control.Over(r.api).Counts(t.Context(), by, control.Filter{})
		if err != nil || !got.Partial {
			t.Errorf("by %s: %+v, %v, want a part", by, got, err)
		}
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("by %s: it took %v", by, d)
		}
		if by != control.ByState && !slices.ContainsFunc(got.Rows, func(row control.CountRow) bool { return row.Partial && row.N > 0 }) {
			t.Errorf("by %s: %s, want a part", by, text(got))
		}
		if n := len(got.Rows); (by == control.ByHour || by == control.ByDay) && n > 1 && (got.Rows[0].Partial || !got.Rows[n-1].Partial) {
			t.Errorf("by %s: %s, want the oldest alone to be a part", by, text(got))
		}
	}
}

// Groups of more than can be read in time are of the newest, and say so.
func TestGroupsEndInTime(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *control.Options) { o.Store = endless{o.Store} })
	if got, err := control.Over(r.api).DeadGroups(t.Context(), control.Filter{}); err != nil || !got.Partial {
		t.Errorf("dead letters: %+v, %v, want a part", got, err)
	}
	if got, err := control.Over(r.api).QuarantineGroups(t.Context(), control.Filter{}); err != nil || !got.Partial || got.Total == 0 {
		t.Errorf("quarantine: %+v, %v, want a part", got, err)
	}
}
