package memstore

import (
	"maps"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// image is the content of a store. Rows are values that are replaced, never
// changed, so that a copy of the maps is a copy of the image.
type image struct {
	now                       time.Time     // the last time that was persisted
	age                       time.Duration // time that has passed, as far as the store has seen it pass
	seq, number, fence, entry int64         // the last numbers given
	identity                  string

	events     map[int64]*spool.Event
	deliveries map[int64]delivery
	ids        map[idKey]idRow
	ages       map[int64]time.Duration // of the store, when an event came
	marks      map[string]time.Time    // source: newest created_at forgotten
	newest     map[string]time.Time    // source: newest created_at accepted
	queues     map[int64]queue
	names      map[spool.RouteKey]int64 // name or former name: queue
	odd        map[int64]oddRow
}

// change is one row written or removed.
type change func(*image)

type idKey struct{ source, id string }

type idRow struct {
	digest    spool.Digest
	created   time.Time
	forget    time.Duration // the age at which it goes
	conflicts int
}

type queue struct {
	key  spool.RouteKey
	hold *spool.Hold
}

type delivery struct {
	number, seq, queue int64
	key                int64 // spool.KeyHash, 0 for none
	behind             bool  // Available, but waits for another one of its key to end
	state              spool.State
	due, until, ended  time.Time
	endedAge           time.Duration
	process            int64 // that leased it last
	fence              int64
	attempts, replay   int
	reason             string
	log                []spool.Attempt
}

type oddRow struct {
	age    time.Duration
	event  *spool.Event
	reason string
	copies int
}

func newImage() *image {
	return &image{
		events: map[int64]*spool.Event{}, deliveries: map[int64]delivery{},
		ids: map[idKey]idRow{}, marks: map[string]time.Time{},
		ages: map[int64]time.Duration{}, newest: map[string]time.Time{},
		queues: map[int64]queue{}, names: map[spool.RouteKey]int64{},
		odd: map[int64]oddRow{},
	}
}

func (im *image) clone() *image {
	c := *im
	c.events, c.deliveries = maps.Clone(im.events), maps.Clone(im.deliveries)
	c.ids, c.marks = maps.Clone(im.ids), maps.Clone(im.marks)
	c.ages, c.newest = maps.Clone(im.ages), maps.Clone(im.newest)
	c.queues, c.names = maps.Clone(im.queues), maps.Clone(im.names)
	c.odd = maps.Clone(im.odd)
	return &c
}

// waiting reports whether the delivery may be leased, now or when it is due. A
// lease that has run out holds nothing.
func (d delivery) waiting(now time.Time) bool {
	switch d.state {
	case spool.Available, spool.Retrying:
		return !d.behind
	case spool.Running:
		return !d.until.After(now)
	}
	return false
}

// dueAt returns when a waiting delivery is due.
func (d delivery) dueAt() time.Time {
	if d.state == spool.Running {
		return d.until
	}
	return d.due
}

func (d delivery) finished() bool { return d.state >= spool.Delivered }

// attempted adds an attempt to the log, of which the newest are kept.
func (d delivery) attempted(a spool.Attempt) delivery {
	if len(a.Response) > spool.MaxResponse {
		a.Response = a.Response[:spool.MaxResponse]
	}
	if !a.Free {
		d.attempts++
	}
	log := append(append([]spool.Attempt(nil), d.log...), a)
	d.log = log[max(0, len(log)-spool.MaxAttempts):]
	return d
}

// cutShort counts an attempt whose dispatcher never reported back, and makes
// the delivery due at once.
func (d delivery) cutShort(now time.Time, why string) delivery {
	d = d.attempted(spool.Attempt{N: d.attempts + 1, Replay: d.replay, Start: now, Error: why})
	d.state, d.due = spool.Retrying, minTime(d.due, now)
	return d
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// A row's share of the store beside its body.
const rowSize = 512

func eventSize(ev *spool.Event) int64 { return rowSize + int64(len(ev.Request.Body)) }

func (im *image) size() int64 {
	n := int64(len(im.ids)) * rowSize / 4
	for _, ev := range im.events {
		n += eventSize(ev)
	}
	return n + im.oddSize()
}

func (im *image) oddSize() (n int64) {
	for _, o := range im.odd {
		n += eventSize(o.event)
	}
	return n
}
