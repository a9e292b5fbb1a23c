package caddymodule

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/inboxgate/inboxgate/dedupe"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// memories holds the ids that pass mode has seen, one memory a source, so that
// a reload forgets none.
var memories = caddy.NewUsagePool()

// passIDs bounds the ids that a memory holds: when it is full, new events get 503.
const passIDs = 1 << 20

// memory judges duplicates where there is no store.
type memory struct {
	source string
	seen   *dedupe.Memory
	gate   *dedupe.Gate
	fresh  *freshness
}

func openMemory(source string, window time.Duration) (*memory, error) {
	v, _, err := memories.LoadOrNew(source, func() (caddy.Destructor, error) {
		// The memory is the judge, and it forgets: a cache in front of it must not
		// know an id for longer.
		gate, err := dedupe.NewGate(dedupe.GateOptions{IDs: -1})
		if err != nil {
			return nil, err
		}
		return &memory{source: source, seen: dedupe.NewMemory(window, passIDs, nil), gate: gate, fresh: &freshness{clock: spool.NewClock(nil, time.Time{})}}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("making the memory of %s: %w", source, err)
	}
	m := v.(*memory)
	m.seen.SetWindow(window) // A reload may have changed it.
	return m, nil
}

func closeMemory(m *memory) { _, _ = memories.Delete(m.source) }

// Destruct ends the memory after its last user has gone.
func (m *memory) Destruct() error {
	m.gate.Close()
	return nil
}
