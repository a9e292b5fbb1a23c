package emulator

import (
	"bytes"
	"container/heap"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/inboxgate/inboxgate/internal/platform"
)

var schedule = platform.Schedule()

// maxKept bounds the finished deliveries that State shows.
const maxKept = 100_000

// delivery is one event on its way to one webhook, or one forgery. The emulator's mu
// guards what changes: all from status on, and the body of content.
type delivery struct {
	serial  uint64 // rises with each delivery; orders those due at the same time
	webhook string // id
	job     string // id of the job that made it, empty for none
	content content
	fault   fault

	status   string    // see Sent.Status
	due      time.Time // of the next attempt, by the emulator's clock
	counted  int       // attempts of the schedule so far
	attempts []Attempt // all, extra ones too
	extras   int       // requests beside the schedule that wait or run and need the body
	twinSent bool      // its duplicate was queued
}

// content is what is sent, the same in every attempt.
type content struct {
	eventID, typ string // of the body, empty where it has none
	body         []byte // nil once nothing will be sent any more
	// pad is the number of spaces that follow the body. They are not kept: a megabyte
	// for each of many waiting events would be too much.
	pad    int
	sha256 string // of body and pad, in hex
	size   int    // of body and pad, in bytes
}

func newContent(id, typ string, body []byte, pad int) content {
	c := content{eventID: id, typ: typ, body: body, pad: pad, size: len(body) + pad}
	sum := sha256.Sum256(c.bytes())
	c.sha256 = hex.EncodeToString(sum[:])
	return c
}

// bytes returns the body as it is sent.
func (c content) bytes() []byte {
	if c.pad == 0 {
		return c.body
	}
	return append(slices.Clip(bytes.Clone(c.body)), bytes.Repeat([]byte{' '}, c.pad)...)
}

// turn is one request that a delivery waits to make.
type turn struct {
	d *delivery
	// extra marks a duplicate or a forgery, which the schedule does not count.
	extra bool
}

// endpoint is a webhook and the requests that are ready to go to it. Each has its
// own bound, so that one that hangs does not delay the others. The emulator's mu
// guards it.
type endpoint struct {
	hook    platform.Webhook    // with its secret
	logs    []platform.LogEntry // oldest first
	ready   []turn              // requests to make, in their order
	running int                 // requests under way, at most Options.MaxInFlight
	deleted bool
	paused  bool // nothing is sent, and all that comes waits
}

// add queues a new delivery, due at once. The caller holds mu.
func (e *Emulator) add(h *endpoint, d *delivery) {
	e.serial++
	d.serial, d.webhook, d.due = e.serial, h.hook.ID, e.now()
	r := e.round
	e.keep(d)
	if d.fault.forged() {
		d.status = Forged
		e.extra(h, d, false)
	} else {
		d.status = Waiting
		r.counts.Deliveries++
		r.counts.Pending++
		h.ready = append(h.ready, turn{d: d})
	}
	e.touch()
	e.pump(h)
}

// extra queues a request beside the schedule: in front where first is set, else
// behind what waits. The caller holds mu.
func (e *Emulator) extra(h *endpoint, d *delivery, first bool) {
	d.extras++
	e.round.extras++
	t := turn{d: d, extra: true}
	if first {
		h.ready = slices.Insert(h.ready, 0, t)
		return
	}
	h.ready = append(h.ready, t)
}

// keep adds a delivery to those that State shows, and drops the oldest finished
// ones beyond maxKept. The caller holds mu.
func (e *Emulator) keep(d *delivery) {
	r := e.round
	r.sent = append(r.sent, d)
	if len(r.sent) <= maxKept+maxKept/10+r.counts.Pending {
		return
	}
	spare := len(r.sent) - maxKept - r.counts.Pending
	r.sent = slices.DeleteFunc(r.sent, func(d *delivery) bool {
		if spare <= 0 || d.status == Waiting || d.extras > 0 {
			return false
		}
		spare--
		r.counts.Forgotten++
		return true
	})
}

