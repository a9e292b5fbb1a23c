package sqlite

import (
	"encoding/binary"
	"math"

	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// Ids are forgotten by age, so which are to be forgotten when is kept beside them: one row
// for those of a batch that share a second, appended, and read in order of time. An index
// by time on the table of ids would double its random writes.

// bucketKey is what the ids of one bucket share: the source, and the second (of age) from
// which a window is counted.
type bucketKey struct {
	source int64
	second int64
}

// bucketBits are the lower bits of a bucket's number, which tell those of one second apart.
const bucketBits = 30

// remember records from when on the id of an accepted event may go: a window after the
// later one of its receipt and its created_at.
func (w *writer) remember(src *source, a *intake) {
	base, created := w.age, record.Nanos(a.Event.CreatedAt)
	if created != 0 {
		// However far created_at lies ahead. Forgotten earlier, it would leave a
		// watermark in the future, below which no new event would be fresh.
		base += min(max(0, created-record.Nanos(w.clock.Wall())), dur(longAhead))
	}
	k := bucketKey{src.id, base/1e9 + 1}
	b := w.buckets[k]
	b = binary.AppendVarint(b, created)
	w.buckets[k] = record.PutString(b, a.Event.ID)
}

// flushBuckets writes the batch's buckets, in the transaction that accepts their events.
func (w *writer) flushBuckets() error {
	// Each bucket has an accepted event of this batch, so these are numbers that
	// no other batch has used.
	n := w.seq
	for k, b := range w.buckets {
		key := k.second<<bucketBits | n&(1<<bucketBits-1)
		n--
		if err := w.q.bucket.int(key).int(k.source).blob(b).exec(); err != nil {
			return err
		}
	}
	clear(w.buckets)
	return nil
}

// forgetIDs removes the ids of one bucket, and reports whether it did anything. The same
// commit raises the watermark of their source to the newest created_at among them: nothing
// up to it is fresh from then on, so that no forgotten id can be accepted again, whatever
// clocks and settings say. Where one of them is still recent it goes on with the merge
// instead, and the bucket waits for the next step.
func (w *writer) forgetIDs() (bool, error) {
	before := (w.age - dur(w.s.settings.Load().Window)) / 1e9
	q := w.q.oldBuckets.int(before << bucketBits)
	if !q.next() {
		return false, q.end()
	}
	key, id, ids := q.ColumnInt64(0), q.ColumnInt64(1), q.bytes(2)
	if err := q.end(); err != nil {
		return false, err
	}
	if recent, err := w.anyRecent(id, ids); recent || err != nil {
		if err != nil {
			return false, err
		}
		return true, w.mergeStep(mergeStep)
	}
	mark := int64(math.MinInt64)
	for d := (record.Decoder{B: ids}); len(d.B) > 0; {
		if created := d.Int(); created != 0 {
			mark = max(mark, created)
		}
		name := d.String()
		if d.Bad {
			return false, record.ErrDamaged
		}
		if err := w.q.forget.int(id).text(name).exec(); err != nil {
			return false, err
		}
	}
	for _, src := range w.sources {
		if src.id == id && mark > src.watermark {
			src.watermark = mark
			if err := w.q.watermark.int(id).int(mark).exec(); err != nil {
				return false, err
			}
		}
	}
	return true, w.q.dropBucket.int(key).exec()
}

// anyRecent reports whether one of a bucket's ids is recent. Forgotten now, it would be
// read back from its event at the next start.
func (w *writer) anyRecent(source int64, ids []byte) (bool, error) {
	for d := (record.Decoder{B: ids}); len(d.B) > 0; {
		d.Int()
		id := d.String()
		if d.Bad {
			return false, record.ErrDamaged
		}
		if _, recent := w.recent.find(idKey{source, id}); recent {
			return true, nil
		}
	}
	return false, nil
}
