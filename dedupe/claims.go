package dedupe

import (
	"context"
	"hash/maphash"
	"slices"
	"sync"
)

// shardCount keeps callers with different keys off each other's locks.
const shardCount = 64

// call is one caller of Do that is not answered yet.
type call[T any] struct {
	ctx    context.Context
	key    string
	digest Digest
	judge  Judge[T]
	failed bool // a run of its digest failed while it waited
	// generation is the gate's when the judge began, set by the owner of the key.
	generation uint32
	// answer takes the one answer, whether or not the caller still waits.
	answer chan outcome[T]
}

// outcome is what a judge has said, or why it has not.
type outcome[T any] struct {
	value   T
	durable bool
	by      By // of the call that gets it
	err     error
}

// claims is the exact table of keys in flight. A key is in it while the judge
// of one call is running; the others wait behind that in their order, so that a
// failed run is repeated by one of them and not by all at once.
type claims[T any] struct {
	seed   maphash.Seed
	shards [shardCount]shard[T]
}

type shard[T any] struct {
	mu      sync.Mutex
	waiting map[string][]*call[T] // guarded by mu
	_       [48]byte              // one shard a cache line
}

func newClaims[T any]() *claims[T] {
	t := &claims[T]{seed: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].waiting = make(map[string][]*call[T])
	}
	return t
}

func (t *claims[T]) shard(key string) *shard[T] {
	return &t.shards[maphash.String(t.seed, key)%shardCount]
}

// claim gives the key to c and reports so, or lets c wait for it. It refuses with
// ErrBusy if limit calls wait already.
func (t *claims[T]) claim(c *call[T], limit int) (owner bool, err error) {
	s := t.shard(c.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting, taken := s.waiting[c.key]
	switch {
	case !taken:
		s.waiting[c.key] = nil
		return true, nil
	case len(waiting) >= limit:
		return false, ErrBusy
	}
	s.waiting[c.key] = append(waiting, c)
	return false, nil
}

// settle answers the call whose judge ran and all that waited for the same
// outcome, and returns the next call that owns the key, or nil when the key is
// free.
func (t *claims[T]) settle(ran *call[T], o outcome[T]) *call[T] {
	s := t.shard(ran.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	ran.answer <- o
	o.by = Shared
	waiting := slices.DeleteFunc(s.waiting[ran.key], func(c *call[T]) bool {
		if c.digest != ran.digest {
			return false // the outcome says nothing about this one
		}
		if o.err != nil && !c.failed {
			c.failed = true
			return false
		}
		c.answer <- o
		return true
	})
	if len(waiting) == 0 {
		delete(s.waiting, ran.key)
		return nil
	}
	s.waiting[ran.key] = waiting[1:]
	return waiting[0]
}

// withdraw takes a call out of those that wait. One that runs goes on.
func (t *claims[T]) withdraw(c *call[T]) {
	s := t.shard(c.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := s.waiting[c.key]
	if i := slices.Index(waiting, c); i >= 0 {
		s.waiting[c.key] = slices.Delete(waiting, i, i+1)
	}
}
