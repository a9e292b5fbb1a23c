package control

import (
	"errors"
	"net/http"
	"strings"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Released is what a quarantine entry has become.
type Released struct {
	// ID and Type are those of the event. An id that begins with "body:" or has a
	// "~" was made, because the body has none or its id is another body's.
	ID   string `json:"id"`
	Type string `json:"type,omitempty"`
	// Routes are the routes that take it. Where there is none, it is kept as unrouted.
	Routes []string `json:"routes"`
}

// oddBulk reads what is to be done with many entries of quarantine.
func (a *api) oddBulk(r *request) (b Bulk, q spool.Query, err error) {
	b, q, err = a.bulk(r, OfQuarantine)
	if err == nil && (b.Route != "" || b.OnlyState) {
		err = bad("an entry in quarantine has no route and no state: leave route and only_state out")
	}
	return b, q, err
}

// releaseAll releases the entries that the filter chooses.
func (a *api) releaseAll(r *request, s *stream) error {
	if a.Release == nil {
		return errNoHands
	}
	b, q, err := a.oddBulk(r)
	if err != nil {
		return err
	}
	step, err := a.walk(r, s, b, q, func(rec spool.Record, step *Step) (int, error) {
		if !b.Filter.chosen(rec) {
			return 0, nil
		}
		became, err := a.Release(r.Context(), rec, b.DryRun)
		var no *Error
		switch {
		case errors.Is(err, spool.ErrNotFound), errors.As(err, &no) && no.Status == http.StatusConflict:
			return 0, nil // Somebody was faster, it is known already, or its source is gone.
		case err != nil:
			return 0, err
		case len(became.Routes) == 0:
			step.Unrouted++
		}
		return 1, nil
	})
	if !b.DryRun {
		a.audit(r, "release", b.Reason, "filter", b.Filter.logged(), "entries", step.Changed, "unrouted", step.Unrouted)
	}
	return err
}

// discardEntries removes the entries that the filter chooses.
func (a *api) discardEntries(r *request, s *stream) error {
	b, q, err := a.oddBulk(r)
	if err != nil {
		return err
	}
	step, err := a.walk(r, s, b, q, func(rec spool.Record, _ *Step) (int, error) {
		if !b.Filter.chosen(rec) {
			return 0, nil
		}
		if b.DryRun {
			return 1, nil
		}
		err := a.Store.DiscardOdd(r.Context(), rec.Event.Seq)
		if errors.Is(err, spool.ErrNotFound) {
			return 0, nil
		}
		return 1, err
	})
	if !b.DryRun {
		a.audit(r, "discard", b.Reason, "filter", b.Filter.logged(), "entries", step.Changed)
	}
	return err
}

// chosen reports whether an entry is in quarantine for the filter's reason. A list shows
// an entry that is damaged whatever was asked for, but nobody decides about it so.
func (f Filter) chosen(rec spool.Record) bool { return strings.HasPrefix(rec.Reason, f.Reason) }
