package spooltest

import (
	"context"
	"crypto/sha256"
	"net/http"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

const (
	source   = "inbox"
	leaseFor = time.Minute
	// memberFor is longer than any engine takes a process that was killed for a live one.
	memberFor = 5 * time.Minute
)

var (
	epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	bg    = context.Background()
)

// rig is one engine with its open store and the clock it goes by.
type rig struct {
	testing.TB
	Engine
	*clock
	settings spool.Settings
	st       spool.Store
}

// newRig opens a fresh store whose source has routes a and b.
func newRig(t testing.TB, mk Make, s spool.Settings) *rig {
	t.Helper()
	r := &rig{TB: t, Engine: mk(t), clock: newClock(), settings: s}
	r.open()
	r.configure("a", "b")
	return r
}

func (r *rig) open() {
	r.TB.Helper()
	st, err := r.Engine.Open(r.TB, Options{Now: r.machine, Settings: r.settings})
	if err != nil {
		r.Fatalf("Open: %v", err)
	}
	r.st = st
}

// An ending is a way in which a store comes to its end.
type ending struct {
	name string
	end  func(r *rig)
}

var endings = []ending{
	{"Close", func(r *rig) {
		if err := r.st.Close(); err != nil {
			r.Fatalf("Close: %v", err)
		}
	}},
	{"Kill", func(r *rig) { r.Kill(r.TB) }},
	{"PowerCut", func(r *rig) { r.PowerCut(r.TB) }},
}

// outlasts reports whether a lease may outlive the process that gave it.
func (r *rig) outlasts() bool {
	o, ok := r.Engine.(Outliver)
	return ok && o.LeasesOutlive()
}

// abandoned lets the leases of a process that has ended run out, where they outlive it.
func (r *rig) abandoned() {
	if r.outlasts() {
		r.add(leaseFor + time.Second)
	}
}

// heard waits until the storage knows which time it is, where one process must tell the
// next how much has passed.
func (r *rig) heard() {
	if _, shared := r.st.(spool.Shared); !shared {
		return
	}
	seen := func() (at time.Time) {
		for _, m := range r.members() {
			if m.Here {
				at = m.Seen
			}
		}
		return at
	}
	r.soon("heard of", func() bool { return !seen().Before(r.now()) }, func() any { return seen() }, r.now())
}

// vanished lets the time pass after which a process that was killed is no member any
// more, where there may be others.
func (r *rig) vanished() {
	if r.outlasts() {
		r.add(memberFor)
	}
}

func (r *rig) kill() { r.Kill(r.TB); r.open() }
func (r *rig) cut()  { r.PowerCut(r.TB); r.open() }

func (r *rig) configure(names ...string) {
	r.configureAs("", names...)
}

func (r *rig) ok(err error, what string) {
	if err != nil {
		r.Fatalf("%s: %v", what, err)
	}
}

// event makes an event that is created and received now.
func (r *rig) event(id string) *spool.Event { return r.eventOf(source, id, `{"id":"`+id+`"}`) }

func (r *rig) eventOf(source, id, body string) *spool.Event {
	return &spool.Event{
		Source: source, ID: id, Type: "message.failed",
		CreatedAt: r.now(), Received: r.now(), Digest: sha256.Sum256([]byte(body)),
		Request: spool.Request{
			Method: "POST", URI: "/webhooks/inbox?x=1", Host: "hooks.example.com",
			RemoteAddr: "192.0.2.7:4711", Scheme: "https",
			Header: http.Header{"Content-Type": {"application/json"}, "X-Inbox-Signature": {"one", "two"}},
			Body:   []byte(body),
		},
	}
}

// intake queues an event for routes.
func intake(ev *spool.Event, routes ...string) spool.Intake {
	in := spool.Intake{Event: ev}
	for _, n := range routes {
		in.Routes = append(in.Routes, spool.RouteWish{Route: n})
	}
	return in
}

// starting asks for every delivery to be born running.
func starting(in spool.Intake, o spool.Owner) spool.Intake {
	in.Owner, in.LeaseFor = o, leaseFor
	for i := range in.Routes {
		in.Routes[i].Start = true
	}
	return in
}

func (r *rig) accept(in spool.Intake) spool.Receipt {
	got, err := r.st.Accept(bg, in)
	r.ok(err, "Accept of "+in.Event.ID)
	return got
}

// queue accepts a new event that is to wait for routes.
func (r *rig) queue(id string, routes ...string) spool.Receipt {
	return r.want(intake(r.event(id), routes...), spool.Accepted)
}

func (r *rig) want(in spool.Intake, v spool.Verdict) spool.Receipt {
	got := r.accept(in)
	if got.Verdict != v {
		r.Fatalf("Accept of %s: got %v (%s), want %v", in.Event.ID, got.Verdict, got.Reason, v)
	}
	return got
}

// again repeats a call that failed until the store works again.
func (r *rig) again(what string, f func(ctx context.Context) error) {
	limit := time.NewTimer(10 * time.Second)
	defer limit.Stop()
	pause := time.NewTicker(5 * time.Millisecond)
	defer pause.Stop()
	for {
		ctx, cancel := context.WithTimeout(bg, 5*time.Second)
		err := f(ctx)
		cancel()
		if err == nil {
			return
		}
		select {
		case <-pause.C:
		case <-limit.C:
			r.Fatalf("%s still fails long after the fault: %v", what, err)
		}
	}
}

// soon waits until what other processes do is seen: is reports so, and got says what is
// seen. One process alone has nothing to wait for.
func (r *rig) soon(what string, is func() bool, got func() any, want any) {
	within := time.Duration(0)
	if _, ok := r.Engine.(Sharer); ok {
		within = soonWithin
	}
	if p, ok := r.Engine.(Prompt); ok {
		within = p.Soon()
	}
	limit := time.NewTimer(within)
	defer limit.Stop()
	pause := time.NewTicker(5 * time.Millisecond)
	defer pause.Stop()
	for !is() {
		select {
		case <-pause.C:
		case <-limit.C:
			r.Fatalf("%s: got %v, want %v", what, got(), want)
		}
	}
}

// acceptAgain accepts an event whose answer must be true: new or known.
func (r *rig) acceptAgain(in spool.Intake) (v spool.Verdict) {
	r.again("Accept", func(ctx context.Context) error {
		got, err := r.st.Accept(ctx, in)
		v = got.Verdict
		return err
	})
	if v != spool.Accepted && v != spool.Duplicate {
		r.Fatalf("Accept of %s after a fault: got %v, want accepted or duplicate", in.Event.ID, v)
	}
	return v
}

func key(route string) spool.RouteKey { return spool.RouteKey{Source: source, Route: route} }

func pickOf(route string, n int) spool.Pick {
	return spool.Pick{Owner: "one", Route: key(route), N: n, LeaseFor: leaseFor}
}

func (r *rig) batch(p spool.Pick) spool.Batch {
	b, err := r.st.Lease(bg, p)
	r.ok(err, "Lease")
	return b
}

func (r *rig) lease(route string, n int) []spool.Delivery {
	return r.batch(pickOf(route, n)).Deliveries
}

// lease1 leases exactly one delivery.
func (r *rig) lease1(route string) spool.Delivery {
	got := r.lease(route, 1)
	if len(got) != 1 {
		r.Fatalf("leased %d deliveries of route %s, want 1", len(got), route)
	}
	return got[0]
}

// leaseAll leases n deliveries. Where leases outlive their process, it may take a moment
// until what another has left is known.
func (r *rig) leaseAll(p spool.Pick, n int) []spool.Delivery {
	got := r.batch(p).Deliveries
	if r.outlasts() {
		r.soon("leased of route "+p.Route.Route, func() bool {
			if len(got) < n {
				got = append(got, r.batch(p).Deliveries...)
			}
			return len(got) >= n
		}, func() any { return ids(got) }, n)
	}
	if len(got) != n {
		r.Fatalf("leased %v of route %s, want %d", ids(got), p.Route.Route, n)
	}
	return got
}

// ended, failed and deadLetter are the three outcomes of an attempt.
func (r *rig) ended(d spool.Delivery) spool.Settlement {
	return spool.Settlement{
		Lease: d.Lease, State: spool.Delivered,
		Attempt: spool.Attempt{N: d.Attempts + 1, Start: r.now(), Took: time.Second, Status: 200, Response: []byte("OK")},
	}
}

func (r *rig) failed(d spool.Delivery, wait time.Duration) spool.Settlement {
	return spool.Settlement{
		Lease: d.Lease, State: spool.Retrying, Due: r.now().Add(wait),
		Attempt: spool.Attempt{N: d.Attempts + 1, Start: r.now(), Took: time.Second, Status: 500, Error: "status 500"},
	}
}

func (r *rig) deadLetter(d spool.Delivery, reason string) spool.Settlement {
	s := r.failed(d, 0)
	s.State, s.Due, s.Reason = spool.Dead, time.Time{}, reason
	return s
}

func (r *rig) settle(s spool.Settlement) { r.ok(r.st.Settle(bg, s), "Settle") }

// sweep runs retention now.
func (r *rig) sweep() { r.ok(r.Sweep(bg), "Sweep") }

// answer is what a call that runs beside the case came to.
type answer struct {
	spool.Receipt
	err error
}

func (r *rig) goAccept(ctx context.Context, in spool.Intake) <-chan answer {
	c := make(chan answer, 1)
	st := r.st
	go func() {
		got, err := st.Accept(ctx, in)
		c <- answer{got, err}
	}()
	return c
}

// A call that must not have been answered yet is given this long to be wrong.
// It can only miss a fault, never find one that is not there.
const grace = 100 * time.Millisecond

func (r *rig) silent(c <-chan answer, what string) {
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case a := <-c:
		r.Fatalf("%s: answered %v, %v", what, a.Verdict, a.err)
	case <-t.C:
	}
}

// reach waits until a sync has come to the gate. The call that needs it must
// not have been answered by then.
func (r *rig) reach(blocked <-chan struct{}, c <-chan answer) {
	select {
	case <-blocked:
	case a := <-c:
		r.Fatalf("answered %v, %v before a sync", a.Verdict, a.err)
	}
}
