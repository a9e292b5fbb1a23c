package sqlite

import (
	"encoding/binary"
	"math"
)

// Ids are forgotten by age, so what is to be forgotten when is kept beside
// them: one row for those of a batch that share a second, appended and read
// in order of time. An index on the ids would double the random writes.
type bucketKey struct {
	source int64
	second int64
}

const bucketBits = 30

// remember notes when the id of an accepted event may go.
func (w *writer) remember(src *source, a *intake) {
	base, created := w.age, nanos(a.Event.CreatedAt)
	if created != 0 {
		// A window from created_at on, where that lies ahead. However far that is:
		// below the watermark that it leaves behind nothing would be fresh before.
		base += min(max(0, created-nanos(w.clock.Wall())), dur(longAhead))
	}
	k := bucketKey{src.id, base/1e9 + 1}
	b := w.buckets[k]
	b = binary.AppendVarint(b, created)
	w.buckets[k] = putString(b, a.Event.ID)
}

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

// forgetIDs removes the ids of one bucket. From then on nothing of its source
// that was created up to the newest of them is fresh.
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
	if young, err := w.anyRecent(id, ids); young || err != nil {
		if err != nil {
			return false, err
		}
		return true, w.mergeStep(mergeStep)
	}
	mark := int64(math.MinInt64)
	for d := (decoder{b: ids}); len(d.b) > 0; {
		if created := d.int(); created != 0 {
			mark = max(mark, created)
		}
		name := d.string()
		if d.bad {
			return false, errEncoding
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

// anyRecent says whether one of a bucket's ids is young. It would come back at
// the next start.
func (w *writer) anyRecent(source int64, ids []byte) (bool, error) {
	for d := (decoder{b: ids}); len(d.b) > 0; {
		d.int()
		id := d.string()
		if d.bad {
			return false, errEncoding
		}
		if _, young := w.recent.find(idKey{source, id}); young {
			return true, nil
		}
	}
	return false, nil
}
