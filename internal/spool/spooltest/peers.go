package spooltest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// newPair opens two processes' stores on one storage: that of r, whose owner is "one",
// and its peer, whose owner is "two". Both serve routes a and b. Engines that cannot skip
// the case.
func newPair(t testing.TB, mk Make, s spool.Settings) (r, peer *rig) {
	t.Helper()
	r = &rig{TB: t, Engine: mk(t), clock: newClock(), settings: s}
	r.sharer()
	r.open()
	r.configureAs("one", "a", "b")
	return r, r.beside(s)
}

// sharer returns the engine as one of several processes. One that is none fails the
// case: it belongs to Run.
func (r *rig) sharer() Sharer {
	r.Helper()
	s, ok := r.Engine.(Sharer)
	if !ok {
		r.Fatal("this engine has one process at a time")
	}
	return s
}

// beside opens the peer. Its rig shares the clock.
func (r *rig) beside(s spool.Settings) *rig {
	r.Helper()
	st, err := r.sharer().Peer(r.TB, Options{Now: r.machine, Settings: s})
	if err != nil {
		r.Fatalf("Peer: %v", err)
	}
	p := *r
	p.st, p.settings = st, s
	p.configureAs("two", "a", "b")
	return &p
}

func (r *rig) killPeer() { r.sharer().KillPeer(r.TB) }

// copiesOnPeers: whichever process a copy comes to, one of them accepts it, and none is
// told that it is known before it is on stable storage.
func copiesOnPeers(t testing.TB, mk Make) {
	r, p := newPair(t, mk, spool.Settings{})
	for round := range 3 {
		id := fmt.Sprint(round)
		var wg sync.WaitGroup
		var mu sync.Mutex
		got := map[spool.Verdict]int{}
		for i := range 20 {
			in := intake(r.event(id), "a")
			wg.Go(func() {
				a, err := []*rig{r, p}[i%2].st.Accept(bg, in)
				if err != nil {
					t.Errorf("Accept: %v", err)
				}
				mu.Lock()
				defer mu.Unlock()
				got[a.Verdict]++
			})
		}
		wg.Wait()
		if got[spool.Accepted] != 1 || got[spool.Duplicate] != 19 {
			t.Errorf("20 copies in two processes: %v", got)
		}
		r.whole(id, "a")
	}
	in := intake(r.event("held up"), "a")
	blocked, release := r.GateSyncs(0)
	defer release()
	first := p.goAccept(bg, in)
	p.reach(blocked, first)
	second := r.goAccept(bg, in)
	r.silent(second, "a copy in another process before the sync of the first")
	release()
	a, b := <-first, <-second
	// Which of them comes first is open: neither was committed.
	if a.Verdict != spool.Accepted {
		a, b = b, a
	}
	if a.err != nil || a.Verdict != spool.Accepted || b.err != nil || b.Verdict != spool.Duplicate {
		t.Errorf("got %v, %v and %v, %v, want accepted and duplicate", a.Verdict, a.err, b.Verdict, b.err)
	}

	// The process dies while its commit is under way.
	in = intake(r.event("died"), "a")
	blocked, release = r.GateSyncs(0)
	defer release()
	first = p.goAccept(bg, in)
	p.reach(blocked, first)
	second = r.goAccept(bg, in)
	r.killPeer()
	release()
	if got := <-first; got.err == nil {
		t.Errorf("the process that was killed is answered %v", got.Verdict)
	}
	<-second
	r.acceptAgain(in)
	r.cut()
	r.whole("held up", "a")
	r.whole("died", "a")
	r.want(in, spool.Duplicate)
}

// forgottenByPeer: what one process has forgotten is not fresh in another, whose
// watermark may be old.
func forgottenByPeer(t testing.TB, mk Make) {
	short, long := spool.Settings{Window: 4 * hour}, spool.Settings{Window: 48 * hour}
	r, p := newPair(t, mk, short)
	in := intake(r.event("1"), "a")
	p.want(in, spool.Accepted)
	r.settle(r.ended(r.leaseSoon("a")))
	r.add(4*hour + time.Minute)
	r.queue("2", "a")
	r.sweep()
	p.st.Tune(long)
	p.want(in, spool.Stale)
	r.st.Tune(long)
	r.want(in, spool.Stale)
	young := intake(r.event("3"), "a")
	young.Event.CreatedAt = r.now().Add(-hour)
	p.want(young, spool.Accepted)
	r.want(young, spool.Duplicate)
}

// leaseSoon leases one delivery that another process has made due.
func (r *rig) leaseSoon(route string) spool.Delivery {
	var got []spool.Delivery
	r.soon("leased of route "+route, func() bool {
		got = r.lease(route, 1)
		return len(got) == 1
	}, func() any { return ids(got) }, "one")
	return got[0]
}

