package sqlite

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// DiskFloor is the free space below which new events are refused, so that
// what is stored can still be delivered and settled.
const DiskFloor = 2*WALCap + 64<<20

// measureDiskEvery is how often the disk and the directory are looked at.
const measureDiskEvery = time.Second

// countPagesEvery is how often pages are counted while little is written.
const countPagesEvery = 50 * time.Millisecond

// space is how full the store and its disk are. The holder of the writer's turn
// measures in its batches; a verdict of ErrFull may lag by one measurement. Only
// the atomic fields are read by others.
type space struct {
	// diskMeasured and pagesCounted are when that was done last.
	diskMeasured time.Time
	pagesCounted time.Time
	// unseen is how many bytes requests have brought since the pages were counted.
	unseen int64
	// lowDisk reports that the disk has less than DiskFloor left.
	lowDisk bool
	// used is how many bytes the used pages take, when they were counted last.
	used int64
	// full reports that used has reached Settings.MaxSize.
	full bool
	// free, usedNow and file are for Stats, in bytes: what the disk has left, used,
	// and the size of the database.
	free    atomic.Uint64
	usedNow atomic.Int64
	file    atomic.Int64
}

// measure measures within a batch, of which size is how many bytes it brings: the
// pages once a part of MaxSize has come or a moment has passed, the disk each second.
// An error ends the batch: that the directory is gone is one.
func (p *space) measure(w *writer, size int) error {
	if p.unseen += int64(size); p.unseen < w.s.settings.Load().MaxSize/256 && time.Since(p.pagesCounted) < countPagesEvery {
		return nil
	}
	p.unseen, p.pagesCounted = 0, time.Now()
	all, err := w.pragma(w.q.allPages)
	if err != nil {
		return err
	}
	free, err := w.pragma(w.q.freePages)
	if err != nil {
		return err
	}
	p.used = (all - free) * w.pageSize
	p.usedNow.Store(p.used)
	p.file.Store(all * w.pageSize)
	p.full = p.used >= w.s.settings.Load().MaxSize
	w.s.count.refusing.Store(p.refuses())
	if time.Since(p.diskMeasured) < measureDiskEvery {
		return nil
	}
	p.diskMeasured = time.Now()
	if w.s.lock.moved() {
		return errors.New("the data directory was removed or replaced")
	}
	n, err := w.s.o.freeDisk(w.s.dir)
	if err == nil && n < DiskFloor && w.s.endCopy(errNoRoomLeft) {
		w.dropBackup() // Events come before copies of them.
		n, err = w.s.o.freeDisk(w.s.dir)
	}
	if err != nil {
		return err
	}
	if low := n < DiskFloor; low != p.lowDisk {
		p.lowDisk = low
		w.s.log.Warn("free disk crossed the floor", "refusing", low, "free", n, "floor", DiskFloor)
	}
	p.free.Store(n)
	return nil
}

// refuses reports whether nothing new may be stored.
func (p *space) refuses() bool { return p.lowDisk || p.full }

// pragma returns the number in the first row of q, 0 for none.
func (w *writer) pragma(q *stmt) (int64, error) {
	v := int64(0)
	if q.next() {
		v = q.ColumnInt64(0)
	}
	return v, q.end()
}

// counters are figures for Stats: since Open, or (log, quarantine) as they are now.
type counters struct {
	// duplicates and conflicts are accepts that ended so, conflicts only those
	// beyond what is kept.
	duplicates atomic.Int64
	conflicts  atomic.Int64
	// failures counts how often the file had to be reopened. One is enough for the
	// page cache not to be believed any more.
	failures atomic.Int64
	// logBytes is the size of the write-ahead log.
	logBytes atomic.Int64
	// oddBytes and oddEntries are what is in quarantine.
	oddBytes   atomic.Int64
	oddEntries atomic.Int64
	// commits counts fsynced transactions, and calls the requests in them.
	commits atomic.Int64
	calls   atomic.Int64
	// refusing reports that events get ErrFull.
	refusing atomic.Bool
}

// Stats implements spool.Operator. It takes no lock that is held across I/O.
func (s *Store) Stats() spool.Stats {
	s.mu.Lock()
	down := s.down
	if s.closed {
		down = spool.ErrClosed
	}
	s.mu.Unlock()
	c := &s.count
	now := s.clock.Read()
	return spool.Stats{
		ClockOff: s.evidence.Off(now), ClockUnset: now.Unset(),
		Used: s.space.usedNow.Load(), File: s.space.file.Load(), Log: c.logBytes.Load(), Quarantine: c.oddBytes.Load(),
		Odd: c.oddEntries.Load(), Free: s.space.free.Load(), Floor: DiskFloor, Refusing: c.refusing.Load(),
		Duplicates: c.duplicates.Load(), Conflicts: c.conflicts.Load(),
		Commits: c.commits.Load(), Calls: c.calls.Load(), Failures: c.failures.Load(), Unavailable: down,
	}
}
