//go:build linux

package pgtest

import (
	"context"
	"sync"
	"time"
)

// Failure is how a commit fails that waits for the standby. In each the row is there for
// who reads it on the primary, and on no other machine.
type Failure int

// The ways to fail.
const (
	// Crash kills the session's process: the server ends all sessions and recovers in
	// place.
	Crash Failure = iota
	// Terminate ends the session, as an operator does.
	Terminate
	// Cancel ends the wait: the client is told of a success, with a warning.
	Cancel
	// LoseAnswer lets the commit reach the standby, and the client not hear of it.
	LoseAnswer
)

func (f Failure) String() string {
	return [...]string{"crash", "terminate", "cancel", "lose the answer"}[f]
}

// Faults are the ways of a pair to hold up commits and to fail them.
type Faults struct {
	// AtStandby holds a commit up while it waits for the standby, when the primary has
	// it. Else it is held up before it is asked for.
	AtStandby bool
	// Failure is how a commit fails.
	Failure Failure
}

// faults are those of a pair.
type faults struct {
	mu  sync.Mutex // guards what follows
	how Faults

	sparing int // how many commits pass before some fail
	failing int // how many fail after those

	gateAfter int           // how many commits pass before the gate
	gate      chan struct{} // closed by release, nil where there is no gate
	blocked   chan struct{} // gets a value when a commit has come to the gate

	heal chan struct{} // closed to end the healer, nil where there is none
	done chan struct{} // closed when it has ended
}

// SetFaults says how commits are held up and fail from now on.
func (p *Pair) SetFaults(how Faults) {
	p.faults.mu.Lock()
	defer p.faults.mu.Unlock()
	p.faults.how = how
}

// Fail lets the next after durable commits of clients pass and makes the n that follow
// fail. After the last the standby is paused until a commit waits for it again: until
// then a Failover loses what has failed. An n of 0 ends the faults.
func (p *Pair) Fail(after, n int) {
	f := &p.faults
	f.mu.Lock()
	f.sparing, f.failing = after, n
	f.mu.Unlock()
	if n == 0 {
		p.mend()
	}
}

// Gate lets the next after durable commits of clients pass and holds up every further
// one. blocked gets a value, which waits for its reader, when one has come; release, which
// may be called twice, lets all go on.
func (p *Pair) Gate(after int) (blocked <-chan struct{}, release func()) {
	f := &p.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	gate := make(chan struct{})
	f.gate, f.gateAfter, f.blocked = gate, after, make(chan struct{}, 1)
	return f.blocked, sync.OnceFunc(func() {
		f.mu.Lock()
		if f.gate == gate { // Another gate may stand by now.
			f.gate = nil
		}
		f.mu.Unlock()
		close(gate)
		p.mendIfLast() // Who had the standby paused may have been killed.
	})
}

// EndFaults takes the gate away and ends the faults, after the end of a client. Whoever
// waits at the gate goes on waiting.
func (p *Pair) EndFaults() {
	p.faults.mu.Lock()
	p.faults.gate, p.faults.sparing, p.faults.failing = nil, 0, 0
	p.faults.mu.Unlock()
	p.mend()
}

// mend starts what resumes a paused standby as soon as a commit waits for it.
func (p *Pair) mend() {
	f := &p.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.heal != nil {
		return
	}
	p.mu.Lock()
	standby := p.standby
	p.mu.Unlock()
	if standby == nil || !standby.Paused() {
		return
	}
	heal, done := make(chan struct{}), make(chan struct{})
	f.heal, f.done = heal, done
	go func() {
		defer close(done)
		for {
			select {
			case <-heal:
				return
			case <-time.After(pause):
			}
			var waits bool
			err := p.ask(context.Background(), []any{&waits}, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep')")
			if err == nil && waits {
				_ = standby.ResumeReceiver() // One that has ended is replaced.
				return
			}
		}
	}()
}

// reset ends the faults and what mend has started. A paused standby stays so.
func (f *faults) reset() {
	f.mu.Lock()
	f.gate, f.sparing, f.failing = nil, 0, 0
	f.mu.Unlock()
	f.stopHealing()
}

func (f *faults) stopHealing() {
	f.mu.Lock()
	heal, done := f.heal, f.done
	f.heal, f.done = nil, nil
	f.mu.Unlock()
	if heal != nil {
		close(heal)
		<-done
	}
}
