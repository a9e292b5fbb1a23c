package upstream

import (
	"sync"
	"time"
)

const (
	// firstPatience is what an address gets to connect while others have not been
	// asked. When none was that quick, each gets twice as long, and so on.
	firstPatience = 250 * time.Millisecond
	// usualPatience bounds what an address that is far away is known to need.
	usualPatience = time.Second
	// longestOut bounds how long a broken address is left out: 1, 2, 4, 8, 15 s.
	longestOut = 15 * time.Second
)

// Turn chooses among the addresses of one app, in turn. One that cannot be reached is
// left out for a while; then one try asks it again. The zero Turn is ready for use.
type Turn struct {
	mu     sync.Mutex
	turn   int               // Counts the choices; guarded by mu.
	places map[string]*place // By address; guarded by mu, and so is all that they hold.
}

// Choose returns the index of the address that t is to ask. Without a try it is the
// next one.
func (p *Turn) Choose(addresses []string, t *Try) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn++
	if t == nil {
		return p.turn % len(addresses)
	}
	places := make([]*place, len(addresses))
	for i, a := range addresses {
		places[i] = p.place(a)
	}
	t.tour.places = places
	i := t.tour.choose(places, p.turn, time.Now())
	t.at = places[i]
	if !t.at.until.IsZero() {
		t.at.asking = t
		t.at.leaveOut(time.Now()) // No other try need wait for what t finds.
	}
	if others := len(places) - len(t.tour.gone); others > 1 {
		t.arm(t.tour.patience(t.at))
	}
	return i
}

// place is what is known of one address.
type place struct {
	name string      // The address.
	mu   *sync.Mutex // The Turn's; it guards what follows.
	// until is when the address may be tried again, zero while it is well.
	until time.Time
	fails int // In a row.
	// asking is the try that finds out whether a broken address is well again.
	asking *Try
	// took is how long its last new connection needed.
	took time.Duration
}

func (p *Turn) place(name string) *place {
	if p.places == nil {
		p.places = make(map[string]*place)
	}
	at := p.places[name]
	if at == nil {
		at = &place{name: name, mu: &p.mu}
		p.places[name] = at
	}
	return at
}

// choose returns the index of the next place of this attempt: one that is well or
// due, in turn; else the one that is due first.
func (t *Tour) choose(places []*place, turn int, now time.Time) int {
	best, last := -1, -1
	for n := range places {
		i := (turn + n) % len(places)
		at := places[i]
		if t.lost(at) {
			continue
		}
		last = i
		if t.hasWaited(at) {
			continue
		}
		if !at.until.After(now) {
			return i
		}
		if best < 0 || at.until.Before(places[best].until) {
			best = i
		}
	}
	switch {
	case best >= 0:
		return best
	case last >= 0:
		return last
	}
	return turn % len(places)
}

func (t *Tour) hasWaited(p *place) bool {
	for _, w := range t.waited {
		if w == p {
			return true
		}
	}
	return false
}

// patience returns how long p gets to connect. The caller holds p.mu.
func (t *Tour) patience(p *place) time.Duration {
	first := min(max(firstPatience, 3*p.took), usualPatience)
	if len(t.waited)+len(t.gone)+1 == len(t.places) {
		first *= 2 // The last one of a round: no other waits for its turn.
	}
	return first << min(t.round, 6)
}

// leaveOut begins a time without p. The caller holds p.mu.
func (p *place) leaveOut(now time.Time) {
	p.until = now.Add(min(time.Second<<min(max(p.fails-1, 0), 4), longestOut))
}

// broke notes that by did not reach p, or got no answer.
func (p *place) broke(by *Try) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.until.After(now) && p.asking != by {
		return // One of several that were on their way: it is known.
	}
	p.asking = nil
	p.fails++
	p.leaveOut(now)
}

// well notes that p answered. took is 0 unless a new connection was made.
func (p *place) well(took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fails, p.until, p.asking = 0, time.Time{}, nil
	if took > 0 {
		p.took = took
	}
}
