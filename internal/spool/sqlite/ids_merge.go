package sqlite

import (
	"fmt"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// mergePace is how many ids are merged for one that is accepted. With two, a merge ends
// before the next generation is half full, so memory is bounded, and it costs no pause
// of its own: every batch does a share in proportion to what it has accepted.
const mergePace = 2

// recentIDs are the ids that the table may lack, in memory. They belong to the writer.
type recentIDs struct {
	// gathering gets the ids that are accepted.
	gathering *generation
	// merging is being inserted into the table, nil while none is.
	merging *generation
	// added counts the ids that this batch has accepted.
	added int
}

// find looks an id up in memory.
func (y *recentIDs) find(k idKey) (knownID, bool) {
	v, ok := y.gathering.ids[k]
	if !ok && y.merging != nil {
		v, ok = y.merging.ids[k]
	}
	return v, ok
}

// size returns how many ids are held.
func (y *recentIDs) size() int {
	n := len(y.gathering.ids)
	if y.merging != nil {
		n += len(y.merging.ids)
	}
	return n
}

// findID looks an id up: among the recent ones, then in the table unless the filter rules
// it out. An id may be in both, while a merge is under way or where it had a conflict;
// what they say is the same.
func (w *writer) findID(k idKey) (v knownID, ok bool, err error) {
	if v, ok = w.recent.find(k); ok {
		return v, true, nil
	}
	if w.filter.lacks(k) {
		return v, false, nil
	}
	q := w.q.knownID.int(k.source).text(k.id)
	if ok = q.next(); ok {
		v.seq = q.ColumnInt64(1)
		if n := copy(v.digest[:], q.ColumnRawBlob(0)); n != spool.DigestSize {
			_ = q.end()
			return v, true, record.ErrDamaged
		}
	}
	return v, ok, q.end()
}

// mergeAlong merges a batch's share of ids, in its transaction. Where that fails, memory
// is dropped with it, and the ids are read back from their events.
func (w *writer) mergeAlong() error {
	y := &w.recent
	n := y.added * mergePace
	y.added = 0
	if y.merging == nil && len(y.gathering.ids) >= w.s.o.limits.recent {
		w.beginMerge()
	}
	if n == 0 || y.merging == nil {
		return nil
	}
	return w.mergeSome(n)
}

// beginMerge begins to merge what has gathered. No other merge may be under way: merged
// says "all up to here", so generations are merged in turn.
func (w *writer) beginMerge() {
	w.recent.merging, w.recent.gathering = w.recent.gathering, newGeneration()
	w.recent.merging.begin()
}

// mergeSome inserts the next n ids. One that is in the table already, from a merge that
// was cut short or because of a conflict, stays as it is: its conflicts are counted
// there. With the last id the same commit raises merged. A stop before that leaves some
// ids in both places, and the next start only inserts them again.
func (w *writer) mergeSome(n int) error {
	g := w.recent.merging
	for ; n > 0 && len(g.runs) > 0; n-- {
		k := g.next()
		v, ok := g.ids[k]
		if !ok {
			continue // mergeOne has inserted it, since its event left the store.
		}
		if err := w.claim(k, v); err != nil {
			return err
		}
	}
	if len(g.runs) > 0 {
		return nil
	}
	w.recent.merging, w.merged = nil, g.last
	return w.setMeta("merged", g.last)
}

// claim inserts an id. The filter gets it first, so that a commit that fails can only
// leave too much there.
func (w *writer) claim(k idKey, v knownID) error {
	w.filter.add(k)
	return w.q.claim.int(k.source).text(k.id).blob(v.digest[:]).int(v.seq).exec()
}

// mergeStep merges n ids, and begins a merge where none is under way, for retention: it
// cannot forget an id that is not merged.
func (w *writer) mergeStep(n int) error {
	if w.recent.merging == nil {
		w.beginMerge()
	}
	return w.mergeSome(n)
}

// mergeOne inserts the id of an event that is about to leave the store, in the same
// transaction: without its event it would not be read back. It takes the id out of
// memory, but not its key out of a run, which mergeSome then passes over.
func (w *writer) mergeOne(seq int64) error {
	var k idKey
	q := w.q.eventID.int(seq)
	ok := q.next()
	if ok {
		k = idKey{q.ColumnInt64(0), q.ColumnText(1)}
	}
	if err := q.end(); err != nil || !ok {
		return err
	}
	v, ok := w.recent.find(k)
	if !ok || v.seq != seq {
		return nil
	}
	delete(w.recent.gathering.ids, k)
	if w.recent.merging != nil {
		delete(w.recent.merging.ids, k)
	}
	return w.claim(k, v)
}

// readRecentIDs reads back the ids of all events above merged. After some crashes in a row
// there may be more than memory should hold: then the oldest are merged at once.
func (w *writer) readRecentIDs() error {
	y, lim := &w.recent, w.s.o.limits
	var late error
	err := w.rows(fmt.Sprintf(`SELECT seq, source, id, substr(head, 2, %d) FROM events WHERE seq>%d ORDER BY seq`,
		spool.DigestSize, w.merged), func(q *stmt) error {
		v := knownID{seq: q.ColumnInt64(0)}
		if n := copy(v.digest[:], q.ColumnRawBlob(3)); n != spool.DigestSize {
			return record.ErrDamaged
		}
		y.gathering.add(idKey{q.ColumnInt64(1), q.ColumnText(2)}, v, lim.run)
		if len(y.gathering.ids) < lim.recent {
			return nil
		}
		if y.merging != nil {
			late = w.mergeSome(len(y.merging.ids))
		}
		w.beginMerge()
		return late
	})
	return err
}
