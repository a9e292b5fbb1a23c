package main

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/sidecar/sidecartest"
	"github.com/inboxgate/inboxgate/verify"
)

// e2eRound is the header by which an app knows which process is calling.
const e2eRound = "X-Test-Round"

// e2eSent is an event that was sent, or is about to be.
type e2eSent struct {
	id, typ, signature string
	body               []byte
	round              int
	acked              bool // A whole 200 has been read,
	ackedIn            int  // the first time in this round.
}

// routes are those of e2eCaddyfile that take the event.
func (e *e2eSent) routes() []string {
	if e.typ == event.TypeMessageFailed {
		return []string{"all", "oncall"}
	}
	return []string{"all"}
}

type e2eKey struct{ route, id string }

// e2eArrival is one attempt that came to an app.
type e2eArrival struct{ round, attempt int }

// e2eLedger holds what was sent and what arrived.
type e2eLedger struct {
	mu      sync.Mutex
	sent    map[string]*e2eSent
	order   []*e2eSent
	got     map[e2eKey][]e2eArrival
	in      map[int]int // arrivals by round
	waiting int         // what was acknowledged and has not arrived, over all routes
	faults  []string
	changed chan struct{} // Closed and replaced at each arrival.
}

func newE2ELedger() *e2eLedger {
	return &e2eLedger{
		sent: make(map[string]*e2eSent), got: make(map[e2eKey][]e2eArrival),
		in: make(map[int]int), changed: make(chan struct{}),
	}
}

func (l *e2eLedger) fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
}

// add is called before the event leaves, for it may arrive before its answer.
func (l *e2eLedger) add(e *e2eSent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent[e.id] = e
	l.order = append(l.order, e)
}

func (l *e2eLedger) ack(e *e2eSent, round int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.acked {
		return
	}
	e.acked, e.ackedIn = true, round
	for _, route := range e.routes() {
		if len(l.got[e2eKey{route, e.id}]) == 0 {
			l.waiting++
		}
	}
}

// arrived notes a request of an app, and what is wrong with it.
func (l *e2eLedger) arrived(route string, r *http.Request, body []byte) {
	h := r.Header
	id := h.Get("X-Inbox-Event-Id")
	var a e2eArrival
	var err, err2 error
	a.round, err = strconv.Atoi(h.Get(e2eRound))
	a.attempt, err2 = strconv.Atoi(h.Get("X-Inbox-Attempt"))
	l.mu.Lock()
	defer l.mu.Unlock()
	wrong := func(what string) { l.faults = append(l.faults, fmt.Sprintf("%q at %s: %s", id, route, what)) }
	e := l.sent[id]
	switch {
	case err != nil || err2 != nil:
		wrong("round or attempt is no number")
	case e == nil:
		wrong("was never sent")
	case !slices.Contains(e.routes(), route) || h.Get("X-Inbox-Route") != route:
		wrong("is not for this route")
	case !bytes.Equal(e.body, body):
		wrong(fmt.Sprintf("other bytes than were sent: %q", body))
	case !slices.Equal(h[verify.Header], []string{e.signature}):
		wrong(fmt.Sprintf("another signature: %q", h[verify.Header]))
	case r.Method != http.MethodPost || r.RequestURI != "/webhooks/inbox" || h.Get("Content-Type") != "application/json":
		wrong(fmt.Sprintf("another request: %s %s %s", r.Method, r.RequestURI, h.Get("Content-Type")))
	case h.Get("Idempotency-Key") != id:
		wrong("its idempotency key is not its id")
	}
	key := e2eKey{route, id}
	if e != nil && e.acked && len(l.got[key]) == 0 {
		l.waiting--
	}
	l.got[key] = append(l.got[key], a)
	l.in[a.round]++
	close(l.changed)
	l.changed = make(chan struct{})
}

// await waits until done, which is called with the ledger locked.
func (l *e2eLedger) await(done func() bool) bool {
	timeout := time.NewTimer(sidecartest.Patience)
	defer timeout.Stop()
	for {
		l.mu.Lock()
		ok, changed := done(), l.changed
		l.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-timeout.C:
			return false
		}
	}
}

// awaitAll waits until everything acknowledged has arrived at every app that it
// is for, and otherwise ends the test with what is missing.
func (l *e2eLedger) awaitAll(t *testing.T) {
	t.Helper()
	if !l.await(func() bool { return l.waiting == 0 }) {
		t.Fatalf("acknowledged and not arrived after %s:\n%s", sidecartest.Patience, l.missing())
	}
}

// missing tells how many were lost in which round, and the first 20.
func (l *e2eLedger) missing() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	rounds := make(map[int]int)
	var lines []string
	for _, e := range l.order {
		for _, route := range e.routes() {
			if e.acked && len(l.got[e2eKey{route, e.id}]) == 0 {
				rounds[e.round]++
				lines = append(lines, fmt.Sprintf("%s %s of round %d never came to %s", e.id, e.typ, e.round, route))
			}
		}
	}
	var b strings.Builder
	for _, r := range slices.Sorted(maps.Keys(rounds)) {
		fmt.Fprintf(&b, "round %d: %d\n", r, rounds[r])
	}
	return b.String() + e2eFirst(lines)
}

// e2eFirst is the first 20 of lines.
func e2eFirst(lines []string) string {
	if n := len(lines) - 20; n > 0 {
		lines = append(slices.Clone(lines[:20]), fmt.Sprintf("and %d more", n))
	}
	return strings.Join(lines, "\n")
}

// check reports what came to an app and should not have, or not so.
func (l *e2eLedger) check(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.faults) > 0 {
		t.Errorf("%d faults:\n%s", len(l.faults), e2eFirst(l.faults))
	}
}

// choose returns the events for which want says yes, in the order of sending.
func (l *e2eLedger) choose(want func(*e2eSent) bool) (all []*e2eSent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.order {
		if want(e) {
			all = append(all, e)
		}
	}
	return all
}
