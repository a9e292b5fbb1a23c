package spool

import "errors"

// Errors a caller branches on. To a sender, each that an accept may return means
// that it should try again later: 503.
var (
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store is closed")
	// ErrUnavailable: the last commit failed, so nothing is believed until the
	// store has been reopened. The outcome of the call is unknown.
	ErrUnavailable = errors.New("store is unavailable")
	// ErrFull: free disk is below the floor, or undelivered data and
	// remembered ids fill MaxSize.
	ErrFull = errors.New("store is full")
	// ErrQuarantineFull: quarantine has used up its share; good events go on.
	ErrQuarantineFull = errors.New("quarantine is full")
	// ErrBusy: what only one may do at a time is being done.
	ErrBusy = errors.New("store is busy")
	// ErrNoRoom: the disk has no room for a copy beside what new events need.
	ErrNoRoom = errors.New("no room")
	// ErrClock: neither the machine nor the store knows the time, so nothing can
	// be said of an event's age.
	ErrClock = errors.New("the machine's clock is not set")
	// ErrDamaged: the files hold less, or other bytes, than was stored. Of
	// opening a store it says what to do; of an event, that it cannot be read.
	ErrDamaged = errors.New("store is damaged")
	// ErrLeaseLost: the lease ran out and the delivery was taken over, or was
	// settled before.
	ErrLeaseLost = errors.New("lease is lost")
	// ErrNotFound: no event, delivery or entry of that number.
	ErrNotFound = errors.New("not found")
)
