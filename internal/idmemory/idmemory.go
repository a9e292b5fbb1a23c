// Package idmemory judges copies and ages in memory, for a webhook that stores nothing.
//
// Guarantee: within the window an id is handled successfully once, by one call at a
// time, and an id that may have been forgotten is too old to be taken as new.
//
// Limits: a restart forgets everything, and each process has its own memory. When it
// is full of ids that are not old enough to be forgotten, new ones are refused.
package idmemory

import (
	"context"
	"time"

	"github.com/inboxgate/inboxgate/dedupe"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// MaxIDs is how many ids a Memory holds at most.
const MaxIDs = 1 << 20

// Memory is what is known of the ids of one source.
type Memory struct {
	seen  *dedupe.Memory
	gate  *dedupe.Gate[dedupe.Verdict] // Lets copies wait. It caches nothing: seen is the judge, and forgets.
	fresh *freshness
}

// Open returns an empty memory that remembers ids for the window.
func Open(window time.Duration) (*Memory, error) {
	gate, err := dedupe.NewGate[dedupe.Verdict](dedupe.GateOptions{IDs: -1})
	if err != nil {
		return nil, err
	}
	return &Memory{
		seen: dedupe.NewMemory(window, MaxIDs, nil), gate: gate,
		fresh: &freshness{clock: spool.NewClock(nil, time.Time{}), window: window},
	}, nil
}

// SetWindow changes how long ids are remembered, those among them that are held
// already.
func (m *Memory) SetWindow(window time.Duration) {
	m.seen.SetWindow(window)
	m.fresh.setWindow(window)
}

// Do runs handle if key is new, and remembers it if handle returned nil. Copies that
// come while it runs wait for its outcome, also after the end of ctx: handle is to end
// with ctx. created is what the event says of its age, zero if it says nothing.
func (m *Memory) Do(ctx context.Context, key string, digest dedupe.Digest, created time.Time, handle func(context.Context) error) (dedupe.Verdict, dedupe.By, error) {
	return m.gate.Do(context.WithoutCancel(ctx), key, digest, func(context.Context) (dedupe.Verdict, bool, error) {
		v, err := m.seen.Accept(ctx, key, digest, handle)
		if v == dedupe.Accepted && !created.IsZero() {
			m.fresh.took(created)
		}
		return v, v != dedupe.Conflict, err
	})
}

// TooOld reports whether the id of an event of that age may have been remembered and
// forgotten.
func (m *Memory) TooOld(created time.Time) bool {
	if created.IsZero() {
		return false
	}
	why, _ := m.fresh.stale(created)
	return why == spool.ReasonOld || why == spool.ReasonBelow // What lies ahead is none of that.
}

// Destruct ends the memory after its last user has gone. Caddy's usage pools call it
// by this name.
func (m *Memory) Destruct() error {
	m.gate.Close()
	return nil
}
