package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// maxPage is the largest number of records on a page.
const maxPage = 1000

// Records implements spool.Store. A page may be shorter than its limit, and
// even empty, and still have a Next: no read looks at more than a few
// thousand rows.
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
	defer s.leave()
	var page spool.Page
	err := s.logs.read(ctx, func(c *conn) (err error) {
		l := &listing{s: s, c: c, q: q}
		defer l.shut()
		page, err = l.page(ctx)
		return err
	})
	if err != nil {
		return spool.Page{}, fmt.Errorf("reading records: %w", err)
	}
	return page, nil
}

// listing reads one page of records. It belongs to the call that made it.
type listing struct {
	s *Store
	c *conn
	q spool.Query

	// known are the numbers of the events that the table of ids has for the id asked for,
	// newest first. They are served before the walk begins.
	known []int64

	// event reads an event, of its deliveries.
	event, of *stmt
	// open are the statements to close at the end.
	open []*stmt
}

// prepare prepares a statement that shut closes.
func (l *listing) prepare(sql string) *stmt {
	st := l.c.prepare(sql)
	if l.c.err == nil {
		l.open = append(l.open, st)
	}
	return st
}

// shut closes the statements, and leaves the connection without an error for the next call.
func (l *listing) shut() {
	for _, st := range l.open {
		st.Close()
	}
	l.c.err = nil
}

const (
	// maxScan is how many rows are looked at for a page: a query that finds nothing
	// must not keep a read transaction open while it walks through the whole store.
	maxScan = 5000
	// maxPageBytes is how many bytes of bodies a page holds before it ends.
	maxPageBytes = 16 << 20
)

// page reads candidates until the page is full or enough rows were looked at. Then Next
// says where to go on, also where nothing was found so far.
func (l *listing) page(ctx context.Context) (spool.Page, error) {
	if l.q.Seq != 0 {
		if l.q.Seq >= l.q.Cursor {
			return spool.Page{}, nil
		}
		l.q.Cursor = l.q.Seq + 1
	}
	if l.q.Kind == spool.Quarantined {
		return l.quarantined(ctx)
	}
	l.event = l.prepare(`SELECT source, id, type, head, body FROM events WHERE seq=?`)
	l.of = l.prepare(`SELECT number, route, state, due, attempts, replay, ended, reason, log
		FROM deliveries WHERE number BETWEEN ? AND ? ORDER BY number`)
	heads := l.prepare(`SELECT seq, source, id, type, head FROM events WHERE seq<? ORDER BY seq DESC LIMIT ?`)
	if l.c.err != nil {
		return spool.Page{}, l.c.err
	}
	var err error
	if l.known, err = l.byID(); err != nil {
		return spool.Page{}, err
	}
	var page spool.Page
	size, before := 0, l.q.Cursor
	for scanned := 0; scanned < maxScan; {
		found, n, err := l.candidates(heads, &before)
		if err != nil || n == 0 || l.q.Seq != 0 && (len(found) == 0 || found[0] != l.q.Seq) {
			return page, err
		}
		if l.q.Seq != 0 {
			found = found[:1]
		}
		scanned += n
		for _, seq := range found {
			rec, ok, err := l.record(seq)
			if err != nil {
				return page, err
			}
			if !ok {
				continue
			}
			page.Records = append(page.Records, rec)
			size += len(rec.Event.Request.Body)
			if len(page.Records) == l.q.Limit || size > maxPageBytes {
				page.Next = seq
				return page, nil
			}
		}
		if err := ctx.Err(); err != nil {
			return page, err
		}
		if l.q.Seq != 0 {
			return page, nil
		}
	}
	page.Next = before
	return page, nil
}

