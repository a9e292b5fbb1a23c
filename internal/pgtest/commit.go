//go:build linux

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// arrive returns the gate that a commit has to wait at, if any.
func (f *faults) arrive() (gate, blocked chan struct{}, how Faults) {
	f.mu.Lock()
	defer f.mu.Unlock()
	gate = f.gate
	if gate != nil && f.gateAfter > 0 {
		f.gateAfter--
		gate = nil
	}
	return gate, f.blocked, f.how
}

// fails counts a commit, and says whether it is to fail.
func (f *faults) fails() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.failing == 0:
		return false
	case f.sparing > 0:
		f.sparing--
		return false
	}
	f.failing--
	return true
}

// commit passes the message by which a session ends a durable transaction, or what the
// faults make of it.
func (p *Pair) commit(s *session, message []byte) error {
	gate, blocked, how := p.faults.arrive()
	if gate == nil || !how.AtStandby {
		if gate != nil {
			if err := p.caughtUp(s); err != nil {
				return err
			}
		}
		if !hold(s, gate, blocked) {
			return errKilled
		}
		if !p.faults.fails() {
			return s.pass(message)
		}
		if how.Failure == LoseAnswer {
			return p.loseAnswer(s, message)
		}
		waits, err := p.halt(s, message)
		if err != nil || !waits {
			return p.unused(err)
		}
		return p.fail(s, how.Failure)
	}
	waits, err := p.halt(s, message)
	if err != nil || !waits {
		return err
	}
	if !hold(s, gate, blocked) {
		return errKilled
	}
	if p.faults.fails() && how.Failure != LoseAnswer {
		return p.fail(s, how.Failure)
	}
	p.mend()
	return nil
}

// hold waits at a gate, and says whether the session came through before it was over.
func hold(s *session, gate <-chan struct{}, blocked chan<- struct{}) bool {
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
	case <-s.over:
	case <-s.client.over:
	}
	return false
}

// caughtUp waits until the server has done all that a session has passed so far, so that
// what comes to the gate later comes later there too. Who waits for a lock has to.
func (p *Pair) caughtUp(s *session) error {
	err := p.Primary().Until("postgres", `SELECT coalesce(bool_or(state = 'active' AND (wait_event = 'ClientRead' OR wait_event_type = 'Lock')), true)
		FROM pg_stat_activity WHERE pid = $1`, s.pid.Load())
	if err != nil {
		return fmt.Errorf("waiting for a session at the gate: %w", err)
	}
	return nil
}

// halt pauses the standby, passes the end of a transaction, and says whether it waits
// for the standby now: one that has written nothing does not.
func (p *Pair) halt(s *session, message []byte) (waits bool, err error) {
	p.faults.stopHealing()
	p.mu.Lock()
	standby := p.standby
	p.mu.Unlock()
	if err := standby.PauseReceiver(); err != nil {
		return false, err
	}
	return p.passed(s, message)
}

// passed passes the end of a transaction and returns when it has ended or waits for the
// standby.
func (p *Pair) passed(s *session, message []byte) (waits bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	pid := s.pid.Load()
	var since time.Time
	if err := p.ask(ctx, []any{&since}, "SELECT clock_timestamp()"); err != nil {
		return false, err
	}
	if err := s.pass(message); err != nil {
		return false, err
	}
	for ; ctx.Err() == nil; time.Sleep(pause / 5) {
		var over bool
		err = p.ask(ctx, []any{&waits, &over}, `SELECT coalesce(bool_or(wait_event = 'SyncRep'), false),
			coalesce(bool_and(state <> 'active' AND state_change > $2), true)
			FROM pg_stat_activity WHERE pid = $1`, pid, since)
		if err == nil && (waits || over) {
			return waits, nil
		}
	}
	return false, errors.Join(fmt.Errorf("a transaction has not ended after %s", Patience), err)
}

// fail fails a commit that waits for the standby.
func (p *Pair) fail(s *session, how Failure) (err error) {
	defer p.mendIfLast()
	pid := int(s.pid.Load())
	var done bool
	switch how {
	case Crash:
		return p.Primary().KillBackend(pid)
	case Terminate:
		err = p.ask(context.Background(), []any{&done}, "SELECT pg_terminate_backend($1)", pid)
	case Cancel:
		err = p.ask(context.Background(), []any{&done}, "SELECT pg_cancel_backend($1)", pid)
	}
	if err != nil {
		return err
	}
	// It has left the wait before the standby goes on.
	return p.Primary().Until("postgres", "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'SyncRep')", pid)
}

// loseAnswer lets a transaction end, and the session before it hears of it.
func (p *Pair) loseAnswer(s *session, message []byte) error {
	s.mute.Store(true)
	waits, err := p.passed(s, message)
	if err == nil && waits {
		err = p.Primary().Until("postgres", "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'SyncRep')", s.pid.Load())
	}
	return errors.Join(err, s.Close())
}

// unused gives back the failure of a commit that had written nothing.
func (p *Pair) unused(err error) error {
	p.faults.mu.Lock()
	p.faults.failing++
	p.faults.mu.Unlock()
	return err
}

// mendIfLast mends where no more commits are to fail.
func (p *Pair) mendIfLast() {
	p.faults.mu.Lock()
	more := p.faults.failing > 0
	p.faults.mu.Unlock()
	if !more {
		p.mend()
	}
}
