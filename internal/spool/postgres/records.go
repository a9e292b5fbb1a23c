package postgres

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

const (
	// maxPage is the largest number of records on a page.
	maxPage = 1000
	// maxScan is how many rows are looked at for a page, and maxSearch in how many bytes
	// of bodies it is searched, so that a query that finds nothing gives others their turn.
	maxScan   = 5000
	maxSearch = 64 << 20
	// maxPageBytes is how many bytes of bodies a page holds before it ends.
	maxPageBytes = 16 << 20
	// scanStep is how many rows are looked at in one transaction. readStep and readBytes
	// bound what is read whole in one.
	scanStep  = 500
	readStep  = 250
	readBytes = 4 << 20
)

// Records implements spool.Store. A page may be shorter than its limit, and even empty,
// and still have a Next: no call looks at more than a few thousand rows. Each step of it
// is a transaction of its own, so that no snapshot is held for long.
func (s *Store) Records(ctx context.Context, q spool.Query) (spool.Page, error) {
	if q.Limit <= 0 || q.Limit > maxPage {
		q.Limit = maxPage
	}
	if q.Cursor <= 0 {
		q.Cursor = never
	}
	if err := s.enter(); err != nil {
		return spool.Page{}, err
	}
	defer s.exit()
	l := &listing{s: s, q: q}
	page, err := l.page(ctx)
	if err != nil {
		return spool.Page{}, fmt.Errorf("reading records: %w", err)
	}
	return page, nil
}

// listing reads one page of records. It belongs to the call that made it.
type listing struct {
	s *Store
	q spool.Query
	// routes are the numbers of the routes asked for, those of merged ones among them.
	routes []int64
	// before is the number that the walk has come to, which goes down.
	before int64
	// known are the numbers of the events that the table of ids has for the id asked for,
	// newest first. They are served before the walk begins.
	known []int64
	// searched are the bytes of bodies that were searched.
	searched int64
	// anew reports that the catalog was read for this page.
	anew bool
}

// row is an event, or an entry of quarantine, without its body.
type row struct {
	number int64
	// event has what the row and the head say. broken reports that the head cannot be
	// read, or that there is no such row.
	event  *spool.Event
	head   []byte
	broken bool
	// size is that of the body in bytes.
	size int64
	// wanted reports that the deliveries are as the query asks.
	wanted bool
	reason string
	copies int
}

// page reads candidates until the page is full or enough rows were looked at. Then Next
// says where to go on, also where nothing was found so far.
func (l *listing) page(ctx context.Context) (spool.Page, error) {
	var page spool.Page
	if l.q.Seq != 0 {
		if l.q.Seq >= l.q.Cursor {
			return page, nil
		}
		l.q.Cursor = l.q.Seq + 1
	}
	l.before = l.q.Cursor
	if err := l.begin(ctx); err != nil || l.before <= 1 {
		return page, err
	}
	size := 0
	for scanned := 0; scanned < maxScan && l.searched < maxSearch; {
		found, n, err := l.next(ctx)
		if err != nil || n == 0 {
			return page, err
		}
		scanned += n
		for len(found) > 0 {
			some := chunk(found, l.q.Limit-len(page.Records))
			found = found[len(some):]
			records, err := l.read(ctx, some)
			if err != nil {
				return page, err
			}
			for _, rec := range records {
				page.Records = append(page.Records, rec)
				size += len(rec.Event.Request.Body)
				if len(page.Records) == l.q.Limit || size > maxPageBytes {
					page.Next = rec.Event.Seq
					return page, nil
				}
			}
		}
		if err := ctx.Err(); err != nil {
			return page, err
		}
		if l.q.Seq != 0 {
			return page, nil
		}
	}
	page.Next = l.before
	return page, nil
}

// begin finds out what a page needs to know before its first row.
func (l *listing) begin(ctx context.Context) error {
	if l.q.Kind == spool.Quarantined {
		return nil
	}
	if l.q.Settled {
		upTo, err := l.s.settledUpTo(ctx)
		if err != nil {
			return err
		}
		l.before = min(l.before, upTo+1)
	}
	if l.q.Route != "" || indexOf(&l.q) != "" {
		if err := l.s.refresh(ctx); err != nil {
			return err
		}
	}
	l.routes = l.s.catalog.numbers(&l.q)
	return l.findID(ctx)
}

// refresh reads the catalog where another member has changed it since.
func (s *Store) refresh(ctx context.Context) error {
	var change int64
	err := s.reads.run(ctx, true, func() *trip {
		t := s.relaxedly()
		t.do(`SELECT value FROM @.meta WHERE name='change'`).QueryRow(func(row pgx.Row) error { return row.Scan(&change) })
		return t
	})
	if err != nil || !s.catalog.isBehind(change) {
		return err
	}
	return s.load(ctx, s.reads)
}

