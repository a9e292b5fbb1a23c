package deliver

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/inboxgate/inboxgate/internal/spool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	app   = spool.RouteKey{Source: "inbox", Route: "app"}
	other = spool.RouteKey{Source: "inbox", Route: "other"}
)

// try is one attempt as an upstream saw it.
type try struct {
	delivery int64
	n        int
	at       time.Duration // since the rig began
}

// rig is a store, and an upstream that writes down what it sees.
type rig struct {
	t     testing.TB
	store *fakeStore
	slots *Slots
	began time.Time

	seq atomic.Int64

	mu       sync.Mutex
	tries    []try
	inFlight int
	most     int
	answer   func(ctx context.Context, a Attempt) Answer
}

func newRig(t testing.TB, answer func(ctx context.Context, a Attempt) Answer) *rig {
	return &rig{t: t, store: newFake(), slots: NewSlots(), began: time.Now(), answer: answer}
}

// startRig begins what most tests begin with: an app that answers so, a dispatcher
// that has read the holds, and n events.
func startRig(t testing.TB, answer func(context.Context, Attempt) Answer, n int, options ...func(*Config)) (*rig, *Dispatcher) {
	t.Helper()
	r := newRig(t, answer)
	d := r.start(options...)
	synctest.Wait()
	r.mustSend(d, n)
	return r, d
}

// Attempt makes rig an Upstream.
func (r *rig) Attempt(ctx context.Context, a Attempt) Answer {
	r.mu.Lock()
	r.tries = append(r.tries, try{a.Delivery.Lease.Delivery, a.N, time.Since(r.began)})
	r.inFlight++
	r.most = max(r.most, r.inFlight)
	answer := r.answer
	r.mu.Unlock()
	defer func() { r.mu.Lock(); r.inFlight--; r.mu.Unlock() }()
	return answer(ctx, a)
}

func (r *rig) setAnswer(f func(ctx context.Context, a Attempt) Answer) {
	r.mu.Lock()
	r.answer = f
	r.mu.Unlock()
}

func (r *rig) triesOf(delivery int64) (tries []try) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.tries {
		if t.delivery == delivery {
			tries = append(tries, t)
		}
	}
	return tries
}

func (r *rig) allTries() []try { r.mu.Lock(); defer r.mu.Unlock(); return slices.Clone(r.tries) }

func (r *rig) nTries() int { return len(r.allTries()) }

func (r *rig) forgetMost() { r.mu.Lock(); r.most = 0; r.mu.Unlock() }

func (r *rig) mostInFlight() int { r.mu.Lock(); defer r.mu.Unlock(); return r.most }

// start starts a dispatcher for the app route, changed by the options.
func (r *rig) start(options ...func(*Config)) *Dispatcher {
	r.t.Helper()
	d := r.make(options...)
	d.Start()
	return d
}

func (r *rig) make(options ...func(*Config)) *Dispatcher {
	r.t.Helper()
	c := Config{
		Store: r.store, Slots: r.slots, Log: slog.New(slog.DiscardHandler),
		Routes: []Route{{Key: app, Upstream: r}},
		Random: func() float64 { return 0 },
	}
	for _, o := range options {
		o(&c)
	}
	d, err := New(c)
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

// end drains a dispatcher that has nothing left to do.
func (r *rig) end(ds ...*Dispatcher) {
	r.t.Helper()
	for _, d := range ds {
		if err := d.Drain(context.Background()); err != nil {
			r.t.Error(err)
		}
	}
}

// send accepts one event for the routes, as the accept path does.
func (r *rig) send(d *Dispatcher, keys ...spool.RouteKey) error {
	if len(keys) == 0 {
		keys = []spool.RouteKey{app}
	}
	return r.sendAs(d, &spool.Event{Source: "inbox", Received: time.Now()}, keys...)
}

func (r *rig) sendAs(d *Dispatcher, ev *spool.Event, keys ...spool.RouteKey) error {
	in := spool.Intake{Event: ev, Owner: d.Owner(), LeaseFor: d.LeaseFor()}
	reserved := map[spool.RouteKey]bool{}
	for _, k := range keys {
		reserved[k] = d.Reserve(k)
		in.Routes = append(in.Routes, spool.RouteWish{Route: k.Route, Start: reserved[k]})
	}
	ev.Seq = r.seq.Add(1)
	asked := time.Now()
	rc, err := r.store.Accept(context.Background(), in)
	for _, dl := range rc.Running {
		d.Offer(dl, asked)
		reserved[dl.Route] = false
	}
	for k, left := range reserved {
		if left {
			d.Unreserve(k)
		}
	}
	return err
}

func (r *rig) mustSend(d *Dispatcher, n int) {
	r.t.Helper()
	for range n {
		if err := r.send(d); err != nil {
			r.t.Fatal(err)
		}
	}
}

// backlog puts n waiting deliveries of size bytes into the store.
func (r *rig) backlog(n, size int) {
	body := make([]byte, size)
	for range n {
		ev := &spool.Event{Seq: r.seq.Add(1), Source: "inbox", Received: time.Now(), Request: spool.Request{Body: body}}
		in := spool.Intake{Event: ev, Routes: []spool.RouteWish{{Route: app.Route}}}
		if _, err := r.store.Accept(context.Background(), in); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) wantDelivered(want int) {
	r.t.Helper()
	if n := r.store.inState(spool.Delivered); n != want {
		r.t.Errorf("%d delivered, want %d", n, want)
	}
}

func (r *rig) wantState(delivery int64, want spool.State) row {
	r.t.Helper()
	got := r.store.row(delivery)
	if got.state != want {
		r.t.Errorf("delivery %d is %v (%s) after %d attempts, want %v", delivery, got.state, got.reason, got.attempts, want)
	}
	return got
}

func status(code int) Answer { return Answer{Reach: Answered, Status: code} }

func always(a Answer) func(context.Context, Attempt) Answer {
	return func(context.Context, Attempt) Answer { return a }
}

// hang answers when ctx ends.
func hang(ctx context.Context, _ Attempt) Answer {
	<-ctx.Done()
	return Answer{Reach: Broken, Err: fmt.Errorf("waiting for answer: %w", ctx.Err())}
}

func route(change func(*Route)) func(*Config) {
	return func(c *Config) { change(&c.Routes[0]) }
}
