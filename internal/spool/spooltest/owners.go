package spooltest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// seeded returns the random numbers of a case, and prints what repeats them.
func seeded(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	if s := os.Getenv("INBOXGATE_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("INBOXGATE_SEED: %v", err)
		}
		seed = n
	}
	t.Logf("repeat with INBOXGATE_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

const (
	tick      = 100 * time.Millisecond
	shortly   = 2 * time.Second // how long a lease lasts here
	perOwner  = 3               // attempts at the same time
	idleLimit = time.Second
)

// owner is one dispatcher.
type owner struct {
	name    spool.Owner
	stopped bool
	running []run
}

type run struct {
	spool.Delivery
	end time.Time
}

// job is what the case knows of one delivery.
type job struct {
	due   time.Time // since when it waits
	until time.Time // how long its lease is good, zero while it waits
	done  bool
}

// fleet is two dispatchers on one store, and what each may run by its leases.
type fleet struct {
	*rig
	rng    *rand.Rand
	owners [2]owner
	jobs   map[string]*job
	births int // how many names owners had
	events int
}

// twoOwners has dispatchers start and stop at any moment, with and without a
// word, while events come in. Nothing is run twice under good leases, and
// nothing that is due lies idle for longer than a second beside a dispatcher
// that has room.
func twoOwners(t testing.TB, mk Make) {
	f := &fleet{rig: newRig(t, mk, spool.Settings{}), rng: seeded(t), jobs: map[string]*job{}}
	for i := range f.owners {
		f.begin(&f.owners[i])
	}
	for range 400 {
		f.add(tick)
		if f.chance(25) {
			f.arrive()
		}
		if f.chance(1) {
			f.crash()
		}
		f.step()
	}
	for n := 0; !f.drained(); n++ {
		if n == 300 {
			t.Fatal("deliveries are left over half a minute after the last event")
		}
		f.add(tick)
		f.step()
	}
	for _, rec := range f.records(spool.Query{}) {
		for _, d := range rec.Deliveries {
			if d.State != spool.Delivered && d.State != spool.Dead {
				t.Errorf("event %s ended %v for route %s", rec.Event.ID, d.State, d.Route)
			}
		}
	}
}

func (f *fleet) chance(percent int) bool { return f.rng.IntN(100) < percent }

func (f *fleet) begin(o *owner) {
	f.births++
	*o = owner{name: spool.Owner(fmt.Sprint("dispatcher ", f.births))}
}

// arrive accepts an event, whose handler offers what was born running to its
// dispatcher, which may have stopped in between, or dies before it can.
func (f *fleet) arrive() {
	o := &f.owners[f.rng.IntN(2)]
	f.events++
	in := intake(f.event(fmt.Sprint(f.events)), "a", "b")
	for i := range in.Routes {
		in.Routes[i].Start = f.chance(80)
	}
	in.Owner, in.LeaseFor = o.name, shortly
	got := f.want(in, spool.Accepted)
	for _, w := range in.Routes {
		f.jobs[in.Event.ID+w.Route] = &job{due: f.now()}
	}
	for _, d := range got.Running {
		f.granted(d)
		switch {
		case f.chance(10):
		case o.stopped || f.chance(20) || len(o.running) >= perOwner:
			f.release(d)
		default:
			f.run(o, d)
		}
	}
}

func (f *fleet) job(d spool.Delivery) *job {
	j := f.jobs[d.Event.ID+d.Route.Route]
	if j == nil {
		f.Fatalf("leased a delivery of event %s to route %s, which was never made", d.Event.ID, d.Route.Route)
	}
	return j
}

func (f *fleet) granted(d spool.Delivery) {
	j := f.job(d)
	if j.done {
		f.Fatalf("event %s is leased for route %s, but has ended there", d.Event.ID, d.Route.Route)
	}
	if j.until.After(f.now()) {
		f.Fatalf("event %s is leased twice for route %s: until %v, and again at %v", d.Event.ID, d.Route.Route, j.until, f.now())
	}
	j.until = d.Until
}

func (f *fleet) run(o *owner, d spool.Delivery) {
	long := time.Duration(f.rng.IntN(10)) * tick
	if f.chance(5) {
		long = 3 * shortly
	}
	o.running = append(o.running, run{d, f.now().Add(long)})
}

func (f *fleet) release(d spool.Delivery) {
	f.ok(f.st.Release(bg, []spool.Lease{d.Lease}), "Release")
	if j := f.job(d); j.until.After(f.now()) {
		*j = job{due: f.now()}
	}
}

// step is one moment in the life of both dispatchers.
func (f *fleet) step() {
	for i := range f.owners {
		o := &f.owners[i]
		if o.stopped {
			if f.chance(20) {
				f.begin(o)
			}
			continue
		}
		f.attempt(o)
		if f.chance(3) {
			f.stop(o)
			continue
		}
		for _, route := range []string{"a", "b"} {
			f.poll(o, route)
		}
	}
}

// stop gives all back, or leaves it to its leases.
func (f *fleet) stop(o *owner) {
	o.stopped = true
	if f.chance(50) {
		for _, r := range o.running {
			f.release(r.Delivery)
		}
	}
	o.running = nil
}

func (f *fleet) poll(o *owner, route string) {
	room := perOwner - len(o.running)
	if room == 0 {
		return
	}
	p := spool.Pick{Owner: o.name, Route: key(route), N: room, LeaseFor: shortly}
	got := f.batch(p).Deliveries
	if len(got) > room {
		f.Fatalf("leased %d deliveries, want at most %d", len(got), room)
	}
	for _, d := range got {
		f.granted(d)
		f.run(o, d)
	}
	if len(got) == room {
		return
	}
	for id, j := range f.jobs {
		since := j.due
		if j.until.After(since) {
			since = j.until
		}
		if id[len(id)-1:] == route && !j.done && f.now().Sub(since) > idleLimit {
			f.Fatalf("delivery %s lies idle since %v, now is %v", id, since, f.now())
		}
	}
}

// attempt ends what is over and keeps up the leases of what is not.
func (f *fleet) attempt(o *owner) {
	var still []run
	for _, r := range o.running {
		j := f.job(r.Delivery)
		if f.now().Before(r.end) {
			if lost, err := f.st.Extend(bg, []spool.Lease{r.Lease}, shortly); err != nil {
				f.Fatalf("Extend: %v", err)
			} else if len(lost) > 0 {
				f.Fatalf("the lease of event %s was lost before its time", r.Event.ID)
			}
			j.until = f.now().Add(shortly)
			still = append(still, r)
			continue
		}
		s := f.ended(r.Delivery)
		switch f.rng.IntN(8) {
		case 0:
			s = f.deadLetter(r.Delivery, "refused")
		case 1, 2:
			s = f.failed(r.Delivery, time.Duration(f.rng.IntN(10))*tick)
		}
		f.settle(s)
		*j = job{due: s.Due, done: s.State != spool.Retrying}
	}
	o.running = still
}

// crash ends the process that both dispatchers live in.
func (f *fleet) crash() {
	f.heard()
	f.kill()
	for i := range f.owners {
		f.begin(&f.owners[i])
	}
	for _, j := range f.jobs {
		if !j.until.IsZero() && !f.outlasts() {
			*j = job{due: f.now()}
		}
	}
}

func (f *fleet) drained() bool {
	for _, j := range f.jobs {
		if !j.done {
			return false
		}
	}
	return true
}
