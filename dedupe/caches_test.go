package dedupe_test

import (
	"sync"
	"testing"
	"testing/synctest"

	"github.com/dgraph-io/ristretto/v2"

	"github.com/inboxgate/inboxgate/dedupe"
)

// The caches that a gate must not notice. Each makes a gate and what ends it;
// nothing may be shared between two calls.
var caches = []struct {
	name string
	make func(t testing.TB) (g realGate, end func())
}{
	{"ristretto", func(t testing.TB) (realGate, func()) { return open(t, dedupe.GateOptions{IDs: 1000}) }},
	{"ristretto for one id", func(t testing.TB) (realGate, func()) { return open(t, dedupe.GateOptions{IDs: 1}) }},
	{"none", func(t testing.TB) (realGate, func()) { return open(t, dedupe.GateOptions{IDs: -1}) }},
	{"remembers all", func(t testing.TB) (realGate, func()) {
		return open(t, dedupe.GateOptions{Cache: &perfect{m: map[string]dedupe.Entry{}}})
	}},
	{"drops everything", func(t testing.TB) (realGate, func()) { return open(t, dedupe.GateOptions{Cache: drops{}}) }},
	{"always collides", func(t testing.TB) (realGate, func()) {
		return open(t, dedupe.GateOptions{Cache: &collides{}})
	}},
	{"evicts on every hit", func(t testing.TB) (realGate, func()) {
		return open(t, dedupe.GateOptions{Cache: &evicts{m: map[string]dedupe.Entry{}}})
	}},
	{"ristretto with one hash for all", func(t testing.TB) (realGate, func()) {
		c := newSameHash(t)
		g, end := open(t, dedupe.GateOptions{Cache: c})
		return g, func() { end(); c.c.Close() }
	}},
}

func open(t testing.TB, o dedupe.GateOptions) (realGate, func()) {
	t.Helper()
	g, err := dedupe.NewGate[dedupe.Verdict](o)
	if err != nil {
		t.Fatal(err)
	}
	return realGate{g}, g.Close
}

func TestPromisesUnderEveryCache(t *testing.T) {
	t.Parallel()
	for _, c := range caches {
		for _, p := range promises {
			t.Run(c.name+"/"+p.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					g, end := c.make(t)
					p.check(t, g)
					end()
				})
			})
		}
	}
}

// One of these caches must really collide, or the tests above show nothing.
func TestSameHashCollides(t *testing.T) {
	t.Parallel()
	c := newSameHash(t)
	defer c.c.Close()
	c.Set("a", dedupe.Entry{Key: "a", Digest: body(1)})
	c.c.Wait()
	if e, ok := c.Get("b"); !ok || e.Key != "a" {
		t.Fatalf("Get(b) = %v, %v; want the entry of a", e.Key, ok)
	}
}

// A hit is what a cache is for: it must spare the judge.
func TestHitAsksNobody(t *testing.T) {
	t.Parallel()
	for _, i := range []int{0, 3} { // ristretto; remembers all
		t.Run(caches[i].name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g, end := caches[i].make(t)
				defer end()
				l := newLedger()
				l.write("known", body(1))
				for _, key := range []string{"new", "known"} {
					for range 3 {
						do(g, key, body(1), l.accept(key, body(1), nil))
					}
					wantRuns(t, l, key, 1)
				}
			})
		})
	}
}

type drops struct{}

func (drops) Get(string) (dedupe.Entry, bool) { return dedupe.Entry{}, false }
func (drops) Set(string, dedupe.Entry)        {}

type perfect struct {
	mu sync.Mutex
	m  map[string]dedupe.Entry
}

func (c *perfect) Get(key string) (dedupe.Entry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.m[key]
	return e, ok
}

func (c *perfect) Set(key string, e dedupe.Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.m[key] = e
}

// collides answers every key with what was set last.
type collides struct {
	mu  sync.Mutex
	e   dedupe.Entry
	set bool
}

func (c *collides) Get(string) (dedupe.Entry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.e, c.set
}

func (c *collides) Set(_ string, e dedupe.Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.e, c.set = e, true
}

// evicts forgets a key when it is asked for, and all others when one is set.
type evicts struct {
	mu sync.Mutex
	m  map[string]dedupe.Entry
}

func (c *evicts) Get(key string) (dedupe.Entry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.m[key]
	delete(c.m, key)
	return e, ok
}

func (c *evicts) Set(key string, e dedupe.Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.m)
	c.m[key] = e
}

// sameHash is a real ristretto cache in which all keys have one hash; a zero
// second hash is not compared.
type sameHash struct {
	c *ristretto.Cache[string, dedupe.Entry]
}

func newSameHash(t testing.TB) sameHash {
	t.Helper()
	c, err := ristretto.NewCache(&ristretto.Config[string, dedupe.Entry]{
		NumCounters: 1000, MaxCost: 100, BufferItems: 64, IgnoreInternalCost: true,
		KeyToHash: func(string) (uint64, uint64) { return 1, 0 },
	})
	if err != nil {
		t.Fatal(err)
	}
	return sameHash{c}
}

func (s sameHash) Get(key string) (dedupe.Entry, bool) { return s.c.Get(key) }
func (s sameHash) Set(key string, e dedupe.Entry)      { s.c.Set(key, e, 1) }
