package dashboard

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// fresh is how long an answer of the API is shown to others.
const fresh = time.Second

// askWithin bounds a call of which many wait for the answer.
const askWithin = 10 * time.Second

// glance is one answer of the API that many pages show: whoever comes within a second
// sees the same, and one call at a time is made.
type glance[T any] struct {
	now    func() time.Time
	ask    func(context.Context) (T, error)
	within time.Duration // of one call
	flight singleflight.Group

	mu    sync.Mutex // guards what follows
	at    time.Time  // when last was asked for
	last  T
	valid bool
	// turn counts the calls of forget: an answer that was asked for before one is not kept.
	turn int
}

func newGlance[T any](now func() time.Time, ask func(context.Context) (T, error)) *glance[T] {
	return &glance[T]{now: now, ask: ask, within: askWithin}
}

// get returns an answer that is not older than fresh.
func (g *glance[T]) get(ctx context.Context) (T, error) { return g.getWithin(ctx, fresh) }

// getWithin returns an answer that is not older than age.
func (g *glance[T]) getWithin(ctx context.Context, age time.Duration) (T, error) {
	g.mu.Lock()
	last, ok := g.last, g.valid && g.now().Sub(g.at) < age
	g.mu.Unlock()
	if ok {
		return last, nil
	}
	c := g.flight.DoChan("", func() (any, error) {
		// Not of the first who asks alone: others wait for the answer.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.within)
		defer cancel()
		at := g.now()
		g.mu.Lock()
		turn := g.turn
		g.mu.Unlock()
		v, err := g.ask(ctx)
		g.mu.Lock()
		if err == nil && turn == g.turn {
			g.last, g.at, g.valid = v, at, true
		}
		g.mu.Unlock()
		return v, err
	})
	select {
	case r := <-c:
		v, _ := r.Val.(T)
		return v, r.Err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// forget lets the next get ask again, after a change.
func (g *glance[T]) forget() {
	g.mu.Lock()
	g.valid = false
	g.turn++
	g.mu.Unlock()
	g.flight.Forget("")
}
