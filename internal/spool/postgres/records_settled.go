package postgres

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// horizon is up to which number no event can appear any more: whoever follows the log
// there misses none.
//
// A transaction that stores events has the table's lock before it draws their numbers, and
// gives it back when what it did can be seen. So whoever may yet bring a number up to one
// that was read is among those that have the lock after that. Once they have ended, all
// numbers up to it are decided. Transactions that are not of this table, however long they
// take, hold nothing up.
type horizon struct {
	mu sync.Mutex // guards all below
	// settled is up to where all is decided.
	settled int64
	// seq is decided when those of writers have ended that had the lock then. It is 0 for
	// none that is waited for.
	seq     int64
	writers []string
}

// Transactions under way are waited for as long: a commit usually takes a millisecond.
const (
	settledWithin = 100 * time.Millisecond
	settledPause  = 2 * time.Millisecond
)

const (
	lastNumber = `SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END FROM @.numbers`
	// writersNow are the transactions that have the lock. None has two numbers, and no
	// number is given twice while a server runs.
	writersNow = `SELECT coalesce(array_agg(virtualtransaction), '{}') FROM pg_locks WHERE locktype='relation' AND mode='RowExclusiveLock'
		AND database=(SELECT oid FROM pg_database WHERE datname=current_database()) AND relation='@.events'::regclass`
)

// sees takes over who has the lock now.
func (h *horizon) sees(now []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seq != 0 && !meet(h.writers, now) {
		h.settled, h.seq, h.writers = max(h.settled, h.seq), 0, nil
	}
}

// await notes that seq is decided when those of writers have ended, unless an earlier one
// is waited for already.
func (h *horizon) await(seq int64, writers []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if seq < h.settled { // A crash of the server takes back what was drawn and not used.
		h.settled, h.seq = 0, 0
	}
	switch {
	case len(writers) == 0:
		h.settled = max(h.settled, seq)
	case h.seq == 0:
		h.seq, h.writers = seq, writers
	}
}

// upTo returns up to where all is decided.
func (h *horizon) upTo() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.settled
}

// meet reports whether one of a is in b.
func meet(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool { return slices.Contains(b, x) })
}

// settledUpTo returns the number up to which no event can appear any more. It waits a
// moment for accepts under way, so that what was there before the call is usually in it.
func (s *Store) settledUpTo(ctx context.Context) (int64, error) {
	var seq int64
	var writers []string
	err := s.reads.run(ctx, true, func() *trip {
		t := s.relaxedly()
		t.do(lastNumber).QueryRow(func(row pgx.Row) error { return row.Scan(&seq) })
		t.do(writersNow).QueryRow(func(row pgx.Row) error { return row.Scan(&writers) })
		return t
	})
	if err != nil {
		return 0, err
	}
	s.settled.sees(writers)
	s.settled.await(seq, writers)
	tick := time.NewTicker(settledPause)
	defer tick.Stop()
	for began, now := time.Now(), writers; meet(writers, now) && time.Since(began) < settledWithin; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		err := s.reads.run(ctx, true, func() *trip {
			t := s.relaxedly()
			t.do(writersNow).QueryRow(func(row pgx.Row) error { return row.Scan(&now) })
			return t
		})
		if err != nil {
			return 0, err
		}
		if s.settled.sees(now); !meet(writers, now) {
			s.settled.await(seq, nil)
		}
	}
	return s.settled.upTo(), nil
}