// takenOver: what a process ran that is gone is run by another when its leases are over,
// once, and counted once.
func takenOver(t testing.TB, mk Make) {
	for _, end := range []string{"KillPeer", "Close"} {
		r, p := newPair(t, mk, spool.Settings{})
		r.queue("1", "a")
		r.queue("2", "a")
		mine := r.lease1("a")
		old := []spool.Delivery{p.leaseSoon("a")}
		old = append(old, p.want(starting(intake(r.event("3"), "b"), "two"), spool.Accepted).Running...)
		if len(old) != 2 {
			t.Fatalf("%d deliveries run in the peer, want 2", len(old))
		}
		if end == "Close" {
			p.ok(p.st.Close(), "Close")
		}
		r.killPeer()
		p = r.beside(spool.Settings{})
		for _, in := range []*rig{r, p} {
			if got := append(in.lease("a", 10), in.lease("b", 10)...); len(got) != 0 {
				t.Fatalf("after %s: %v are leased, though their leases are good", end, ids(got))
			}
		}
		r.settle(r.ended(mine)) // A process that comes or goes ends no lease of another.
		if d := r.delivery("1", "a"); d.Attempts != 1 || len(d.Log) != 1 {
			t.Errorf("after %s: what went on has %d attempts, %d in its log, want 1", end, d.Attempts, len(d.Log))
		}
		r.add(leaseFor + time.Second)
		var got []spool.Delivery
		r.soon("taken over", func() bool {
			got = append(got, leaseAtOnce(r, p)...)
			return len(got) >= 2
		}, func() any { return ids(got) }, "both")
		got = append(got, leaseAtOnce(r, p)...)
		if len(got) != 2 || got[0].Lease.Delivery == got[1].Lease.Delivery {
			t.Fatalf("after %s: %v are taken over, want each once", end, ids(got))
		}
		for _, d := range got {
			rec := r.delivery(d.Event.ID, d.Route.Route)
			if d.Attempts != 1 || rec.Attempts != 1 || len(rec.Log) != 1 || rec.Log[0].Error == "" {
				t.Errorf("after %s: taken over as %+v, and is %+v, want one attempt that was cut short", end, d, rec)
			}
		}
		for _, d := range old {
			r.wantErr("Settle by the one that is gone", r.st.Settle(bg, r.ended(d)), spool.ErrLeaseLost)
		}
		for _, d := range got {
			r.settle(r.ended(d))
		}
		r.Kill(t)
	}
}

// leaseAtOnce has several processes lease all of both routes at the same time.
func leaseAtOnce(processes ...*rig) (got []spool.Delivery) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, route := range []string{"a", "b"} {
		for _, in := range processes {
			wg.Go(func() {
				b, err := in.st.Lease(bg, pickOf(route, 10))
				if err != nil {
					in.Errorf("Lease: %v", err)
				}
				mu.Lock()
				defer mu.Unlock()
				got = append(got, b.Deliveries...)
			})
		}
	}
	wg.Wait()
	return got
}

// settledLate: a process that was away too long cannot end what another runs by now.
func settledLate(t testing.TB, mk Make) {
	r, p := newPair(t, mk, spool.Settings{})
	r.queue("1", "a")
	old := p.leaseSoon("a")
	r.add(leaseFor + time.Second)
	now := r.leaseSoon("a")
	if now.Lease.Delivery != old.Lease.Delivery || now.Attempts != 1 {
		t.Fatalf("taken over: %+v, want one attempt of %+v", now, old)
	}
	for _, st := range []spool.Settlement{p.ended(old), p.failed(old, 0), p.deadLetter(old, "late")} {
		p.wantErr("late Settle", p.st.Settle(bg, st), spool.ErrLeaseLost)
	}
	lost, err := p.st.Extend(bg, []spool.Lease{old.Lease}, hour)
	p.ok(err, "Extend")
	p.wantLost(lost, old.Lease)
	p.ok(p.st.Release(bg, []spool.Lease{old.Lease}), "Release of a lost lease")
	if d := p.delivery("1", "a"); d.State != spool.Running || d.Attempts != 1 {
		t.Errorf("delivery %+v, want it running", d)
	}
	r.settle(r.ended(now))
}