// candidates returns the numbers of the next events that may match, newest first, by
// what stands in an index or beside the body, and how many rows that took. before is
// the number that the walk has come to, which goes down. Each way to find them is for a
// query that it can serve without a walk through all events.
func (l *listing) candidates(heads *stmt, before *int64) ([]int64, int, error) {
	if indexesOf(&l.q) != nil {
		return l.byState(before)
	}
	if len(l.q.Contains) > 0 {
		return l.containing(before)
	}
	if known := l.known; len(known) > 0 {
		l.known, *before = nil, known[len(known)-1]
		return known, len(known), nil
	}
	var found []int64
	n := 0
	h := heads.int(*before).int(l.heads())
	err := h.each(func() error {
		n++
		*before = h.ColumnInt64(0)
		var e spool.Event
		if _, bad := record.DecodeHead(h.ColumnRawBlob(4), &e); bad != nil {
			found = append(found, *before) // A damaged one is shown to every query.
			return nil                     //nolint:nilerr // The record reports it.
		}
		e.Source, e.ID, e.Type = l.s.view.sourceName(h.ColumnInt64(1)), h.ColumnText(2), h.ColumnText(3)
		if l.matches(&e) {
			found = append(found, *before)
		}
		return nil
	})
	return found, n, err
}

// heads returns how many events are looked at in one go.
func (l *listing) heads() int64 {
	if l.q.Seq != 0 {
		return 1
	}
	return 500
}

// matches reports whether an event is one that the query selects, as far as its head says.
func (l *listing) matches(e *spool.Event) bool {
	q := &l.q
	return (q.Seq == 0 || q.Seq == e.Seq || e.Seq == 0) && (q.Source == "" || q.Source == e.Source) && (q.ID == "" || q.ID == e.ID) &&
		q.WantsType(e.Type) && (q.Since.IsZero() || !e.Received.Before(q.Since)) &&
		(q.Until.IsZero() || e.Received.Before(q.Until))
}

// stateIndexes say in which partial indexes the deliveries of a state are. What has
// ended well is in none, and is found by the walk.
var stateIndexes = map[spool.State][]string{
	spool.Available: {
		`INDEXED BY fresh WHERE route=?1 AND state=1`,
		`INDEXED BY inorder WHERE route=?1 AND state IN (3, 6)`,
		`INDEXED BY waits WHERE route=?1 AND state=8`,
	},
	spool.Running:  {`INDEXED BY running WHERE state=2 AND ?1`},
	spool.Retrying: {`INDEXED BY inorder WHERE route=?1 AND state IN (3, 6)`},
	spool.Dead:     {`INDEXED BY dead WHERE route=?1 AND state=5`},
}

// indexesOf returns where the deliveries are found that a query asks for by their
// state, nil for nowhere but in their table.
func indexesOf(q *spool.Query) []string {
	if q.Waiting {
		return stateIndexes[spool.Available]
	}
	return stateIndexes[q.State]
}

// byState merges the newest of every route's index. Below the lowest number that all of
// them were read down to, something may be missing: what was found there is left for
// the next call.
func (l *listing) byState(before *int64) ([]int64, int, error) {
	const step = 500
	l.s.view.mu.Lock()
	var ids []int64
	for id, rv := range l.s.view.routes {
		if l.q.Source == "" || rv.state.Key.Source == l.q.Source { // Also a queue whose move is not ended.
			ids = append(ids, id)
		}
	}
	l.s.view.mu.Unlock()
	if l.q.State == spool.Running {
		ids = []int64{1}
	}
	below := int64(never)
	if *before < never>>ordinalBits {
		below = *before << ordinalBits
	}
	seqs := map[int64]bool{}
	floor := int64(0)
	for _, where := range indexesOf(&l.q) {
		st := l.c.prepare(`SELECT number FROM deliveries ` + where + ` AND number<?2 ORDER BY number DESC LIMIT ?3`)
		if l.c.err != nil {
			return nil, 0, l.c.err
		}
		for _, id := range ids {
			n, last := 0, int64(0)
			err := st.int(id).int(below).int(step).each(func() error {
				n++
				last = st.ColumnInt64(0) >> ordinalBits
				seqs[last] = true
				return nil
			})
			if err != nil {
				st.Close()
				return nil, 0, err
			}
			if n == step {
				floor = max(floor, last)
			}
		}
		st.Close()
	}
	return l.cut(seqs, floor, before)
}

