package control

import (
	"context"
	"slices"
	"sync"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// maxEndings is how many endings a stream remembers between two looks: those of a route
// that catches up are not worth more.
const maxEndings = 1000

// endings are events of which a delivery has ended. The zero value has none.
type endings struct {
	mu  sync.Mutex
	seq map[int64]bool // guarded by mu
}

// add notes one.
func (e *endings) add(seq int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.seq == nil {
		e.seq = map[int64]bool{}
	}
	if len(e.seq) < maxEndings {
		e.seq[seq] = true
	}
}

// take returns those that were noted, in their order, and forgets them.
func (e *endings) take() (all []int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for seq := range e.seq {
		all = append(all, seq)
	}
	clear(e.seq)
	slices.Sort(all)
	return all
}

// openMost is of how many events a stream looks itself whether a delivery has ended.
const openMost = 200

// watch remembers an event that was sent, if one of its deliveries has not ended.
func (f *feed) watch(rec spool.Record) {
	n := endedOf(rec)
	if f.open == nil || n == len(rec.Deliveries) {
		return
	}
	f.open[rec.Event.Seq] = n
	if len(f.open) > openMost {
		oldest := rec.Event.Seq
		for seq := range f.open {
			oldest = min(oldest, seq)
		}
		delete(f.open, oldest)
	}
}

// endedOf returns how many deliveries of an event have ended.
func endedOf(rec spool.Record) (n int) {
	for _, d := range rec.Deliveries {
		if finished(d.State) {
			n++
		}
	}
	return n
}

// sendOpen sends the open events of which a delivery has ended since they were sent. It
// reads one page of the newest.
func (f *feed) sendOpen(ctx context.Context) error {
	if len(f.open) == 0 {
		return nil
	}
	q := f.query
	q.Cursor, q.Limit = f.after+1, openMost
	page, err := f.a.Store.Records(ctx, q)
	if err != nil {
		return err
	}
	served := f.a.served(ctx)
	for _, rec := range slices.Backward(page.Records) {
		before, open := f.open[rec.Event.Seq]
		now := endedOf(rec)
		if !open || now <= before {
			continue
		}
		f.sendRecord(StreamEnded, rec, served)
		delete(f.open, rec.Event.Seq)
		f.watch(rec)
	}
	return nil
}
