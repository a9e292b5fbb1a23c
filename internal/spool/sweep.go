package spool

import "context"

// Sweeper is implemented by engines that keep retention by work of their own,
// and lets a caller have that work done at once.
type Sweeper interface {
	// Sweep applies age and size limits by the present clock and settings, and
	// returns when nothing more is to be removed. Errors are those of Store.
	Sweep(ctx context.Context) error
}
