package control

import (
	"context"

	"github.com/inboxgate/inboxgate/internal/minutes"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// lookedUp is of how many sources the newest event is looked up in the log.
const lookedUp = 32

// sources fills in how the sources of a process are.
func (a *api) sources(ctx context.Context, about *About) {
	view := a.Minutes.View()
	all := make([]SourceStatus, 0, len(about.Sources))
	for i, s := range about.Sources {
		of := a.Minutes.Source(s.Source)
		n := of.Read(view)
		s.Accepted, s.Duplicates, s.Quarantined = minutes.Sum(n.Accepted), minutes.Sum(n.Duplicate), minutes.Sum(n.Quarantined)
		s.Refused, s.LastEvent = of.RefusedBy(view), of.Last()
		// Another process may have taken a newer one, or this one before it began again.
		if _, shared := a.Store.(spool.Shared); i < lookedUp && (shared || s.LastEvent.IsZero()) {
			if page, err := a.Store.Records(ctx, spool.Query{Source: s.Source, Limit: 1}); err == nil && len(page.Records) > 0 {
				if at := page.Records[0].Event.Received; at.After(s.LastEvent) {
					s.LastEvent = at
				}
			}
		}
		all = append(all, s)
	}
	about.Sources = all
}
