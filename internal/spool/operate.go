package spool

import (
	"context"
	"io"
	"time"
)

// Operator is what people do with a store, and see of it, beside its Log.
type Operator interface {
	// Redeliver makes finished deliveries (Delivered, Dead, Discarded) of an event
	// wait again as their next replay, with a fresh budget; durable when it returns.
	// An empty Route means every route that the event has a delivery for; a
	// Route the event had none for gets one, which is its first replay: the
	// platform did not ask for it. Only that one takes the Key; others keep the one
	// they were made with. Where a delivery of the same key waits or runs, the replay
	// waits behind it; of those that do, the lowest Seq goes first. Start has no
	// meaning here. It returns how many now wait.
	// Deliveries that are not finished are left alone and not counted.
	Redeliver(ctx context.Context, seq int64, to RouteWish) (int, error)
	// Discard ends the dead deliveries of an event, of one route or (where
	// route is empty) of all, as Discarded; durable when it returns. It returns
	// how many there were. The event stays in the log until it is old enough.
	Discard(ctx context.Context, seq int64, route string) (int, error)
	// DiscardOdd removes an entry from quarantine; durable when it returns.
	DiscardOdd(ctx context.Context, entry int64) error
	// Identity is the store's own for life: the same after a restart, a restore and a
	// move, and for every process that shares the store; no two stores made apart
	// have the same.
	Identity() string
	// Stats returns how the store is. It is cheap and needs no disk.
	Stats() Stats
}

// Embedded is implemented by engines whose storage is a file of their own. It is no
// part of Store, because a database server has its own tools for both, which an
// operator must be pointed to instead.
type Embedded interface {
	// Backup makes a whole and consistent copy while the store works: it holds all
	// that was committed before the call, and more. One at a time: until it is
	// closed, others get ErrBusy, which says since when and for whom; by names the
	// caller, for them. It fails with ErrNoRoom where new events could be refused
	// for it. p may be nil.
	Backup(ctx context.Context, by string, p Progress) (Copy, error)
	// Compact returns how many bytes the file system got back. Other calls go
	// on meanwhile. p may be nil.
	Compact(ctx context.Context, p Progress) (int64, error)
}

// Progress is called with how much of a long piece of work is done. It must not block.
type Progress func(done, total int64)

// Copy is a copy of a store, in a file without a name: nothing of it outlives the
// process. Its reader must close it.
type Copy interface {
	io.ReadCloser
	// Size is that of the whole copy in bytes.
	Size() int64
	// Ended is closed when it is given up before it was read to its end: the store
	// closes, or new events need the room.
	Ended() <-chan struct{}
}

// Stats are what a store knows of itself. Counters begin at 0 when it is opened.
type Stats struct {
	// Used is the bytes in used pages, of at most Settings.MaxSize.
	Used int64
	// File is the bytes of the whole file, with its free pages.
	File int64
	// Log is the bytes in the write-ahead log.
	Log int64
	// Quarantine is the bytes of odd bodies, and Odd the number of their entries.
	Quarantine, Odd int64
	// Free is the bytes that the file system has left, 0 before it was asked.
	Free uint64
	// Floor is the bytes that must be Free for new events to be taken.
	Floor uint64
	// Refusing reports whether new events get ErrFull.
	Refusing bool
	// Duplicates counts the copies that the store caught.
	Duplicates int64
	// Conflicts counts the other bodies of known ids beyond those that are kept.
	Conflicts int64
	// Commits counts those that were fsynced, and Calls the calls that shared them.
	Commits, Calls int64
	// Failures counts how often the store had to be reopened.
	Failures int64
	// ClockOff is how far the machine's clock is ahead of what the platform signs,
	// or (below zero) behind it: 0 while nothing speaks against it.
	ClockOff time.Duration
	// ClockUnset reports whether neither the machine nor the store knows the time,
	// so that events get ErrClock.
	ClockUnset bool
	// Unavailable is why the store does not work at present, nil if it does:
	// ErrClosed as soon as Close is called.
	Unavailable error
}
