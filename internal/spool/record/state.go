package record

import "github.com/inboxgate/inboxgate/internal/spool"

// Stored states of a delivery besides those of package spool up to Dead, which are stored
// as they are.
const (
	// Requeued is shown as Available: it has lived before (it is a replay, or was given
	// back after a retry), so it is queued by its due time.
	Requeued = 6
	// Discarded is spool.Discarded.
	Discarded = 7
	// Behind is shown as Available with DeliveryRecord.Behind: it waits for another
	// delivery of its key to end, and is in no queue until then.
	Behind = 8
)

// PublicState returns the state that callers see for a stored one.
func PublicState[T int16 | int64](state T) spool.State {
	switch state {
	case Requeued, Behind:
		return spool.Available
	case Discarded:
		return spool.Discarded
	}
	return spool.State(state)
}
