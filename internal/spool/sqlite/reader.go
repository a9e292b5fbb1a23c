package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// reader is a connection that only reads, beside the writer. Its transactions are no
// longer than a page of results, so that the log can begin again between them.
type reader struct {
	// turn holds one token when the connection is free. It is a channel so that a caller
	// whose context ends does not wait for it.
	turn chan struct{}
	// c is the connection, nil while the store is closed or being reopened. Like seq it
	// belongs to the holder of the token.
	c *conn
	// seq reads one event by its number.
	seq *stmt
}

func (r *reader) init() {
	r.turn = make(chan struct{}, 1)
	r.turn <- struct{}{}
}

// open hands over the connection of an opening.
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

// shut closes the connection, once no call reads by it.
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

// loadEvents reads the events of leased deliveries beside the writer. They cannot go
// meanwhile: retention leaves an event alone while a delivery of it is running. A
// damaged one stays nil.
func (s *Store) loadEvents(ctx context.Context, ds []spool.Delivery) error {
	if len(ds) == 0 {
		return nil
	}
	return s.loads.read(ctx, func(*conn) error {
		for i := range ds {
			e, err := s.event(s.loads.seq, ds[i].Lease.Delivery>>ordinalBits)
			switch {
			case err == nil:
				ds[i].Event = e
			case !errors.Is(err, spool.ErrDamaged):
				return err
			}
		}
		return nil
	})
}

// event reads one event by its number. Of a damaged one it returns what could be read,
// with an error that wraps ErrDamaged. q is a statement of the columns that reader.seq
// has.
func (s *Store) event(q *stmt, seq int64) (*spool.Event, error) {
	if !q.int(seq).next() {
		err := q.end()
		switch {
		case err == nil:
			err = errors.New("it is missing")
		case !isDamage(err):
			return nil, err
		}
		return &spool.Event{Seq: seq}, fmt.Errorf("%w: event %d: %w", spool.ErrDamaged, seq, err)
	}
	e := &spool.Event{Seq: seq, ID: q.ColumnText(1), Type: q.ColumnText(2)}
	e.Source = s.view.sourceName(q.ColumnInt64(0))
	e.Request.Body = q.bytes(4)
	err := record.DecodeWhole(q.ColumnRawBlob(3), e)
	if end := q.end(); end != nil {
		err = end
	}
	switch {
	case err == nil:
		return e, nil
	case isDamage(err):
		return e, fmt.Errorf("%w: event %d: %w", spool.ErrDamaged, seq, err)
	}
	return nil, fmt.Errorf("reading event %d: %w", seq, err)
}