// pump starts as many requests as the endpoint may have under way. The caller holds
// mu.
func (e *Emulator) pump(h *endpoint) {
	for e.started && !e.closed && !h.paused && h.running < e.opts.MaxInFlight && len(h.ready) > 0 {
		t := h.ready[0]
		h.ready = h.ready[1:]
		if !t.extra && t.d.status != Waiting {
			continue // cancelled
		}
		if !t.extra && t.d.counted == 0 && t.d.fault.Twin == twinOverlap && !t.d.twinSent {
			t.d.twinSent = true
			e.extra(h, t.d, true)
		}
		h.running++
		e.inFlight++
		r, req := e.round, e.prepare(h, t)
		e.wg.Go(func() { e.settle(r, h, t, e.attempt(r.ctx, req)) })
	}
}

// settle records the outcome of a request, and starts the next.
func (e *Emulator) settle(r *round, h *endpoint, t turn, o outcome) {
	e.mu.Lock()
	defer e.mu.Unlock()
	defer e.changed.Broadcast()
	h.running--
	e.inFlight--
	if r != e.round || e.closed && o.ended {
		e.pump(h)
		return
	}
	d := t.d
	a := Attempt{At: stamp(o.at.Add(o.ahead)), DurationMS: o.took.Milliseconds(), Status: o.status, Error: o.problem, Result: o.result}
	if t.extra {
		d.extras--
		r.extras--
		e.settleExtra(d, o)
	} else {
		d.counted++
		a.N = d.counted
		r.counts.Attempts++
		e.settleCounted(h, d, o)
	}
	d.attempts = append(d.attempts, a)
	if !t.extra && !h.deleted {
		h.log(d, a)
	}
	if d.status != Waiting && d.extras == 0 {
		d.content.body = nil
	}
	e.opts.Log.Debug("sent", "webhook", d.webhook, "event", d.content.eventID, "type", d.content.typ, "attempt", a.N,
		"status", a.Status, "error", a.Error, "state", d.status)
	e.touch()
	e.pump(h)
}

// settleExtra counts the outcome of a duplicate or a forgery.
func (e *Emulator) settleExtra(d *delivery, o outcome) {
	counts := &e.round.counts
	switch {
	case !d.fault.forged():
		counts.Duplicates++
	case o.ok():
		counts.ForgeriesTaken++
		fallthrough
	default:
		counts.Forgeries++
	}
}

// settleCounted ends a delivery by the outcome of a counted attempt, or makes it due
// again.
func (e *Emulator) settleCounted(h *endpoint, d *delivery, o outcome) {
	counts := &e.round.counts
	if o.ok() {
		counts.Succeeded++
	}
	switch {
	case d.status != Waiting: // cancelled in the meantime
	case o.ok():
		d.status = Delivered
		counts.Pending--
		counts.Delivered++
		if d.fault.Twin == twinAfter && !d.twinSent {
			d.twinSent = true
			e.extra(h, d, true)
		}
	case d.counted >= platform.Attempts:
		d.status = Failed
		counts.Pending--
		counts.Failed++
	default:
		d.due = e.now().Add(e.delay(d.counted + 1))
		heap.Push(&e.due, d)
		e.wakeUp()
	}
}

// maxLogs bounds the log entries of one webhook.
const maxLogs = 10_000

// log adds an attempt to the webhook's log.
func (h *endpoint) log(d *delivery, a Attempt) {
	entry := platform.LogEntry{
		EventID: d.content.eventID, EventType: d.content.typ, Attempt: a.N, AttemptedAt: a.At,
		DurationMS: a.DurationMS, ResponseStatus: a.Status, Error: a.Error,
	}
	switch d.status {
	case Delivered:
		entry.Status = platform.LogDelivered
	case Waiting:
		entry.Status, entry.NextAttemptAt = platform.LogRetrying, stamp(d.due)
	default:
		entry.Status = platform.LogFailed
	}
	if len(h.logs) >= maxLogs+maxLogs/10 {
		h.logs = slices.Delete(h.logs, 0, len(h.logs)-maxLogs)
	}
	h.logs = append(h.logs, entry)
}
