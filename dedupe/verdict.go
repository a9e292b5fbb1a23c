package dedupe

import (
	"crypto/sha256"
	"errors"
)

// Digest identifies the bytes that came with a key, normally their SHA-256. Two
// bodies with one digest are taken for the same body.
type Digest = [sha256.Size]byte

// Verdict is what a Memory has found out about a key. The zero Verdict is none.
type Verdict uint8

const (
	// Accepted: the key was new and has been accepted by this call.
	Accepted Verdict = iota + 1
	// Duplicate: the key was accepted before, with the same digest.
	Duplicate
	// Conflict: the key was accepted before, with another digest.
	Conflict
)

func (v Verdict) String() string {
	switch v {
	case Accepted:
		return "accepted"
	case Duplicate:
		return "duplicate"
	case Conflict:
		return "conflict"
	}
	return "unknown"
}

// Errors a caller branches on. After each of them it is unknown whether the key
// has been accepted, or will be: the sender should try again.
var (
	// ErrWait: the caller's context ended before the outcome was known. The
	// error also wraps the context's.
	ErrWait = errors.New("outcome not awaited")
	// ErrBusy: too many copies of the key wait already.
	ErrBusy = errors.New("too many copies are waiting")
	// ErrClosed: the Gate was closed.
	ErrClosed = errors.New("gate is closed")
	// ErrPanic: the function that was given panicked, or ended its goroutine.
	ErrPanic = errors.New("function panicked")
	// ErrFull: a Memory holds as many keys as it may, and none has expired.
	ErrFull = errors.New("memory is full")
	// ErrPending: the key is just being handled by another call of a Memory.
	ErrPending = errors.New("key is being handled")
)
