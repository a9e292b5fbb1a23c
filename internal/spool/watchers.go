package spool

import "sync"

// Watchers are functions that an engine calls after commits. The zero value has none. It
// is safe for concurrent use.
type Watchers[T any] struct {
	// mu guards last and fs. It is not held while a function runs.
	mu sync.Mutex
	// last is the key of the function that was added last.
	last int
	fs   map[int]func(T)
}

// Add has f called until stop.
func (t *Watchers[T]) Add(f func(T)) (stop func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fs == nil {
		t.fs = map[int]func(T){}
	}
	t.last++
	n := t.last
	t.fs[n] = f
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.fs, n)
	}
}

// Notify calls every function. One that was stopped meanwhile may be called once more.
func (t *Watchers[T]) Notify(v T) {
	t.mu.Lock()
	fs := make([]func(T), 0, len(t.fs))
	for _, f := range t.fs {
		fs = append(fs, f)
	}
	t.mu.Unlock()
	for _, f := range fs {
		f(v)
	}
}
