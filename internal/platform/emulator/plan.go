package emulator

import (
	"math"
	"math/rand/v2"
)

// maxBehind is how many later events may pass one that is held back.
const maxBehind = 8

// plan chooses what happens to the events of a job, by its seed alone.
type plan struct {
	s      SendRequest
	random *rand.Rand // begun by the job's seed

	// One deck for each kind of fault, so that a share of one does not change which
	// events have another.
	bodies, wires, twins, orders, badly, strangers *deck
}

// choice is what happens to one event.
type choice struct {
	typ       string  // a documented one
	odd       string  // one of OddKinds, empty for none
	unknown   string  // the undocumented type that it has instead, empty for none
	wire      string  // see fault.Wire
	twin      string  // see fault.Twin
	behind    int     // how many later events go first
	forgeries []fault // one a forgery
}

func newPlan(s SendRequest) *plan {
	p := &plan{s: s, random: rand.New(rand.NewPCG(s.Seed, 0))}
	p.bodies = p.deck(s.Odd, s.UnknownTypes)
	p.wires = p.deck(s.Slow, s.Cut)
	p.twins = p.deck(s.Duplicates)
	p.orders = p.deck(s.Reorder)
	p.badly = p.deck(s.BadSignature)
	p.strangers = p.deck(s.WrongSecret)
	return p
}

// next returns the choice for the next event.
func (p *plan) next() choice {
	c := choice{typ: pick(p.random, p.s.Types)}
	switch p.bodies.draw() {
	case 0:
		c.odd = pick(p.random, p.s.OddKinds)
	case 1:
		c.unknown = pick(p.random, unknownTypes)
	}
	switch p.wires.draw() {
	case 0:
		c.wire = wireSlow
	case 1:
		c.wire = wireCut
	}
	if p.twins.draw() == 0 {
		// In turn, so that few are of both kinds too.
		c.twin = twinOverlap
		if p.twins.need[0]%2 == 0 {
			c.twin = twinAfter
		}
	}
	if p.orders.draw() == 0 {
		c.behind = 1 + p.random.IntN(maxBehind)
	}
	if p.badly.draw() == 0 {
		c.forgeries = append(c.forgeries, fault{Signature: pick(p.random, badSignatures)})
	}
	if p.strangers.draw() == 0 {
		c.forgeries = append(c.forgeries, fault{Stranger: true})
	}
	return c
}

func pick(random *rand.Rand, from []string) string { return from[random.IntN(len(from))] }

// deck deals exact shares of the events in an order by chance: each event's
// chance is what is still needed over what is still to come.
type deck struct {
	random *rand.Rand
	left   int   // events still to come
	need   []int // of these, how many belong to each share
}

// deck returns a deck of these shares of the job's events.
func (p *plan) deck(shares ...float64) *deck {
	d := &deck{random: p.random, left: p.s.Count}
	spare := p.s.Count
	for _, share := range shares {
		// Two halves of an odd count must not round up to more than there are.
		n := min(int(math.Round(share*float64(p.s.Count))), spare)
		spare -= n
		d.need = append(d.need, n)
	}
	return d
}

// draw returns the number of the share the next event belongs to, or -1.
func (d *deck) draw() int {
	at := d.random.IntN(d.left)
	d.left--
	for i, n := range d.need {
		if at < n {
			d.need[i]--
			return i
		}
		at -= n
	}
	return -1
}
