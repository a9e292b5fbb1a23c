package sqlite

import (
	"context"
	"fmt"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// reader is a connection that only reads, in transactions no longer than a
// page of results, so that the log can restart.
type reader struct {
	turn chan struct{} // holds one token when the connection is free
	c    *conn
	seq  *stmt
}

func (r *reader) init() {
	r.turn = make(chan struct{}, 1)
	r.turn <- struct{}{}
}

func (r *reader) open(c *conn) error {
	<-r.turn
	defer func() { r.turn <- struct{}{} }()
	r.c = c
	r.seq = c.prepare(`SELECT source, id, type, head, body FROM events WHERE seq=?`)
	if c.err == nil {
		c.err = c.Exec("PRAGMA query_only=1")
	}
	return c.err
}

func (r *reader) shut() {
	<-r.turn
	defer func() { r.turn <- struct{}{} }()
	_ = r.c.shut()
	r.c = nil
}

// read runs f in one read transaction.
func (r *reader) read(ctx context.Context, f func(*conn) error) (err error) {
	select {
	case <-r.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { r.turn <- struct{}{} }()
	if r.c == nil {
		return spool.ErrUnavailable
	}
	if err := r.c.Exec("BEGIN"); err != nil {
		return fmt.Errorf("%w: %w", spool.ErrUnavailable, err)
	}
	defer func() {
		if e := r.c.Exec("COMMIT"); err == nil && e != nil {
			err = fmt.Errorf("%w: %w", spool.ErrUnavailable, e)
		}
	}()
	return f(r.c)
}

// loadEvents reads the events of leased deliveries beside the writer: they
// cannot go while a delivery of theirs is running.
func (s *Store) loadEvents(ctx context.Context, ds []spool.Delivery) error {
	if len(ds) == 0 {
		return nil
	}
	return s.loads.read(ctx, func(*conn) error {
		for i := range ds {
			e, err := s.event(s.loads.seq, ds[i].Lease.Delivery>>ordinalBits)
			if err != nil {
				return err
			}
			ds[i].Event = e
		}
		return nil
	})
}

func (s *Store) event(q *stmt, seq int64) (*spool.Event, error) {
	if !q.int(seq).next() {
		if err := q.end(); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("event %d is missing", seq)
	}
	e := &spool.Event{Seq: seq, ID: q.ColumnText(1), Type: q.ColumnText(2)}
	e.Source = s.view.sourceName(q.ColumnInt64(0))
	err := decodeHead(q.ColumnRawBlob(3), e)
	e.Request.Body = q.bytes(4)
	if end := q.end(); err == nil {
		err = end
	}
	if err != nil {
		return nil, fmt.Errorf("reading event %d: %w", seq, err)
	}
	return e, nil
}
