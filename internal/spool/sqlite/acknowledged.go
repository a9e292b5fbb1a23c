package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// ackMark is the file "acknowledged" beside the database: the number of the last event
// or entry that was acknowledged, and which store it belongs to.
//
// It is there because SQLite cannot tell. A log whose middle went bad ends there as far
// as SQLite can see, and one that was removed is simply a new one: both would drop what
// was acknowledged without a word. The number is written after the fsync of its commit
// and before the answers, so it is never too high. It is not synced itself, which would
// cost each commit a second fsync: after a power cut it may be too low, and then it only
// notices less.
//
// The holder of the writer's turn writes it; Open and Close do while no turn is held.
type ackMark struct {
	// f is the open file, nil in tests whose files have no directory.
	f *os.File
	// last is the number that was written, or found, last.
	last int64
	// failed reports that the last write failed, so that it is logged only once.
	failed bool
	// identity is the store that the file names.
	identity identity
}

// The two parts of the file have checksums of their own, because they are written
// apart: the first with every commit, the second once a process.
const (
	markSize = 12                   // number, and its CRC-32C
	noteSize = markSize + 8 + 8 + 4 // and of which store: id, epoch, and their CRC
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// open reads the mark of the process before. What does not check is taken for none: a
// power cut may have torn it, and a mark that is lost must not keep a store closed.
func (m *ackMark) open(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, "acknowledged"), os.O_RDWR|os.O_CREATE|noFollow, 0o600)
	if err != nil {
		return fmt.Errorf("opening mark: %w", err)
	}
	m.f = f
	var b [noteSize]byte
	n, err := f.ReadAt(b[:], 0)
	if err != nil && !errors.Is(err, io.EOF) { // One that is short is new, or torn by a power cut.
		return errors.Join(fmt.Errorf("reading mark: %w", err), f.Close())
	}
	if n >= markSize && crc32.Checksum(b[:8], castagnoli) == binary.LittleEndian.Uint32(b[8:]) {
		m.last = int64(binary.LittleEndian.Uint64(b[:]))
	}
	if o := b[markSize:]; n == noteSize && crc32.Checksum(o[:16], castagnoli) == binary.LittleEndian.Uint32(o[16:]) {
		m.identity = identity{int64(binary.LittleEndian.Uint64(o)), int64(binary.LittleEndian.Uint64(o[8:]))}
	}
	return nil
}

// recordIdentity records which store the mark belongs to, and fsyncs it: the next start
// compares it with the database before it touches a log that may be another store's.
func (m *ackMark) recordIdentity(i identity) error {
	if m.f == nil || m.identity == i {
		return nil
	}
	m.identity = i
	var b [noteSize - markSize]byte
	binary.LittleEndian.PutUint64(b[:], uint64(i.id))
	binary.LittleEndian.PutUint64(b[8:], uint64(i.epoch))
	binary.LittleEndian.PutUint32(b[16:], crc32.Checksum(b[:16], castagnoli))
	if _, err := m.f.WriteAt(b[:], markSize); err != nil {
		return fmt.Errorf("writing mark: %w", err)
	}
	if err := m.f.Sync(); err != nil {
		return fmt.Errorf("syncing mark: %w", err)
	}
	return nil
}

// raise records that everything up to seq is durable. Where that cannot be written, the
// events are stored all the same, so it is only logged.
func (m *ackMark) raise(s *Store, seq int64) {
	if seq <= m.last {
		return
	}
	m.last = seq
	if m.f == nil {
		return // The tests' files have no directory.
	}
	var b [markSize]byte
	binary.LittleEndian.PutUint64(b[:], uint64(seq))
	binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b[:8], castagnoli))
	_, err := m.f.WriteAt(b[:], 0)
	if err != nil && !m.failed {
		s.log.Warn("writing the mark of what was acknowledged failed", "path", m.f.Name(), "error", err)
	}
	m.failed = err != nil
}

// shut syncs and closes the file. At an end there is time for a sync.
func (m *ackMark) shut() {
	if m.f != nil {
		_ = m.f.Sync()
		_ = m.f.Close()
	}
}

// checkMark checks that the store which was found holds all that was acknowledged. It
// compares numbers, because what the log has lost cannot be counted. The floor in meta
// stands for rows with larger numbers that have gone since.
func (w *writer) checkMark() error {
	s, m := w.s, &w.s.mark
	if m.last == 0 {
		return nil
	}
	seq, err := w.c.one(`SELECT max(coalesce((SELECT max(seq) FROM events), 0), coalesce((SELECT max(number) FROM quarantine), 0),
		coalesce((SELECT value FROM meta WHERE name='floor'), 0))`)
	if err != nil || seq >= m.last {
		return err
	}
	return fmt.Errorf("%w: %s was acknowledged up to number %d and ends at %d: its log %s-wal was damaged or removed. "+
		"Put the file back if you have it, or restore a backup into an empty directory; to go on without "+
		"what is missing, remove %s", spool.ErrDamaged, s.path, m.last, seq, s.path, filepath.Join(s.dir, "acknowledged"))
}

// openMark opens the mark. A VFS of a test has no directory to keep it in.
func (s *Store) openMark() error {
	if s.o.vfs != "" {
		return nil
	}
	return s.mark.open(s.dir)
}
