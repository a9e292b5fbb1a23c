package control_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// judge is a store that gives one verdict and keeps what it was asked.
type judge struct {
	spool.Store
	verdict spool.Verdict
	asked   []spool.Intake
}

func (j *judge) Accept(_ context.Context, in spool.Intake) (spool.Receipt, error) {
	j.asked = append(j.asked, in)
	return spool.Receipt{Verdict: j.verdict}, nil
}

func TestReleaseOfOneEntry(t *testing.T) {
	t.Parallel()
	rec := spool.Record{Event: &spool.Event{Seq: 7, Source: "inbox", ID: "evt_1", Type: "message.failed"}, Reason: "stale"}
	both := func(*spool.Event) []spool.RouteWish {
		return []spool.RouteWish{{Route: "a", Key: "m1"}, {Route: "b"}}
	}
	none := func(*spool.Event) []spool.RouteWish { return nil }
	for name, c := range map[string]struct {
		match   func(*spool.Event) []spool.RouteWish
		dryRun  bool
		verdict spool.Verdict
		status  int // Of the refusal; 0 for none.
		routes  []string
		asked   int
	}{
		"taken":         {both, false, spool.Accepted, 0, []string{"a", "b"}, 1},
		"by no route":   {none, false, spool.Accepted, 0, []string{}, 1},
		"only asked":    {both, true, spool.Accepted, 0, []string{"a", "b"}, 0},
		"known already": {both, false, spool.Duplicate, http.StatusConflict, []string{"a", "b"}, 1},
		"source gone":   {nil, false, spool.Accepted, http.StatusConflict, nil, 0},
	} {
		store := &judge{verdict: c.verdict}
		became, err := control.Release(t.Context(), store, rec, c.match, c.dryRun)
		status := 0
		if no, ok := errors.AsType[*control.Error](err); ok {
			status = no.Status
		}
		if status != c.status || (err != nil) != (c.status != 0) {
			t.Errorf("%s: %v, want status %d", name, err, c.status)
		}
		if !slices.Equal(became.Routes, c.routes) || c.routes != nil && became.Routes == nil {
			t.Errorf("%s: routes %v, want %v", name, became.Routes, c.routes)
		}
		if len(store.asked) != c.asked {
			t.Fatalf("%s: the store was asked %d times, want %d", name, len(store.asked), c.asked)
		}
		if c.asked > 0 && (store.asked[0].Release != 7 || !store.asked[0].DeliverStale || len(store.asked[0].Routes) != len(c.routes)) {
			t.Errorf("%s: asked %+v", name, store.asked[0])
		}
	}
}
