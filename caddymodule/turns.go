package caddymodule

import (
	"net/http"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

const (
	inTurnName = "inbox_in_turn"

	// firstPatience is what an address gets to connect while others have not been
	// asked. When none was that quick, each gets twice as long, and so on.
	firstPatience = 250 * time.Millisecond
	// usualPatience bounds what an address that is far away is known to need.
	usualPatience = time.Second
	// longestOut bounds how long a broken address is left out: 1, 2, 4, 8, 15 s.
	longestOut = 15 * time.Second
)

// InTurn chooses among the replicas of one app, in turn. In the route of an
// `inbox_webhook` an address that cannot be reached is passed over at once and left
// out for a while, 1 s at first and 15 s at most; then one event tries it again. The
// route counts as unreached only when every address is. Anywhere else it is a round
// robin.
//
// Routes with several addresses have it. For a `reverse_proxy` of your own, in a
// route's `handle`, say `lb_policy inbox_in_turn`.
type InTurn struct {
	mu     sync.Mutex
	turn   int
	places map[string]*place
}

// place is what is known of one address.
type place struct {
	name string
	mu   *sync.Mutex // The policy's; it guards what follows.
	// until is when the address may be tried again, zero while it is well.
	until time.Time
	fails int // In a row.
	// asking is the try that finds out whether a broken address is well again.
	asking *try
	// took is how long its last new connection needed.
	took time.Duration
}

// CaddyModule returns the Caddy module information.
func (*InTurn) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.selection_policies." + inTurnName,
		New: func() caddy.Module { return new(InTurn) },
	}
}

// UnmarshalCaddyfile sets up the policy from Caddyfile tokens: `inbox_in_turn`.
func (*InTurn) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	for d.Next() {
		if d.NextArg() {
			return d.ArgErr()
		}
	}
	return nil
}

// Select returns an available upstream, or nil if there is none.
func (p *InTurn) Select(pool reverseproxy.UpstreamPool, r *http.Request, _ http.ResponseWriter) *reverseproxy.Upstream {
	var able reverseproxy.UpstreamPool
	for _, u := range pool {
		if u.Available() {
			able = append(able, u)
		}
	}
	if len(able) == 0 {
		return nil
	}
	t, _ := r.Context().Value(attemptKey{}).(*try)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn++
	if t == nil {
		return able[p.turn%len(able)]
	}
	places := make([]*place, len(able))
	for i, u := range able {
		places[i] = p.place(u.Dial)
	}
	t.tour.places = places
	i := t.tour.choose(places, p.turn, time.Now())
	t.at = places[i]
	if !t.at.until.IsZero() {
		t.at.asking = t
		t.at.leaveOut(time.Now()) // Nobody else need wait for what t finds.
	}
	if others := len(places) - len(t.tour.gone); others > 1 {
		t.arm(t.tour.patience(t.at))
	}
	return able[i]
}

func (p *InTurn) place(name string) *place {
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
func (t *tour) choose(places []*place, turn int, now time.Time) int {
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

func (t *tour) hasWaited(p *place) bool {
	for _, w := range t.waited {
		if w == p {
			return true
		}
	}
	return false
}

// patience is how long p gets to connect. The caller holds p.mu.
func (t *tour) patience(p *place) time.Duration {
	first := min(max(firstPatience, 3*p.took), usualPatience)
	if len(t.waited)+len(t.gone)+1 == len(t.places) {
		first *= 2 // The last one of a round: nobody waits for its turn.
	}
	return first << min(t.round, 6)
}

// leaveOut begins a time without p. The caller holds p.mu.
func (p *place) leaveOut(now time.Time) {
	p.until = now.Add(min(time.Second<<min(max(p.fails-1, 0), 4), longestOut))
}

// broke notes that by did not reach p, or got no answer.
func (p *place) broke(by *try) {
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

// Interface guards.
var (
	_ reverseproxy.Selector = (*InTurn)(nil)
	_ caddyfile.Unmarshaler = (*InTurn)(nil)
)
