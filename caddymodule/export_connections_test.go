package caddymodule

// BoundConnections has at most n connections wait in each queue, until it is undone.
func BoundConnections(n int) (undo func()) {
	s := waiting()
	set := func(n int) (before int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		before, s.max = s.max, n
		return before
	}
	before := set(n)
	return func() { set(before) }
}