// readCatalog reads the catalog once a page.
func (l *listing) readCatalog(ctx context.Context) error {
	if l.anew {
		return nil
	}
	l.anew = true
	return l.s.load(ctx, l.s.reads)
}

// numbers returns the numbers of the routes that a query asks for.
func (c *catalog) numbers(q *spool.Query) []int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := []int64{}
	for id, rt := range c.routes {
		if rt != nil && (q.Source == "" || q.Source == rt.key.Source) && (q.Route == "" || q.Route == rt.key.Route) {
			ids = append(ids, id)
		}
	}
	return ids
}

// chunk returns the first rows of all that are read whole in one go: most at most, and
// one at least.
func chunk(all []*row, most int) []*row {
	size := int64(0)
	for i, r := range all {
		if size += r.size; i > 0 && size > readBytes || i == min(readStep, most) {
			return all[:i]
		}
	}
	return all
}

// matches reports whether an event is one that the query selects, as far as its head says.
func (l *listing) matches(e *spool.Event) bool {
	q := &l.q
	return (q.Source == "" || q.Source == e.Source) && (q.ID == "" || q.ID == e.ID) && q.WantsType(e.Type) &&
		(q.Since.IsZero() || !e.Received.Before(q.Since)) && (q.Until.IsZero() || e.Received.Before(q.Until))
}

// completes reports whether an event that was read whole is as the query asks.
func (l *listing) completes(e *spool.Event) bool {
	return bytes.Contains(e.Request.Body, l.q.Contains) && (l.q.Match == nil || l.q.Match(e))
}

// read reads what was found whole, newest first, and leaves out what is not as asked.
func (l *listing) read(ctx context.Context, found []*row) ([]spool.Record, error) {
	if l.q.Kind == spool.Quarantined {
		return l.readOdd(ctx, found)
	}
	numbers := make([]int64, len(found))
	for i, r := range found {
		numbers[i] = r.number
	}
	whole, err := l.readWhole(ctx, numbers)
	if err != nil {
		return nil, err
	}
	var records []spool.Record
	for _, n := range numbers {
		w := whole[n]
		if w == nil || w.head == nil && len(w.numbers) == 0 {
			continue // It has been dropped meanwhile.
		}
		rec, ok, err := l.record(w)
		if err != nil {
			return nil, err
		}
		if ok {
			records = append(records, rec)
		}
	}
	return records, nil
}

// record makes a record of what was read, and reports whether it is as asked. One that is
// damaged is, whatever was asked of the event itself: an operator must not miss it.
func (l *listing) record(w *whole) (rec spool.Record, ok bool, err error) {
	match := !l.q.OfDeliveries()
	for i, number := range w.numbers {
		k := l.s.catalog.key(w.routes[i])
		d := spool.DeliveryRecord{
			Number: number, Route: k.Route, State: record.PublicState(w.states[i]), Attempts: int(w.attempts[i]),
			Replay: int(w.replays[i]), Ended: record.Time(w.ended[i]), Reason: w.reasons[i],
		}
		d.Behind = w.states[i] == behind
		if (d.State == spool.Available || d.State == spool.Retrying) && !d.Behind {
			d.Due = l.s.clock.display(w.due[i])
		}
		if d.Log, err = record.DecodeLog(w.logs[i]); err != nil {
			return rec, false, fmt.Errorf("delivery %d: %w", number, err)
		}
		match = match || l.q.Wants(k, d)
		rec.Deliveries = append(rec.Deliveries, d)
	}
	if l.q.Unrouted && len(rec.Deliveries) > 0 || !match {
		return rec, false, nil
	}
	e := &spool.Event{Seq: w.seq, ID: w.id, Type: w.typ}
	rec.Event, e.Request.Body = e, w.body
	if w.source != nil {
		e.Source = l.s.catalog.sourceName(*w.source)
	}
	if record.DecodeWhole(w.head, e) != nil {
		rec.Reason = reasonDamaged
		return rec, true, nil //nolint:nilerr // The record reports it.
	}
	return rec, l.matches(e) && l.completes(e), nil
}

// readOdd is read for entries of quarantine.
func (l *listing) readOdd(ctx context.Context, found []*row) ([]spool.Record, error) {
	bodies, err := l.readBodies(ctx, found)
	if err != nil {
		return nil, err
	}
	var records []spool.Record
	for _, r := range found {
		body, ok := bodies[r.number]
		if !ok {
			continue // It has been dropped meanwhile.
		}
		e := r.event
		e.Request.Body = body
		if !r.broken && (!strings.HasPrefix(r.reason, l.q.Reason) || !l.completes(e)) {
			continue
		}
		rec := spool.Record{Event: e, Reason: r.reason, Copies: r.copies}
		if record.DecodeWhole(r.head, e) != nil {
			rec.Reason = reasonDamaged
		}
		records = append(records, rec)
	}
	return records, nil
}
