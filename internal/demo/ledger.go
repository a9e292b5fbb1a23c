package demo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/inboxgate/inboxgate/internal/demo/desk"
)

// ledger compares what was sent with what arrived.
type ledger struct {
	mu   sync.Mutex             // guards all but passed and missed
	want []delivery             // what must arrive
	got  map[delivery][]arrival // what has arrived
	news chan struct{}          // closed and replaced at each arrival

	// passing is set after the story: arrivals are then only passed on, so that
	// memory does not grow for as long as the demo runs.
	passing bool
	passed  chan arrival
	missed  atomic.Int64
}

// arrival is one request that an app got.
type arrival struct {
	receiver string
	id, typ  string // of the event, empty if the body is none
	at       time.Time
	body     []byte
	signed   bool // with the webhook's secret
	status   int  // that it was answered
}

// came records what an app got.
func (l *ledger) came(a desk.Arrival) {
	l.note(arrival{receiver: a.App, id: a.ID, typ: a.Type, at: a.At, body: a.Body, signed: a.Signed, status: a.Status})
}

// delivery is one event on its way to one receiver.
type delivery struct{ receiver, id string }

// sentSums holds the SHA-256 of each event's body, in hex, by its id.
type sentSums map[string]string

// sumOf returns the SHA-256 of a body in hex.
func sumOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

func newLedger() *ledger {
	return &ledger{got: make(map[delivery][]arrival), news: make(chan struct{}), passed: make(chan arrival, 64)}
}

// note records an arrival, or passes it on after the story.
func (l *ledger) note(a arrival) {
	l.mu.Lock()
	if l.passing {
		l.mu.Unlock()
		select {
		case l.passed <- a:
		default: // The terminal is slower than they come.
			l.missed.Add(1)
		}
		return
	}
	defer l.mu.Unlock()
	key := delivery{a.receiver, a.id}
	l.got[key] = append(l.got[key], a)
	close(l.news)
	l.news = make(chan struct{})
}

// expect records what must arrive.
func (l *ledger) expect(ds ...delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.want = append(l.want, ds...)
}

// await waits until each delivery has arrived, and returns when each first did.
func (l *ledger) await(ctx context.Context, ds ...delivery) ([]time.Time, error) {
	for {
		l.mu.Lock()
		news := l.news
		at := make([]time.Time, 0, len(ds))
		for _, d := range ds {
			if a := l.got[d]; len(a) > 0 {
				at = append(at, a[0].at)
			}
		}
		l.mu.Unlock()
		if len(at) == len(ds) {
			return at, nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d deliveries arrived in time", len(at), len(ds))
		}
	}
}

// waiting returns what must arrive and has not.
func (l *ledger) waiting() []delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ds []delivery
	for _, d := range l.want {
		if len(l.got[d]) == 0 {
			ds = append(ds, d)
		}
	}
	return ds
}

// faults returns in words what differs between what was sent and what has arrived.
func (l *ledger) faults(sent sentSums) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	wanted := make(map[delivery]bool)
	for _, d := range l.want {
		wanted[d] = true
		if n := len(l.got[d]); n == 0 {
			all = append(all, fmt.Sprintf("%s never reached %s", d.id, d.receiver))
		}
	}
	for d, as := range l.got {
		if !wanted[d] {
			all = append(all, fmt.Sprintf("%q reached %s and should not have", d.id, d.receiver))
		}
		if len(as) > 1 {
			all = append(all, fmt.Sprintf("%q reached %s %d times", d.id, d.receiver, len(as)))
		}
		for _, a := range as {
			if !a.signed {
				all = append(all, fmt.Sprintf("%q reached %s without a valid signature", d.id, d.receiver))
			}
			if sumOf(a.body) != sent[d.id] {
				all = append(all, fmt.Sprintf("%q reached %s with other bytes than were sent", d.id, d.receiver))
			}
		}
	}
	slices.Sort(all)
	return all
}

// arrived returns how many deliveries a receiver got.
func (l *ledger) arrived(receiver string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for d, as := range l.got {
		if d.receiver == receiver {
			n += len(as)
		}
	}
	return n
}

// passOn has what arrives from now on passed on, and returns where it comes.
func (l *ledger) passOn() <-chan arrival {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.passing = true
	return l.passed
}

// takeMissed returns how many arrivals were not passed on since it was asked last.
func (l *ledger) takeMissed() int { return int(l.missed.Swap(0)) }
