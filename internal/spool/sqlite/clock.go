package sqlite

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// newestPrefix and a source's number are the name, in meta, of the newest
// created_at that the source has accepted.
const newestPrefix = "newest."

// longAhead keeps the sum of two times within 63 bits.
const longAhead = 100 * 365 * 24 * time.Hour

// stale says why an event of an unknown id is not fresh, or nothing.
func (w *writer) stale(src *source, created time.Time) (string, error) {
	f := spool.Freshness{Clock: w.clock, Window: w.s.settings.Load().Window, Newest: timeOf(src.newest)}
	if src.watermark != math.MinInt64 {
		f.Forgotten = timeOf(src.watermark)
	}
	return f.Stale(created)
}

// noteCreated takes note of what the platform has signed in an event that was accepted.
func (src *source) noteCreated(w *writer, a *intake) {
	created := nanos(a.Event.CreatedAt)
	if created == 0 || a.DeliverStale {
		return // By the operator's word, which says nothing of the time.
	}
	w.s.evidence.Note(a.Event.CreatedAt, w.clock)
	if created > src.newest {
		src.newest, src.unsaved = created, true
	}
}

// saveTime writes down how far the time has come. It may lag: then a little
// more is fresh than need be, and ids and events stay a little longer.
func (w *writer) saveTime() error {
	w.savedNow, w.savedAge = w.now, w.age
	for _, src := range w.sources {
		if src.unsaved {
			src.unsaved = false
			if err := w.setMeta(newestPrefix+strconv.FormatInt(src.id, 10), src.newest); err != nil {
				return err
			}
		}
	}
	if err := w.setMeta("passed", w.age); err != nil {
		return err
	}
	return w.setMeta("now", w.now)
}

// firstAge is where the age begins in a store that has none yet: not behind what
// is to be reckoned by it. last is the last time persisted.
func (w *writer) firstAge(last int64) (int64, error) {
	event, err1 := w.c.one(`SELECT coalesce((SELECT at FROM events ORDER BY seq DESC LIMIT 1), 0)`)
	entry, err2 := w.c.one(`SELECT coalesce((SELECT at FROM quarantine ORDER BY number DESC LIMIT 1), 0)`)
	if age := max(event, entry); age != 0 {
		return age, errors.Join(err1, err2)
	}
	return max(last, w.s.machineNow().UnixNano()), errors.Join(err1, err2)
}

// mayExpire: what has waited for too long must have had its chance in this life
// of the process, or an hour of it where its route cannot be tried.
func (w *writer) mayExpire(d storedDelivery) bool {
	return d.fence>>32 == w.epoch || w.age-w.ageBase >= dur(min(w.s.settings.Load().Retention, time.Hour))
}

// wall is the time to show to people.
func (w *writer) wall() int64 { return nanos(w.clock.Wall()) }

// hasUnsavedTime: what the store would forget with this process is worth a commit.
func (w *writer) hasUnsavedTime() bool {
	w.readClock()
	for _, src := range w.sources {
		if src.unsaved {
			return true
		}
	}
	return w.age-w.savedAge > int64(saveEvery)
}

// readClock reads what the clock says for a batch.
func (w *writer) readClock() {
	w.clock = w.s.clock.Read()
	w.now, w.age = w.clock.Now.UnixNano(), w.ageBase+int64(w.clock.Passed)
}

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
