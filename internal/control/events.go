package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/internal/platform"
	"github.com/inboxgate/inboxgate/internal/spool"
)

func (a *api) events(r *request) (any, error) { return a.list(r, OfEvents, eventsWords) }

func (a *api) dead(r *request) (any, error) { return a.list(r, OfDead, listWords) }

func (a *api) quarantine(r *request) (any, error) { return a.list(r, OfQuarantine, listWords) }

// list answers with one page. also are the parameters that it may have besides those
// of a filter.
func (a *api) list(r *request, list Lists, also []string) (any, error) {
	reveal, err := r.reveal()
	if err != nil {
		return nil, err
	}
	v := r.URL.Query()
	f, err := readFilter(v, list, also...)
	if err != nil {
		return nil, err
	}
	if err := a.sane(f); err != nil {
		return nil, err
	}
	q, err := a.query(f, list)
	if err != nil {
		return nil, err
	}
	limit, err := readNumber(v, "limit")
	if err != nil {
		return nil, err
	}
	if q.Limit = int(min(limit, 1000)); limit == 0 {
		q.Limit = 100
	}
	if q.Cursor, err = readNumber(v, "cursor"); err != nil {
		return nil, err
	}
	q.Settled = slices.Contains(also, "settled") && (v.Get("settled") == "true" || v.Get("settled") == "1")
	page, err := a.Store.Records(r.Context(), q)
	if err != nil {
		return nil, err
	}
	p := Page{Events: []Event{}, Next: page.Next}
	served := a.served(r.Context())
	for _, rec := range page.Records {
		e := view(rec, reveal)
		e.markParked(served)
		p.Events = append(p.Events, e)
	}
	if slices.Contains(also, "total") && v.Get("total") != "false" && q.Cursor == 0 {
		if err := a.total(r.Context(), q, &p); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// countWithin bounds the counting of a list or of a bulk change: what is known by then
// is a lower bound.
const countWithin = 250 * time.Millisecond

// total adds to a first page how many events or entries its filter chooses.
func (a *api) total(ctx context.Context, q spool.Query, p *Page) error {
	n := spool.Count{N: int64(len(p.Events))}
	if p.Next != 0 {
		var err error
		if n, err = a.count(ctx, q); err != nil {
			return err
		}
	}
	p.Total, p.Partial = &n.N, n.Partial
	return nil
}

// count counts what a query chooses, for no longer than countWithin.
func (a *api) count(ctx context.Context, q spool.Query) (spool.Count, error) {
	return a.countIn(ctx, q, countWithin)
}

// countIn counts what a query chooses, for little longer than within.
func (a *api) countIn(ctx context.Context, q spool.Query, within time.Duration) (spool.Count, error) {
	var l spool.Log = a.Store
	if only, ok := l.(logOnly); ok {
		l = only.log
	}
	return spool.CountRecords(ctx, l, q, within)
}

// first returns the newest record of a query, however many pages lie before it.
func (a *api) first(ctx context.Context, q spool.Query) (spool.Record, error) {
	q.Limit = 1
	for {
		page, err := a.Store.Records(ctx, q)
		if err != nil {
			return spool.Record{}, err
		}
		if len(page.Records) > 0 {
			return page.Records[0], nil
		}
		if q.Cursor = page.Next; q.Cursor == 0 {
			return spool.Record{}, spool.ErrNotFound
		}
	}
}

// numbered begins a reference that is the number of an event, and no id.
const numbered = "seq:"

// findEvent returns the event of a call, which has the platform's id or the event's
// number. What looks like a number is an id first. An id that several sources have is
// refused, because the caller must say which is meant.
func (a *api) findEvent(r *request) (spool.Record, error) {
	ref := r.PathValue("ref")
	source := r.URL.Query().Get("source")
	text, byNumber := strings.CutPrefix(ref, numbered)
	n, noNumber := strconv.ParseInt(text, 10, 64)
	rec, err := spool.Record{}, spool.ErrNotFound
	if !byNumber {
		rec, err = a.findID(r.Context(), ref, source)
	}
	if errors.Is(err, spool.ErrNotFound) && noNumber == nil && n > 0 {
		rec, err = a.first(r.Context(), spool.Query{Seq: n, Source: source})
	}
	if err != nil && asError(err).Status == http.StatusNotFound {
		return rec, &Error{http.StatusNotFound, fmt.Sprintf("no event %s: give its id or its number; it may have left the log by its age", ref)}
	}
	return rec, err
}

// findID returns the newest event of an id.
func (a *api) findID(ctx context.Context, id, source string) (spool.Record, error) {
	rec, err := a.first(ctx, spool.Query{ID: id, Source: source})
	if err != nil || source != "" {
		return rec, err
	}
	sources := map[string]bool{}
	for k := range a.known(ctx) {
		sources[k.Source] = true
	}
	delete(sources, rec.Event.Source)
	for _, other := range slices.Sorted(maps.Keys(sources)) {
		// One page: an id of long ago is not worth a walk through the log.
		if p, err := a.Store.Records(ctx, spool.Query{ID: id, Source: other, Limit: 1}); err == nil && len(p.Records) > 0 {
			return spool.Record{}, &Error{http.StatusConflict, fmt.Sprintf("sources %s and %s each have an event %s: say which source", rec.Event.Source, other, id)}
		}
	}
	return rec, nil
}

func (a *api) event(r *request) (any, error) { return a.whole(r, a.findEvent) }

// whole answers with all that is kept of one record.
func (a *api) whole(r *request, find func(*request) (spool.Record, error)) (any, error) {
	reveal, err := r.reveal()
	if err != nil {
		return nil, err
	}
	rec, err := find(r)
	if err != nil {
		return nil, err
	}
	if reveal {
		a.auditReveal(r, rec)
	}
	e := viewWhole(rec, reveal)
	e.markParked(a.served(r.Context()))
	return e, nil
}

// raw answers with a body as it came. It holds phone numbers, so the caller must be
// trusted.
func (a *api) raw(find func(*request) (spool.Record, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, hr *http.Request) {
		r := a.request(hr)
		rec, err := spool.Record{}, r.needTrust()
		if err == nil {
			rec, err = find(r)
		}
		if err != nil {
			writeError(w, err)
			return
		}
		a.auditReveal(r, rec)
		h := w.Header()
		// A browser must not show it as a page of this address.
		h.Set("Content-Type", "application/octet-stream")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		_, _ = w.Write(rec.Event.Request.Body)
	}
}

// Logs are attempts in the shape of the platform's own log call.
type Logs struct {
	Data []platform.LogEntry `json:"data"`
	Next int64               `json:"next,omitempty"`
}

func (a *api) logs(r *request) (any, error) {
	rec, err := a.findEvent(r)
	if err != nil {
		return nil, err
	}
	return Logs{Data: append([]platform.LogEntry{}, entries(rec)...)}, nil
}

// allLogs answers with the attempts of a page of events.
func (a *api) allLogs(r *request) (any, error) {
	v, err := a.list(r, OfEvents, logWords)
	if err != nil {
		return nil, err
	}
	page := v.(Page)
	l := Logs{Data: []platform.LogEntry{}, Next: page.Next}
	for _, e := range page.Events {
		rec, err := a.first(r.Context(), spool.Query{Seq: e.Number})
		if err != nil {
			continue // It has left the log since.
		}
		l.Data = append(l.Data, entries(rec)...)
	}
	return l, nil
}

// entries returns the attempts of an event, over all its routes.
func entries(rec spool.Record) (logs []platform.LogEntry) {
	for _, d := range rec.Deliveries {
		for i, at := range d.Log {
			e := platform.LogEntry{
				EventID: rec.Event.ID, EventType: rec.Event.Type, Attempt: at.N, AttemptedAt: at.Start,
				DurationMS: at.Took.Milliseconds(), ResponseStatus: at.Status, Error: at.Error, Status: platform.LogRetrying,
			}
			if at.Status >= 200 && at.Status < 300 && at.Error == "" {
				e.Status = platform.LogDelivered
			} else if i == len(d.Log)-1 {
				switch d.State {
				case spool.Dead, spool.Discarded:
					e.Status = platform.LogFailed
				default:
					e.NextAttemptAt = d.Due
				}
			}
			logs = append(logs, e)
		}
	}
	return logs
}
