package sqlite

import (
	"context"
	"errors"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// entryOverhead is about how many bytes an entry takes beside its body and head.
const entryOverhead = 256

// Quarantine implements spool.Store.
func (s *Store) Quarantine(ctx context.Context, o spool.Odd) error {
	if o.Event == nil {
		return errors.New("quarantining: no event")
	}
	received := o.Event.Received
	if received.IsZero() {
		received = s.clock.Read().Wall()
	}
	head := record.EncodeHead(o.Event, received)
	return s.do(ctx, true, len(head)+len(o.Event.Request.Body), func(w *writer) error {
		src, err := w.source(o.Event.Source)
		if err != nil {
			return err
		}
		if _, released, err := w.released(src, o.Event, o.Reason); err != nil {
			return err
		} else if released {
			return refuse(spool.ErrReleased)
		}
		return w.quarantine(src, o.Event, head, o.Reason)
	})
}

// released returns the number of the event that a body has become since an operator
// released it, and whether it has. The event's id leads to it: ReleaseID makes the
// same one of the same body.
func (w *writer) released(src *source, e *spool.Event, reason string) (seq int64, ok bool, err error) {
	v, ok, err := w.findID(idKey{src.id, spool.ReleaseID(e, reason)})
	return v.seq, ok && v.digest == e.Digest, err
}

// quarantine keeps a body once, and counts it after that. Odd bodies have a tenth of
// the store at most, so that whoever sends nonsense with a valid signature cannot
// keep events out.
func (w *writer) quarantine(src *source, e *spool.Event, head []byte, reason string) error {
	n, err := w.oddEntry(src, e.Digest)
	if err != nil {
		return err
	}
	if n != 0 {
		return w.q.copyOdd.int(n).exec()
	}
	size := int64(len(head) + len(e.Request.Body) + entryOverhead)
	if w.oddBytes+size > w.s.settings.Load().MaxSize/10 || w.s.space.refuses() {
		return refuse(spool.ErrQuarantineFull)
	}
	w.seq++
	w.oddBytes += size
	w.oddEntries++
	return w.q.odd.int(w.seq).int(w.age).int(src.id).text(reason).int(size).blob(e.Digest[:]).
		text(e.ID).text(e.Type).blob(head).blob(e.Request.Body).exec()
}

// oddEntry returns the number of the entry with the same source and body, or 0.
func (w *writer) oddEntry(src *source, d spool.Digest) (int64, error) {
	n := int64(0)
	if w.q.findOdd.int(src.id).blob(d[:]).next() {
		n = w.q.findOdd.ColumnInt64(0)
	}
	return n, w.q.findOdd.end()
}

// removeReleased removes the entry that an accept releases, in the same transaction.
func (w *writer) removeReleased(src *source, number int64) error {
	size := int64(-1)
	if w.q.oddSize.int(number).int(src.id).next() {
		size = w.q.oddSize.ColumnInt64(0)
	}
	if err := w.q.oddSize.end(); err != nil {
		return err
	}
	if size < 0 {
		return refuse(spool.ErrNotFound)
	}
	return w.dropOdd(number, size)
}

// dropOdd removes an entry. Its number may be the largest, and then only floor keeps
// it from being given again.
func (w *writer) dropOdd(number, size int64) error {
	w.oddBytes -= size
	w.oddEntries--
	if err := w.saveFloor(); err != nil {
		return err
	}
	return w.q.dropOdd.int(number).exec()
}

// saveFloor keeps numbers from being given again once the rows that hold the largest
// are gone. It belongs to the transaction that removes them: a start takes the largest
// number of all rows and floor for the last one given.
func (w *writer) saveFloor() error {
	if w.floor == w.seq {
		return nil
	}
	w.floor = w.seq
	return w.setMeta("floor", w.floor)
}