// passOfPeers: a pass over a backlog ends at its number, though two take part in it.
func passOfPeers(t testing.TB, mk Make) {
	r, p := newPair(t, mk, spool.Settings{})
	for n := range 5 {
		r.queue(fmt.Sprint(n+1), "a")
	}
	for _, d := range r.lease("a", 5) {
		r.settle(r.failed(d, hour))
	}
	last := r.route("a").Last
	r.queue("6", "a")
	if got := p.queue("7", "a"); got.Seq == 0 || p.route("a").Last <= last {
		t.Errorf("the largest number is %d in the peer, and was %d before", p.route("a").Last, last)
	}
	got := map[string]int{}
	for _, in := range []*rig{r, p, r, p, r, p} {
		pick := pickOf("a", 1)
		pick.IgnoreDue, pick.UpTo = true, last
		for _, d := range in.batch(pick).Deliveries {
			got[d.Event.ID]++
		}
	}
	if want := map[string]int{"1": 1, "2": 1, "3": 1, "4": 1, "5": 1}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the pass took %v, want %v", got, want)
	}
}

// expiredInFleet: what retention makes a dead letter one process tells, once.
func expiredInFleet(t testing.TB, mk Make) {
	r, p := newPair(t, mk, spool.Settings{})
	var mu sync.Mutex
	told := 0
	for _, in := range []*rig{r, p} {
		defer in.st.OnExpired(func(spool.Delivery, string) {
			mu.Lock()
			defer mu.Unlock()
			told++
		})()
	}
	p.queue("1", "a")
	p.settle(p.failed(p.lease1("a"), 200*hour))
	r.add(73 * hour)
	count := func() any {
		mu.Lock()
		defer mu.Unlock()
		return told
	}
	r.soon("told", func() bool { r.sweep(); return count() != 0 }, count, 1)
	r.sweep()
	if d := r.delivery("1", "a"); d.State != spool.Dead || count() != 1 {
		t.Errorf("the delivery is %v, and was told %v times, want dead and once", d.State, count())
	}
}

// peersAtOnce has two processes' dispatchers and handlers call at the same time.
func peersAtOnce(t testing.TB, mk Make) {
	r, p := newPair(t, mk, spool.Settings{})
	runAtOnce(t, r, p)
}

// tailSettled: who follows the log by the largest number seen, and asks for what is
// settled, misses nothing, in whichever order commits end.
func tailSettled(t testing.TB, mk Make) {
	const writers, events = 4, 40
	r, p := newPair(t, mk, spool.Settings{})
	var wg sync.WaitGroup
	for w := range writers {
		in := []*rig{r, p}[w%2]
		wg.Go(func() {
			for n := range events {
				if _, err := in.st.Accept(bg, intake(in.event(fmt.Sprint(w, " ", n)), "a")); err != nil {
					t.Errorf("Accept: %v", err)
					return
				}
			}
		})
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		wg.Wait()
	}()
	last, seen := int64(0), map[string]bool{}
	follow := func() bool {
		newest := last
		for q := (spool.Query{Settled: true, Limit: 10}); ; {
			page, err := r.st.Records(bg, q)
			r.ok(err, "Records")
			for _, rec := range page.Records {
				if rec.Event.Seq <= last {
					page.Next = 0
					break
				}
				newest = max(newest, rec.Event.Seq)
				seen[rec.Event.ID] = true
			}
			if q.Cursor = page.Next; q.Cursor == 0 {
				break
			}
		}
		last = newest
		return len(seen) == writers*events
	}
	for writing := true; writing; {
		select {
		case <-over:
			writing = false
		default:
			follow()
		}
	}
	r.soon("seen by who follows", follow, func() any { return len(seen) }, writers*events)
}

// windowOfPeers: no process forgets what another is to remember.
func windowOfPeers(t testing.TB, mk Make) {
	short, long := spool.Settings{Window: 2 * time.Minute}, spool.Settings{Window: hour}
	r, p := newPair(t, mk, short)
	p.st.Tune(long)
	r.soon("settings of the peer", func() bool {
		return peerOf(r).Settings.Window == hour
	}, func() any { return peerOf(r).Settings }, hour)
	in := intake(r.event("1"), "a")
	r.want(in, spool.Accepted)
	for range 10 {
		// No step is so long that the peer could count as gone.
		r.add(20 * time.Second)
		r.soon("live", func() bool { return peerOf(r).Live }, func() any { return peerOf(r) }, "a live peer")
		r.sweep()
	}
	r.want(in, spool.Duplicate)
	p.want(in, spool.Duplicate)
	late := intake(r.event("2"), "a")
	late.Event.CreatedAt = epoch
	r.want(late, spool.Accepted)
}

// peerOf returns the last member that is not the rig's own process.
func peerOf(r *rig) (peer spool.Member) {
	for _, m := range r.members() {
		if !m.Here {
			peer = m
		}
	}
	return peer
}

func (r *rig) members() []spool.Member {
	s, ok := r.st.(spool.Shared)
	if !ok {
		r.Fatal("a store that is shared does not say by whom")
	}
	all, err := s.Members(bg)
	r.ok(err, "Members")
	return all
}
