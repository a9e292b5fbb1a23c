package memstore

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/inboxgate/inboxgate/internal/spool"
)

const maxPage = 1000

func (s *store) Records(ctx context.Context, q spool.Query) (spool.Page, error) {
	return do(ctx, s, func() (p spool.Page, err error) {
		err = s.update(true, func(tx *tx) error {
			p = tx.records(q)
			return nil
		})
		return p, err
	})
}

func (tx *tx) records(q spool.Query) (p spool.Page) {
	var found []spool.Record
	if q.Kind == spool.Quarantined {
		for _, o := range tx.im.odd {
			if asked(q, o.event) && askedBody(q, o.event) && strings.HasPrefix(o.reason, q.Reason) {
				found = append(found, spool.Record{Event: o.event, Reason: o.reason, Copies: o.copies})
			}
		}
	} else {
		for seq, ev := range tx.im.events {
			if asked(q, ev) && askedBody(q, ev) && !tx.hidden(seq, q.Settled) {
				if r := (spool.Record{Event: ev, Deliveries: tx.deliveries(seq)}); askedDeliveries(q, r) {
					found = append(found, r)
				}
			}
		}
	}
	slices.SortFunc(found, func(a, b spool.Record) int { return cmp.Compare(b.Event.Seq, a.Event.Seq) })
	limit := q.Limit
	if limit <= 0 || limit > maxPage {
		limit = maxPage
	}
	if len(found) > limit {
		found = found[:limit]
		p.Next = found[limit-1].Event.Seq
	}
	p.Records = found
	return p
}

// asked reports whether a query selects an event, as far as the event says.
func asked(q spool.Query, ev *spool.Event) bool {
	return (q.Seq == 0 || q.Seq == ev.Seq) &&
		(q.Source == "" || q.Source == ev.Source) &&
		(q.ID == "" || q.ID == ev.ID) &&
		q.WantsType(ev.Type) &&
		(q.Since.IsZero() || !ev.Received.Before(q.Since)) &&
		(q.Until.IsZero() || ev.Received.Before(q.Until)) &&
		(q.Cursor == 0 || ev.Seq < q.Cursor)
}

func askedBody(q spool.Query, ev *spool.Event) bool {
	return bytes.Contains(ev.Request.Body, q.Contains) && (q.Match == nil || q.Match(ev))
}

func askedDeliveries(q spool.Query, r spool.Record) bool {
	if q.Unrouted && len(r.Deliveries) > 0 {
		return false
	}
	return !q.OfDeliveries() || slices.ContainsFunc(r.Deliveries, func(d spool.DeliveryRecord) bool {
		return q.Wants(spool.RouteKey{Source: r.Event.Source, Route: d.Route}, d)
	})
}

func (tx *tx) deliveries(seq int64) (found []spool.DeliveryRecord) {
	for _, d := range tx.im.deliveries {
		if d.seq != seq {
			continue
		}
		r := spool.DeliveryRecord{
			Number: d.number, Route: tx.im.queues[d.queue].key.Route, State: d.state,
			Attempts: d.attempts, Replay: d.replay, Ended: d.ended, Reason: d.reason, Log: d.log,
		}
		if r.Behind = d.behind; d.waiting(tx.now) && d.state != spool.Running {
			r.Due = d.due
		}
		found = append(found, r)
	}
	slices.SortFunc(found, func(a, b spool.DeliveryRecord) int { return cmp.Compare(a.Number, b.Number) })
	return found
}
