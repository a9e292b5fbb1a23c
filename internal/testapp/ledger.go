package testapp

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Arrival is one request that came to an app.
type Arrival struct {
	// N counts the arrivals at the app, from 1.
	N int
	// ID is the event's, as the gate names it in X-Inbox-Event-Id.
	ID string
	// At is when its body had come.
	At time.Time
	// What it looked like.
	Method, URI, Host string
	Header            http.Header
	Body              []byte
}

// Ledger is the record of the arrivals at an app. Its zero value is empty.
type Ledger struct {
	mu      sync.Mutex
	all     []Arrival
	byID    map[string][]int // The places of an event's arrivals in all.
	read    int              // How many of all Next has returned.
	changed chan struct{}    // Closed and replaced with each arrival; nil if nobody waits.
}

func (l *Ledger) note(a Arrival) Arrival {
	l.mu.Lock()
	defer l.mu.Unlock()
	a.N = len(l.all) + 1
	l.all = append(l.all, a)
	if l.byID == nil {
		l.byID = make(map[string][]int)
	}
	l.byID[a.ID] = append(l.byID[a.ID], a.N-1)
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
	return a
}

// Arrivals returns all that has come, in its order.
func (l *Ledger) Arrivals() []Arrival {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

// Of returns the arrivals of one event.
func (l *Ledger) Of(id string) (found []Arrival) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range l.byID[id] {
		found = append(found, l.all[i])
	}
	return found
}

// Events returns how many different events have come.
func (l *Ledger) Events() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.byID)
}

// Unread returns how many arrivals Next has not returned.
func (l *Ledger) Unread() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all) - l.read
}

// Until returns once yes reports true. It is asked at first, and after each arrival.
func (l *Ledger) Until(ctx context.Context, yes func() bool) error {
	for {
		l.mu.Lock()
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		changed := l.changed
		l.mu.Unlock()
		if yes() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waiting for arrivals: %w after %d, of %d events", context.Cause(ctx), len(l.Arrivals()), l.Events())
		}
	}
}

// Await is Until for a test, which fails if that takes longer than Patience. What
// names the thing that it waits for.
func (l *Ledger) Await(t T, what string, yes func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := l.Until(ctx, yes); err != nil {
		t.Fatalf("no %s at the app: %v", what, err)
	}
}

// Event waits until an event has come, and returns its first arrival.
func (l *Ledger) Event(t T, id string) (first Arrival) {
	t.Helper()
	l.Await(t, "event "+id, func() bool { return len(l.Of(id)) > 0 })
	return l.Of(id)[0]
}

// Next returns the arrivals in their order, each once, and waits for the next one if
// there is none.
func (l *Ledger) Next(t T) (next Arrival) {
	t.Helper()
	l.Await(t, "further arrival", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.read == len(l.all) {
			return false
		}
		next = l.all[l.read]
		l.read++
		return true
	})
	return next
}
