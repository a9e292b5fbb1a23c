package spooltest

import "sync"

// Syncs holds up and fails the syncs of an engine's medium, as FailSyncs and
// GateSyncs of Engine describe it. An engine asks Pass and then Fails at each
// sync. The zero value lets all of them through. It is safe for concurrent use.
type Syncs struct {
	mu sync.Mutex // guards all fields

	sparing int // how many syncs pass before some fail
	failing int // how many fail after those

	gateAfter int           // how many syncs pass before the gate
	gate      chan struct{} // closed by release, nil where there is no gate
	blocked   chan struct{} // gets a value when a sync has come to the gate
}

// Fail lets the next after syncs pass and makes the n that follow fail. It
// implements Engine.FailSyncs.
func (s *Syncs) Fail(after, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sparing, s.failing = after, n
}

// Gate lets the next after syncs pass and holds up every further one until
// release. It implements Engine.GateSyncs.
func (s *Syncs) Gate(after int) (blocked <-chan struct{}, release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gate := make(chan struct{})
	s.gate, s.gateAfter, s.blocked = gate, after, make(chan struct{}, 1)
	return s.blocked, sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.gate == gate { // Another gate may stand by now.
			s.gate = nil
		}
		close(gate)
	})
}

// Reset takes the gate away and ends the faults, as the end of a process does.
// What waits at the gate goes on waiting: its process is over.
func (s *Syncs) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate, s.sparing, s.failing = nil, 0, 0
}

// Pass waits at the gate, if there is one, and reports whether the sync came
// through before its process was over.
func (s *Syncs) Pass(over <-chan struct{}) bool {
	s.mu.Lock()
	gate, blocked := s.gate, s.blocked
	if gate != nil && s.gateAfter > 0 {
		s.gateAfter--
		gate = nil
	}
	s.mu.Unlock()
	if gate == nil {
		return true
	}
	select {
	case blocked <- struct{}{}:
	default: // Nobody has read the value before.
	}
	select {
	case <-gate:
		return true
	case <-over:
		return false
	}
}

// Fails counts a sync that came through, and reports whether it is to fail.
func (s *Syncs) Fails() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.failing == 0:
		return false
	case s.sparing > 0:
		s.sparing--
		return false
	}
	s.failing--
	return true
}
