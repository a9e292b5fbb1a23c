package control

import (
	"context"
	"fmt"
	"net/http"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Release takes a quarantined body as an event of the store. match returns the routes that
// get it, nil where its source is not configured. With dryRun it returns what would become
// of the body.
func Release(ctx context.Context, store spool.Store, rec spool.Record, match func(*spool.Event) []spool.RouteWish, dryRun bool) (became Released, err error) {
	if match == nil {
		return became, &Error{Status: http.StatusConflict, Message: fmt.Sprintf("source %s is not configured any more: configure it, or discard the entry", rec.Event.Source)}
	}
	e := *rec.Event
	e.ID = spool.ReleaseID(rec.Event, rec.Reason)
	became = Released{ID: e.ID, Type: e.Type, Routes: []string{}}
	in := spool.Intake{Event: &e, DeliverStale: true, Release: rec.Event.Seq, Routes: match(&e)}
	for _, w := range in.Routes {
		became.Routes = append(became.Routes, w.Route)
	}
	if dryRun {
		return became, nil
	}
	receipt, err := store.Accept(ctx, in)
	if err != nil {
		return became, err
	}
	if receipt.Verdict != spool.Accepted {
		return became, &Error{Status: http.StatusConflict, Message: fmt.Sprintf("event %s is known already (%s): discard the entry", e.ID, receipt.Verdict)}
	}
	return became, nil
}
