package sqlite

import (
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
