package spool

import (
	"context"
	"time"
)

// Count is how many records a query selects.
type Count struct {
	N int64
	// Partial reports that the counting ended early: there are N, or more.
	Partial bool
}

// Counter is implemented by engines that count faster than by reading every record.
type Counter interface {
	// Count counts what a query selects, whatever its Cursor and Limit, newest first.
	// It ends soon after within, with what it has by then; 0 is no bound. What comes
	// or goes meanwhile may be counted or not.
	Count(ctx context.Context, q Query, within time.Duration) (Count, error)
}

// CountRecords counts as Counter.Count does. A log that is no Counter is read page by
// page.
func CountRecords(ctx context.Context, l Log, q Query, within time.Duration) (Count, error) {
	if c, ok := l.(Counter); ok {
		return c.Count(ctx, q, within)
	}
	return CountPages(ctx, l, q, within)
}

// CountPages counts as Counter.Count does, by reading every record. It is for engines
// too: of a query that nothing but the records can answer.
func CountPages(ctx context.Context, l Log, q Query, within time.Duration) (n Count, err error) {
	began := time.Now()
	for q.Cursor, q.Limit = 0, 0; ; {
		page, err := l.Records(ctx, q)
		if err != nil {
			return n, err
		}
		n.N += int64(len(page.Records))
		if q.Cursor = page.Next; q.Cursor == 0 {
			return n, nil
		}
		if within > 0 && time.Since(began) >= within {
			n.Partial = true
			return n, nil
		}
	}
}