// record reads an event with its deliveries, and reports whether it matches. One that
// is damaged matches whatever was asked of the event itself: an operator must not miss
// it.
func (l *listing) record(seq int64) (spool.Record, bool, error) {
	var rec spool.Record
	match := !l.q.OfDeliveries()
	o := l.of.int(seq << ordinalBits).int(seq<<ordinalBits | maxOrdinal)
	err := o.each(func() error {
		d := spool.DeliveryRecord{
			Number: o.ColumnInt64(0), Route: l.s.view.routeName(o.ColumnInt64(1)), State: record.PublicState(o.ColumnInt64(2)),
			Attempts: o.ColumnInt(4), Replay: o.ColumnInt(5), Ended: record.Time(o.ColumnInt64(6)), Reason: o.ColumnText(7),
		}
		if d.Behind = o.ColumnInt64(2) == behind; !d.Behind && (d.State == spool.Available || d.State == spool.Retrying) {
			d.Due = l.s.displayDue(o.ColumnInt64(3))
		}
		var err error
		if d.Log, err = record.DecodeLog(o.ColumnRawBlob(8)); err != nil {
			return fmt.Errorf("delivery %d: %w", d.Number, err)
		}
		match = match || l.q.Wants(l.s.view.routeKey(o.ColumnInt64(1)), d)
		rec.Deliveries = append(rec.Deliveries, d)
		return nil
	})
	if err != nil || l.q.Unrouted && len(rec.Deliveries) > 0 || !match {
		return rec, false, err
	}
	e, err := l.s.event(l.event, seq)
	if errors.Is(err, spool.ErrDamaged) {
		rec.Event, rec.Reason = e, reasonDamaged
		return rec, true, nil
	}
	if err != nil {
		return rec, false, err
	}
	rec.Event = e
	// An index of a state leads here past the search of bodies.
	return rec, l.matches(e) && bytes.Contains(e.Request.Body, l.q.Contains) && (l.q.Match == nil || l.q.Match(e)), nil
}

// quarantined reads a page of quarantine. It is bounded, so it is walked through,
// maxScan entries a page.
func (l *listing) quarantined(ctx context.Context) (spool.Page, error) {
	st := l.prepare(`SELECT number, source, reason, copies, id, type, head, body
		FROM quarantine WHERE number<? ORDER BY number DESC`)
	if l.c.err != nil {
		return spool.Page{}, l.c.err
	}
	var page spool.Page
	size, scanned := 0, 0
	st.int(l.q.Cursor)
	for st.next() {
		e := &spool.Event{Seq: st.ColumnInt64(0), Source: l.s.view.sourceName(st.ColumnInt64(1)), ID: st.ColumnText(4), Type: st.ColumnText(5)}
		_, err := record.DecodeHead(st.ColumnRawBlob(6), e)
		scanned++
		if l.q.Seq != 0 && e.Seq != l.q.Seq {
			break
		}
		e.Request.Body = st.bytes(7)
		if err != nil || l.matches(e) && strings.HasPrefix(st.ColumnText(2), l.q.Reason) && bytes.Contains(e.Request.Body, l.q.Contains) && (l.q.Match == nil || l.q.Match(e)) {
			reason := st.ColumnText(2)
			if record.DecodeWhole(st.ColumnRawBlob(6), e) != nil {
				reason = reasonDamaged
			}
			size += len(e.Request.Body)
			page.Records = append(page.Records, spool.Record{Event: e, Reason: reason, Copies: st.ColumnInt(3)})
		}
		if len(page.Records) == l.q.Limit || size > maxPageBytes || scanned == maxScan {
			page.Next = e.Seq
			break
		}
	}
	return page, st.end()
}

// cut returns what was found down to floor, newest first, and moves before there.
func (l *listing) cut(seqs map[int64]bool, floor int64, before *int64) ([]int64, int, error) {
	found := make([]int64, 0, len(seqs))
	for seq := range seqs {
		if seq >= floor {
			found = append(found, seq)
		}
	}
	slices.SortFunc(found, func(a, b int64) int { return cmp.Compare(b, a) })
	if len(found) > 0 {
		*before = found[len(found)-1]
	}
	return found, len(found), nil
}
