package dedupe_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/dgraph-io/ristretto/v2"

	"github.com/inboxgate/inboxgate/dedupe"
)

type acceptFunc = judge

// recorder stands in for a testing.TB and keeps what would have failed.
type recorder struct {
	mu       sync.Mutex
	failures []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

// Gates as they are often written, and the promises that each must be caught
// breaking. They show that the promises can fail.
var broken = []struct {
	name   string
	make   func(t testing.TB) (gate, func())
	breaks []string
}{
	{"marks the id before accept has finished", func(testing.TB) (gate, func()) {
		return &marksEarly{known: map[keyed]bool{}}, func() {}
	}, []string{"copies share one run", "a failed run is done again"}},
	{"frees the key on success only", func(testing.TB) (gate, func()) {
		return &keepsFailed{runs: map[string]chan struct{}{}}, func() {}
	}, []string{"what failed is not remembered", "two failed runs are an error"}},
	{"gets and sets a ristretto cache", newCacheAlone, []string{"copies share one run", "a failed run is done again"}},
	{"remembers whatever was tried", wrap(func(g gate) gate {
		return &remembersAll{gate: g, known: map[keyed]bool{}}
	}), []string{"what failed is not remembered", "other bodies are judged each time", "what is not durable is not remembered"}},
	{"compares keys only", wrap(func(g gate) gate {
		return &ignoresDigest{gate: g, known: map[string]bool{}}
	}), []string{"other bodies are judged each time", "another body waits for its turn"}},
	{"runs accept under the caller's context", wrap(func(g gate) gate {
		return callersContext{g}
	}), []string{"a caller that goes away cancels nothing"}},
	{"trusts the cache's hash", func(t testing.TB) (gate, func()) {
		return open(t, dedupe.GateOptions{Cache: &trustsHash{}})
	}, []string{"equal bodies under two keys are two events"}},
	{"lets all who wait try at once", func(testing.TB) (gate, func()) {
		return &stampedes{runs: map[string]chan struct{}{}}, func() {}
	}, []string{"copies share one run", "another body waits for its turn"}},
}

func TestPromisesCatchBrokenGates(t *testing.T) {
	t.Parallel()
	for _, b := range broken {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			failed := map[string]bool{}
			for _, p := range promises {
				if p.name == "a panic is an error and frees the key" {
					continue // would end the process in a gate that does not recover
				}
				synctest.Test(t, func(t *testing.T) {
					g, end := b.make(t)
					var r recorder
					p.check(&r, g)
					failed[p.name] = len(r.failures) > 0
					end()
				})
			}
			for _, name := range b.breaks {
				if broke, ran := failed[name]; !ran || !broke {
					t.Errorf("promise %q was not seen to be broken (checked: %v)", name, ran)
				}
			}
		})
	}
}

func wrap(f func(gate) gate) func(testing.TB) (gate, func()) {
	return func(t testing.TB) (gate, func()) {
		g, end := open(t, dedupe.GateOptions{IDs: -1})
		return f(g), end
	}
}

type marksEarly struct {
	mu    sync.Mutex
	known map[keyed]bool
}

func (g *marksEarly) Do(ctx context.Context, key string, d dedupe.Digest, accept acceptFunc) (dedupe.Verdict, error) {
	k := keyed{key, d}
	g.mu.Lock()
	known := g.known[k]
	g.known[k] = true
	g.mu.Unlock()
	if known {
		return dedupe.Duplicate, nil
	}
	v, err := accept(context.WithoutCancel(ctx))
	if err != nil || v == dedupe.Conflict {
		g.mu.Lock()
		delete(g.known, k)
		g.mu.Unlock()
	}
	return v, err
}

type keepsFailed struct {
	mu   sync.Mutex
	runs map[string]chan struct{}
}

func (g *keepsFailed) Do(ctx context.Context, key string, _ dedupe.Digest, accept acceptFunc) (dedupe.Verdict, error) {
	for {
		g.mu.Lock()
		done, taken := g.runs[key]
		if !taken {
			done = make(chan struct{})
			g.runs[key] = done
		}
		g.mu.Unlock()
		if !taken {
			v, err := accept(context.WithoutCancel(ctx))
			if err == nil {
				g.mu.Lock()
				delete(g.runs, key)
				g.mu.Unlock()
				close(done)
			}
			return v, err
		}
		select {
		case <-done:
		case <-ctx.Done():
			return 0, fmt.Errorf("%w: %w", dedupe.ErrWait, ctx.Err())
		}
	}
}

// stampedes wakes everyone who waits, and each runs accept without a claim.
type stampedes struct {
	mu   sync.Mutex
	runs map[string]chan struct{}
}

func (g *stampedes) Do(ctx context.Context, key string, _ dedupe.Digest, accept acceptFunc) (dedupe.Verdict, error) {
	g.mu.Lock()
	done, taken := g.runs[key]
	if !taken {
		done = make(chan struct{})
		g.runs[key] = done
	}
	g.mu.Unlock()
	if taken {
		<-done
		return accept(ctx)
	}
	defer func() {
		g.mu.Lock()
		delete(g.runs, key)
		g.mu.Unlock()
		close(done)
	}()
	return accept(ctx)
}

type cacheAlone struct {
	c *ristretto.Cache[string, dedupe.Digest]
}

func newCacheAlone(t testing.TB) (gate, func()) {
	c, err := ristretto.NewCache(&ristretto.Config[string, dedupe.Digest]{
		NumCounters: 10_000, MaxCost: 1000, BufferItems: 64, IgnoreInternalCost: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return cacheAlone{c}, c.Close
}

func (g cacheAlone) Do(ctx context.Context, key string, d dedupe.Digest, accept acceptFunc) (dedupe.Verdict, error) {
	if known, ok := g.c.Get(key); ok && known == d {
		return dedupe.Duplicate, nil
	}
	v, err := accept(context.WithoutCancel(ctx))
	if err == nil {
		g.c.Set(key, d, 1)
	}
	return v, err
}

type remembersAll struct {
	gate
	mu    sync.Mutex
	known map[keyed]bool
}

func (g *remembersAll) Do(ctx context.Context, key string, d dedupe.Digest, accept acceptFunc) (dedupe.Verdict, error) {
	g.mu.Lock()
	known := g.known[keyed{key, d}]
	g.mu.Unlock()
	if known {
		return dedupe.Duplicate, nil
	}
	v, err := g.gate.Do(ctx, key, d, accept)
	g.mu.Lock()
	g.known[keyed{key, d}] = true
	g.mu.Unlock()
	return v, err
}

type ignoresDigest struct {
	gate
	mu    sync.Mutex
	known map[string]bool
}

func (g *ignoresDigest) Do(ctx context.Context, key string, _ dedupe.Digest, accept acceptFunc) (dedupe.Verdict, error) {
	g.mu.Lock()
	known := g.known[key]
	g.mu.Unlock()
	if known {
		return dedupe.Duplicate, nil
	}
	v, err := g.gate.Do(ctx, key, dedupe.Digest{}, accept)
	if err == nil {
		g.mu.Lock()
		g.known[key] = true
		g.mu.Unlock()
	}
	return v, err
}

type callersContext struct{ gate }

func (g callersContext) Do(ctx context.Context, key string, d dedupe.Digest, accept acceptFunc) (dedupe.Verdict, error) {
	return g.gate.Do(ctx, key, d, func(context.Context) (dedupe.Verdict, error) { return accept(ctx) })
}

type trustsHash struct{ collides }

func (c *trustsHash) Get(key string) (dedupe.Entry, bool) {
	e, ok := c.collides.Get(key)
	e.Key = key
	return e, ok
}
