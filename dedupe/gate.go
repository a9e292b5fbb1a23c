package dedupe

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
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

// Judge answers for one key out of a durable store: if the key is new there it stores
// it, in the same step. What it answers, such as whether the key was new, is a value
// of the caller's own; the gate hands it on. durable says that the key is in the store
// with this call's digest, whoever has put it there: then the gate may answer copies
// without asking again. It is false for a key that is known with another digest, and
// for what was not taken. An error means that nothing is known of the outcome.
//
// It is asked whenever the cache does not know the key, which happens at any time
// and for any key. One that says durable without a store that says so lets copies
// pass: use a Memory where there is no store.
type Judge[T any] func(ctx context.Context) (value T, durable bool, err error)

// By is how a call of Do came by its answer.
type By uint8

const (
	// Own: the call's own judge ran, and the value is what it returned.
	Own By = iota
	// Shared: the judge of a copy ran, beside which this call waited. The value is
	// what that one returned, so a key that was new to it is known to this call.
	Shared
	// Cached: no judge ran. The key is durable with this digest; there is no value.
	Cached
)

// Gate spares a durable store most questions about keys that it knows, and lets
// the copies of a key that is being stored wait. It does not remember by itself:
// see Judge. It is meant to live as long as the process. Its methods may be
// called concurrently.
type Gate[T any] struct {
	cache   Cache
	close   func() // Ends the built-in cache.
	claims  *claims[T]
	joiners int // At most, for one key.
	// generation counts the calls of Forget. Only what a judge of the present one has
	// said is answered from the cache.
	generation atomic.Uint32

	mu      sync.RWMutex // Guards closed, and running.Add against Wait.
	closed  bool
	running sync.WaitGroup // Calls of Do, and judges that outlive them.
	ended   sync.Once
}

// NewGate makes a gate in front of a durable store. It fails if o.IDs is above
// MaxIDs. A program without such a store wants New.
func NewGate[T any](o GateOptions) (*Gate[T], error) {
	g := newGate[T](o.Cache, o.Joiners)
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

func newGate[T any](cache Cache, joiners int) *Gate[T] {
	if joiners <= 0 {
		joiners = DefaultJoiners
	}
	return &Gate[T]{cache: cache, close: func() {}, claims: newClaims[T](), joiners: joiners}
}

// Do returns what the judge says of key, unless the cache knows that the key is
// durable with this digest.
//
// One judge runs at a time for a key. Copies with the same digest share its value. A
// copy with another digest waits and then runs its own judge, so that it can be
// recorded as a conflict. When a run fails, the first of the copies that wait
// runs its judge in turn; a call that has seen two runs fail, or its own, returns
// the error as it is.
//
// The run belongs to the key, not to the caller. When ctx ends, Do returns
// ErrWait and the judge goes on: it gets ctx's values but neither its end nor
// its deadline, so it must bound its own time, and must not touch what belongs
// to the caller's request.
func (g *Gate[T]) Do(ctx context.Context, key string, digest Digest, judge Judge[T]) (value T, by By, err error) {
	if !g.enter() {
		return value, Own, ErrClosed
	}
	defer g.running.Done()

	// Another digest goes to the judge, which has to record the conflict.
	if g.cached(key, digest) {
		return value, Cached, nil
	}
	if ctx.Err() != nil {
		return value, Own, waitError(ctx)
	}
	c := &call[T]{ctx: ctx, key: key, digest: digest, judge: judge, answer: make(chan outcome[T], 1)}
	owner, err := g.claims.claim(c, g.joiners)
	if err != nil {
		return value, Own, err
	}
	if owner {
		g.start(c)
	}
	select {
	case o := <-c.answer:
		return o.value, o.by, o.err
	case <-ctx.Done():
	}
	g.claims.withdraw(c)
	select {
	case o := <-c.answer: // it came at the same time, and knows more
		return o.value, o.by, o.err
	default:
		return value, Own, waitError(ctx)
	}
}

// Known reports whether Do would answer from the cache at once. False says nothing. It spares a caller the making of what only the judge needs.
func (g *Gate[T]) Known(key string, digest Digest) bool {
	if !g.enter() {
		return false
	}
	defer g.running.Done()
	return g.cached(key, digest)
}

// cached compares the whole key: the cache may have found another one's entry.
func (g *Gate[T]) cached(key string, digest Digest) bool {
	e, ok := g.cache.Get(key)
	return ok && e.Key == key && e.Digest == digest && e.generation == g.generation.Load()
}

// Forget drops what the gate has cached: what a judge has said that began before it
// spares no later call its judge. It is for a store that may have lost what was durable,
// as a database may whose standby has taken over. It costs nothing, and calls that wait
// go on.
func (g *Gate[T]) Forget() { g.generation.Add(1) }

var errEnded = fmt.Errorf("%w: its goroutine ended", ErrPanic)

// start runs the judge of the call that owns its key, in a goroutine of its
// own: a caller that goes away must not take a write along that may still land.
func (g *Gate[T]) start(c *call[T]) {
	g.running.Add(1)
	c.generation = g.generation.Load()
	go func() {
		defer g.running.Done()
		o := outcome[T]{err: errEnded}
		defer func() {
			if p := recover(); p != nil {
				// The type only: the value may hold what must not be logged.
				o = outcome[T]{err: fmt.Errorf("%w: %T", ErrPanic, p)}
			}
			g.settle(c, o)
		}()
		o = ask(c)
	}()
}

// ask runs the judge of a call. Of a failed run no value is handed on.
func ask[T any](c *call[T]) (o outcome[T]) {
	if o.value, o.durable, o.err = c.judge(context.WithoutCancel(c.ctx)); o.err != nil {
		return outcome[T]{err: o.err}
	}
	return o
}

// settle passes an outcome on and starts the call that comes next.
func (g *Gate[T]) settle(c *call[T], o outcome[T]) {
	if o.err == nil && o.durable {
		// A key cut out of a request would keep the request alive.
		key := strings.Clone(c.key)
		g.cache.Set(key, Entry{Key: key, Digest: c.digest, generation: c.generation})
	}
	if next := g.claims.settle(c, o); next != nil {
		g.start(next)
	}
}

func waitError(ctx context.Context) error {
	return fmt.Errorf("%w: %w", ErrWait, ctx.Err())
}

// enter counts a call in, unless the gate is closed.
func (g *Gate[T]) enter() bool {
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
func (g *Gate[T]) Close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	// Only then: a ristretto cache panics when it is closed while in use.
	g.running.Wait()
	g.ended.Do(g.close)
}
