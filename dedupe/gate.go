package dedupe

import (
	"context"
	"fmt"
	"strings"
	"sync"
)

// DefaultJoiners is how many copies may wait for one key.
const DefaultJoiners = 1024

// GateOptions are the options of a Gate. The zero GateOptions mean the defaults.
type GateOptions struct {
	// IDs is how many ids the cache keeps, at most MaxIDs. Default DefaultIDs;
	// below 0 there is no cache, which suits a Judge that is as fast as one.
	IDs int
	// Joiners is how many copies may wait for one key. Default DefaultJoiners.
	Joiners int
	// Cache takes the place of the built-in cache; IDs is not used then. The
	// gate does not close it.
	Cache Cache
}

// Judge answers for one key out of a durable store. If the key is new there it
// stores it, in the same step, and answers Accepted; else it answers Duplicate
// or Conflict. Its error means that nothing is known of the outcome; what is
// neither new nor known, such as an event that is too old, is an error of the
// caller's own too.
//
// It is asked whenever the cache does not know the key, which happens at any time
// and for any key. One that answers Accepted without a store that says so lets
// copies pass: use a Memory where there is no store.
type Judge func(ctx context.Context) (Verdict, error)

// Gate spares a durable store most questions about keys that it knows, and lets
// the copies of a key that is being stored wait. It does not remember by itself:
// see Judge. It is meant to live as long as the process. Its methods may be
// called concurrently.
type Gate struct {
	cache   Cache
	close   func()
	claims  *claims
	joiners int

	mu      sync.RWMutex // guards closed, and running.Add against Wait
	closed  bool
	running sync.WaitGroup // calls of Do, and judges that outlive them
	ended   sync.Once
}

// NewGate makes a gate in front of a durable store. It fails if o.IDs is above
// MaxIDs. A program without such a store wants New.
func NewGate(o GateOptions) (*Gate, error) {
	g := newGate(o.Cache, o.Joiners)
	switch {
	case g.cache != nil:
	case o.IDs < 0:
		g.cache = none{}
	default:
		ids := o.IDs
		if ids == 0 {
			ids = DefaultIDs
		}
		r, err := newRecent(ids)
		if err != nil {
			return nil, err
		}
		g.cache, g.close = r, r.close
	}
	return g, nil
}

func newGate(cache Cache, joiners int) *Gate {
	if joiners <= 0 {
		joiners = DefaultJoiners
	}
	return &Gate{cache: cache, close: func() {}, claims: newClaims(), joiners: joiners}
}

// Do answers whether key was accepted before, and asks the judge if the cache
// does not know.
//
// One judge runs at a time for a key. Copies with the same digest share it: the
// one whose judge ran gets its answer, the others get Duplicate or Conflict. A
// copy with another digest waits and then runs its own judge, so that it can be
// recorded as a conflict. When a run fails, the first of the copies that wait
// runs its judge in turn; one that has seen two runs fail, or its own, returns
// the error as it is.
//
// The run belongs to the key, not to the caller. When ctx ends, Do returns
// ErrWait and the judge goes on: it gets ctx's values but neither its end nor
// its deadline, so it must bound its own time, and must not touch what belongs
// to the caller's request.
func (g *Gate) Do(ctx context.Context, key string, digest Digest, judge Judge) (Verdict, error) {
	if !g.enter() {
		return 0, ErrClosed
	}
	defer g.running.Done()

	// Another digest goes to the judge, which has to record the conflict.
	if g.cached(key, digest) {
		return Duplicate, nil
	}
	if ctx.Err() != nil {
		return 0, waitError(ctx)
	}
	c := &call{ctx: ctx, key: key, digest: digest, judge: judge, answer: make(chan outcome, 1)}
	owner, err := g.claims.claim(c, g.joiners)
	if err != nil {
		return 0, err
	}
	if owner {
		g.start(c)
	}
	select {
	case o := <-c.answer:
		return o.verdict, o.err
	case <-ctx.Done():
	}
	g.claims.withdraw(c)
	select {
	case o := <-c.answer: // it came at the same time, and knows more
		return o.verdict, o.err
	default:
		return 0, waitError(ctx)
	}
}

// Known says whether Do would answer Duplicate at once, from the cache. False
// says nothing. It spares a caller the making of what only the judge needs.
func (g *Gate) Known(key string, digest Digest) bool {
	if !g.enter() {
		return false
	}
	defer g.running.Done()
	return g.cached(key, digest)
}

// cached compares the whole key: the cache may have found another one's entry.
func (g *Gate) cached(key string, digest Digest) bool {
	e, ok := g.cache.Get(key)
	return ok && e.Key == key && e.Digest == digest
}

var errEnded = fmt.Errorf("%w: its goroutine ended", ErrPanic)

// start runs the judge of the call that owns its key, in a goroutine of its
// own: a caller that goes away must not take a write along that may still land.
func (g *Gate) start(c *call) {
	g.running.Add(1)
	go func() {
		defer g.running.Done()
		o := outcome{err: errEnded}
		defer func() {
			if p := recover(); p != nil {
				// The type only: the value may hold what must not be logged.
				o = outcome{err: fmt.Errorf("%w: %T", ErrPanic, p)}
			}
			g.settle(c, o)
		}()
		o = ask(c)
	}()
}

// ask runs the judge of a call and holds it to its contract.
func ask(c *call) outcome {
	v, err := c.judge(context.WithoutCancel(c.ctx))
	switch {
	case err != nil:
		return outcome{err: err}
	case v != Accepted && v != Duplicate && v != Conflict:
		return outcome{err: fmt.Errorf("%w: %d", ErrVerdict, v)}
	}
	return outcome{verdict: v}
}

// settle passes an outcome on and starts the call that comes next.
func (g *Gate) settle(c *call, o outcome) {
	if o.err == nil && o.verdict != Conflict {
		// A key cut out of a request would keep the request alive.
		key := strings.Clone(c.key)
		g.cache.Set(key, Entry{Key: key, Digest: c.digest})
	}
	if next := g.claims.settle(c, o); next != nil {
		g.start(next)
	}
}

func waitError(ctx context.Context) error {
	return fmt.Errorf("%w: %w", ErrWait, ctx.Err())
}

// enter counts a call in, unless the gate is closed.
func (g *Gate) enter() bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.closed {
		return false
	}
	g.running.Add(1)
	return true
}

// Close refuses further calls with ErrClosed, waits for the running ones and for
// every judge, and ends the built-in cache. Closing twice is no error.
func (g *Gate) Close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	// Only then: a ristretto cache panics when it is closed while in use.
	g.running.Wait()
	g.ended.Do(g.close)
}
