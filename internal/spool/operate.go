package spool

import (
	"context"
	"io"
	"time"
)

// Discarder is implemented by engines whose operator may let things go by hand.
type Discarder interface {
	// Discard ends the dead deliveries of an event, of one route or (where
	// route is empty) of all, as Discarded; durable when it returns. It returns
	// how many there were. The event stays in the log until it is old enough.
	Discard(ctx context.Context, seq int64, route string) (int, error)
	// DiscardOdd removes an entry from quarantine; durable when it returns.
	DiscardOdd(ctx context.Context, entry int64) error
}

// Progress is told how much of a long piece of work is done. It must not block.
type Progress func(done, total int64)

// Backuper is implemented by engines that can be copied while they work.
type Backuper interface {
	// Backup makes a whole and consistent copy: it holds all that was committed
	// before the call, and more. One at a time: until it is closed, others get
	// ErrBusy, which says since when and for whom; by names the caller, for them. It
	// fails with ErrNoRoom where new events could be refused for it. p may be nil.
	Backup(ctx context.Context, by string, p Progress) (Copy, error)
}

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

// Compacter is implemented by engines that can give free space back by hand.
type Compacter interface {
	// Compact returns how many bytes the file system got back. Other calls go
	// on meanwhile. p may be nil.
	Compact(ctx context.Context, p Progress) (int64, error)
}

// Named is implemented by engines whose stores can be told apart.
type Named interface {
	// Identity is the store's own for life: the same after a restart, a restore and a
	// move, and for every process that shares the store; no two stores made apart
	// have the same.
	Identity() string
}

// Gauge is implemented by engines that know how they are. Both calls are cheap
// and need no disk.
type Gauge interface {
	Stats() Stats
}

// Stats are what a store knows of itself.
type Stats struct {
	// Used is the bytes in used pages, of at most Settings.MaxSize; File those
	// of the whole file; Log those in the write-ahead log; Quarantine those of
	// odd bodies.
	Used, File, Log, Quarantine int64
	// Free is what the file system has left, 0 before it was asked; Floor what
	// it must have for new events to be taken.
	Free, Floor uint64
	// Refusing: new events get ErrFull.
	Refusing bool
	// Since the start: Duplicates caught by the store, Conflicts beyond what is
	// kept, Commits that were fsynced, calls that shared them, and how often
	// the store had to be reopened.
	Duplicates, Conflicts, Commits, Calls, Failures int64
	// ClockOff is how far the machine's clock is ahead of what the platform signs,
	// or (below zero) behind it: 0 while nothing speaks against it.
	ClockOff time.Duration
	// ClockUnset: neither the machine nor the store knows the time, and events
	// get ErrClock.
	ClockUnset bool
	// Odd counts the entries in quarantine.
	Odd int64
	// Unavailable is why the store does not work at present, nil if it does:
	// ErrClosed as soon as Close is called.
	Unavailable error
}
