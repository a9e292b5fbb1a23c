package spooltest

import (
	"bytes"
	"fmt"
	"reflect"

	"github.com/inboxgate/inboxgate/internal/spool"
)

func (r *rig) records(q spool.Query) []spool.Record {
	p, err := r.st.Records(bg, q)
	r.ok(err, "Records")
	return p.Records
}

func (r *rig) odd() []spool.Record { return r.records(spool.Query{Kind: spool.Quarantined}) }

// record finds the one record of an id.
func (r *rig) record(id string) spool.Record {
	got := r.records(spool.Query{Source: source, ID: id})
	if len(got) != 1 {
		r.Fatalf("%d records of event %s, want 1", len(got), id)
	}
	return got[0]
}

// delivery finds the one delivery of an id to a route.
func (r *rig) delivery(id, route string) spool.DeliveryRecord {
	var found []spool.DeliveryRecord
	for _, d := range r.record(id).Deliveries {
		if d.Route == route {
			found = append(found, d)
		}
	}
	if len(found) != 1 {
		r.Fatalf("%d deliveries of event %s to route %s, want 1", len(found), id, route)
	}
	return found[0]
}

func (r *rig) route(name string) spool.RouteState {
	states, err := r.st.Routes(bg)
	r.ok(err, "Routes")
	for _, s := range states {
		if s.Key == key(name) {
			return s
		}
	}
	return spool.RouteState{Key: key(name)}
}

func ids(ds []spool.Delivery) (got []string) {
	for _, d := range ds {
		got = append(got, d.Event.ID)
	}
	return got
}

func (r *rig) wantIDs(what string, ds []spool.Delivery, want ...string) {
	if got := ids(ds); fmt.Sprint(got) != fmt.Sprint(want) {
		r.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// sameEvent compares everything but Seq.
func (r *rig) sameEvent(got, want *spool.Event) {
	if got == nil {
		r.Fatal("no event")
		return
	}
	g, w := *got, *want
	if !g.CreatedAt.Equal(w.CreatedAt) || !g.Received.Equal(w.Received) {
		r.Errorf("event %s: created %v, received %v, want %v, %v", w.ID, g.CreatedAt, g.Received, w.CreatedAt, w.Received)
	}
	if !bytes.Equal(g.Request.Body, w.Request.Body) {
		r.Errorf("event %s: body %q, want %q", w.ID, g.Request.Body, w.Request.Body)
	}
	g.Seq, g.CreatedAt, g.Received, g.Request.Body = w.Seq, w.CreatedAt, w.Received, w.Request.Body
	if !reflect.DeepEqual(g, w) {
		r.Errorf("event %s: got %+v, want %+v", w.ID, g, w)
	}
}
