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

// measureDiskEvery paces looks at the disk and the directory.
const measureDiskEvery = time.Second

// countPagesEvery paces counts of pages while little is written.
const countPagesEvery = 50 * time.Millisecond

// space knows how full the store and its disk are. The writer fills it.
type space struct {
	diskMeasured time.Time
	pagesCounted time.Time
	unseen       int64 // bytes of requests since then
	lowDisk      bool
	used         int64 // bytes in used pages, at the last batch
	full         bool
	free         atomic.Uint64
	usedNow      atomic.Int64
	file         atomic.Int64
}

// measure measures in a batch: the pages when some have been written or a moment
// has passed, the disk each second.
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

// refuses says whether nothing new may be stored.
func (p *space) refuses() bool { return p.lowDisk || p.full }

func (w *writer) pragma(q *stmt) (int64, error) {
	v := int64(0)
	if q.next() {
		v = q.ColumnInt64(0)
	}
	return v, q.end()
}

type counters struct {
	duplicates, conflicts, failures, logBytes, oddBytes, oddEntries, commits, calls atomic.Int64
	refusing                                                                        atomic.Bool
}

// Stats implements spool.Operator.
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
