package spool

import "errors"

// Errors that a caller branches on. To a sender, each that an accept may return means
// that it should try again later: 503.
var (
	// ErrClosed is returned by every call after Close.
	ErrClosed = errors.New("store is closed")
	// ErrUnavailable means that the last commit failed, so that nothing is believed
	// until the store has been reopened. The outcome of the call is unknown.
	ErrUnavailable = errors.New("store is unavailable")
	// ErrFull means that free disk is below the floor, or that undelivered data and
	// remembered ids fill MaxSize.
	ErrFull = errors.New("store is full")
	// ErrQuarantineFull means that quarantine has used up its share. Good events go
	// on.
	ErrQuarantineFull = errors.New("quarantine is full")
	// ErrBusy means that what only one caller may do at a time is being done.
	ErrBusy = errors.New("store is busy")
	// ErrNoRoom means that the disk has no room for a copy beside what new events need.
	ErrNoRoom = errors.New("no room")
	// ErrClock means that neither the machine nor the store knows the time, so that
	// the age of an event is not known.
	ErrClock = errors.New("the machine's clock is not set")
	// ErrDamaged means that the files hold less, or other bytes, than was stored.
	// Where a store cannot be opened for it, the text says what to do; otherwise one
	// event cannot be read.
	ErrDamaged = errors.New("store is damaged")
	// ErrLeaseLost means that the lease ran out and the delivery was taken over, or was
	// settled before.
	ErrLeaseLost = errors.New("lease is lost")
	// ErrHoldChanged means that an operator or another dispatcher was there first:
	// the hold of the route is not the one that a dispatcher would change.
	ErrHoldChanged = errors.New("hold has changed")
	// ErrNotFound means that there is no event, delivery or entry of that number, or no
	// route of that name.
	ErrNotFound = errors.New("not found")
)
