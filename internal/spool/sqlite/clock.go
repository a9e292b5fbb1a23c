package sqlite

import (
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// A store goes by two times, of which DESIGN.md says more. now never runs backwards: by it
// retries are due and leases end. age is the time that processes have seen pass: by it
// things are old enough to go, and no clock that was wrong adds to it.

// newestPrefix and a source's number are the name, in meta, of the newest created_at that
// the source has accepted.
const newestPrefix = "newest."

// longAhead bounds how far ahead a created_at counts, so that sums of two times stay
// within 63 bits.
const longAhead = 100 * 365 * 24 * time.Hour

// stale returns why an event of an unknown id is not fresh, or nothing. It fails where that
// cannot be judged, because neither the machine nor the store knows the time.
func (w *writer) stale(src *source, created time.Time) (string, error) {
	f := spool.Freshness{Clock: w.clock, Window: w.s.settings.Load().Window, Newest: record.Time(src.newest)}
	if src.watermark != math.MinInt64 {
		f.Forgotten = record.Time(src.watermark)
	}
	return f.Stale(created)
}

// noteCreated records the created_at of an accepted event as evidence of the present time:
// the platform has signed it. One that was accepted by the operator's word though it was
// stale says nothing of the time.
func (src *source) noteCreated(w *writer, a *intake) {
	created := record.Nanos(a.Event.CreatedAt)
	if created == 0 || a.DeliverStale {
		return
	}
	w.s.evidence.Note(a.Event.CreatedAt, w.clock)
	if created > src.newest {
		src.newest, src.unsaved = created, true
	}
}

// saveTime writes down how far the times have come, with a batch every second at most. It
// may lag after a crash: then a little more is fresh than need be, and ids and events stay
// a little longer. Neither does harm.
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

// firstAge returns where age begins in a store that has none yet, which is new or of a
// former version: not behind the ages that its rows have. last is the last time
// persisted.
func (w *writer) firstAge(last int64) (int64, error) {
	event, err1 := w.c.one(`SELECT coalesce((SELECT at FROM events ORDER BY seq DESC LIMIT 1), 0)`)
	entry, err2 := w.c.one(`SELECT coalesce((SELECT at FROM quarantine ORDER BY number DESC LIMIT 1), 0)`)
	if age := max(event, entry); age != 0 {
		return age, errors.Join(err1, err2)
	}
	return max(last, w.s.machineNow().UnixNano()), errors.Join(err1, err2)
}

// wall returns the time to show to people, in nanoseconds.
func (w *writer) wall() int64 { return record.Nanos(w.clock.Wall()) }

// hasUnsavedTime reports whether the store would lose times with this process that are
// worth a commit at its end.
func (w *writer) hasUnsavedTime() bool {
	w.readClock()
	for _, src := range w.sources {
		if src.unsaved {
			return true
		}
	}
	return w.age-w.savedAge > int64(saveEvery)
}

// readClock reads the clock for a batch. All its requests go by one reading.
func (w *writer) readClock() {
	w.clock = w.s.clock.Read()
	w.now, w.age = w.clock.Now.UnixNano(), w.ageBase+int64(w.clock.Passed)
}
