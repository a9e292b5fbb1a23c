package spooltest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// keyPlay plays random calls on one route whose deliveries have keys, and asks of each
// delivery that is handed out whether it is its turn, by what the store itself says. The
// model knows more, but not what retention ends.
type keyPlay struct {
	*rig
	rng     *rand.Rand
	next    int               // the number of the next event
	keys    map[string]string // of each event
	running []spool.Delivery
}

// randomKeys has events accepted, run, given back, replayed and ended by retention, over
// every end of the process; then all that waits is run to its end.
func randomKeys(t testing.TB, mk Make) {
	p := &keyPlay{rig: newRig(t, mk, spool.Settings{}), rng: seeded(t), keys: map[string]string{}}
	for range 150 {
		switch n := p.rng.IntN(20); {
		case n < 6:
			p.arrive()
		case n < 10:
			p.take(p.rng.IntN(3) == 0)
		case n < 15:
			p.end()
		case n < 16:
			p.replay()
		case n < 18:
			p.add([]time.Duration{time.Second, 2 * leaseFor, 30 * hour}[p.rng.IntN(3)])
			p.sweep()
		case n == 18 && p.rng.IntN(4) == 0:
			p.heard()
			endings[p.rng.IntN(len(endings))].end(p.rig)
			p.open()
			p.abandoned()
			p.running = nil
		}
	}
	p.drain()
}

func (p *keyPlay) arrive() {
	p.next++
	id, key := fmt.Sprint(p.next), []string{"x", "y", ""}[p.rng.IntN(3)]
	p.keys[id] = key
	in := keyed(intake(p.event(id), "a"), key)
	if p.rng.IntN(2) == 0 {
		in = starting(in, "one")
	}
	p.inTurn(p.want(in, spool.Accepted).Running)
}

func (p *keyPlay) take(ignoreDue bool) {
	pick := pickOf("a", 1+p.rng.IntN(3))
	pick.IgnoreDue = ignoreDue
	p.inTurn(p.batch(pick).Deliveries)
}

// inTurn checks that each delivery that was handed out is the only one of its key that
// runs, and that none of its first life is left that came before.
func (p *keyPlay) inTurn(got []spool.Delivery) {
	p.running = append(p.running, got...)
	if len(got) == 0 {
		return
	}
	all := p.records(spool.Query{})
	for _, d := range got {
		for _, rec := range all {
			if len(rec.Deliveries) == 0 || rec.Event.ID == d.Event.ID || p.keys[rec.Event.ID] != p.keys[d.Event.ID] || p.keys[d.Event.ID] == "" {
				continue
			}
			other := rec.Deliveries[0]
			if other.State == spool.Running {
				p.Fatalf("event %s was handed out while event %s of its key runs", d.Event.ID, rec.Event.ID)
			}
			if waits := other.State == spool.Available || other.State == spool.Retrying; waits && !other.Behind {
				p.Fatalf("event %s was handed out while event %s of its key is %v and behind none", d.Event.ID, rec.Event.ID, other.State)
			}
			ended := other.State == spool.Delivered || other.State == spool.Dead
			if !ended && rec.Event.Seq < d.Event.Seq && d.Replay == 0 && other.Replay == 0 {
				p.Fatalf("event %s was handed out before event %s of its key has ended: it is %v", d.Event.ID, rec.Event.ID, other.State)
			}
		}
	}
}

// end ends, fails or gives back one of those that run. Its lease may be over.
func (p *keyPlay) end() {
	if len(p.running) == 0 {
		return
	}
	i := p.rng.IntN(len(p.running))
	d := p.running[i]
	p.running = append(p.running[:i], p.running[i+1:]...)
	switch p.rng.IntN(5) {
	case 0:
		p.ok(p.st.Release(bg, []spool.Lease{d.Lease}), "Release")
	case 1:
		_ = p.st.Settle(bg, p.failed(d, time.Duration(p.rng.IntN(3))*hour))
	case 2:
		_ = p.st.Settle(bg, p.deadLetter(d, "refused"))
	default:
		_ = p.st.Settle(bg, p.ended(d))
	}
}

// replay replays one event that has ended, if there is one.
func (p *keyPlay) replay() {
	for _, state := range []spool.State{spool.Dead, spool.Delivered} {
		if all := p.records(spool.Query{State: state}); len(all) > 0 {
			_, err := p.st.Redeliver(bg, all[p.rng.IntN(len(all))].Event.Seq, spool.RouteWish{Route: "a"})
			p.ok(err, "Redeliver")
			return
		}
	}
}

// drain runs all that waits to its end: no key is stuck.
func (p *keyPlay) drain() {
	p.running = nil
	p.add(10 * leaseFor) // No lease is good any more.
	for range 2*p.next + 10 {
		got := p.batch(pickAll("a")).Deliveries
		p.inTurn(got)
		for _, d := range got {
			p.settle(p.ended(d))
		}
	}
	if left := p.recordIDs(spool.Query{Waiting: true}); len(left) > 0 {
		p.Fatalf("events %v wait for ever", left)
	}
	if st := p.route("a"); st.Waiting != 0 || st.Running != 0 {
		p.Fatalf("route a is %+v, want nothing that waits or runs", st)
	}
}
