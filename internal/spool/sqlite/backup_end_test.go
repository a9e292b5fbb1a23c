package sqlite

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// copied is a store of some MiB, whose disk has as much room as the test says.
func copied(t *testing.T) (s *Store, free *atomic.Uint64) {
	t.Helper()
	free = new(atomic.Uint64)
	free.Store(math.MaxInt64)
	s = openTest(t, t.TempDir(), Options{freeDisk: func(string) (uint64, error) { return free.Load(), nil }})
	fatten(t, s, 3000)
	return s, free
}

func fatten(t *testing.T, s *Store, events int64) {
	t.Helper()
	for n := range events {
		in := backupIntake(n)
		in.Event.Request.Body = append(in.Event.Request.Body, make([]byte, 4000)...)
		if _, err := s.Accept(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
}

// names are those of the data directory.
func names(t *testing.T, dir string) string {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range all {
		b.WriteString(e.Name() + " ")
	}
	return b.String()
}

const ownFiles = "acknowledged lock spool.db spool.db-shm spool.db-wal "

// A backup has no name while it is made and read, so that nothing of it can
// outlive the process.
func TestBackupHasNoName(t *testing.T) {
	t.Parallel()
	s, _ := copied(t)
	if got := names(t, s.dir); got != ownFiles {
		t.Fatalf("before: %s", got)
	}
	c, err := s.Backup(t.Context(), "", func(int64, int64) {
		if got := names(t, s.dir); got != ownFiles {
			t.Errorf("while it is made: %s", got)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := names(t, s.dir); got != ownFiles {
		t.Errorf("while it is read: %s", got)
	}
}

// One backup at a time: others are told whose it is and since when, until it has
// been read.
func TestOneBackupAtATime(t *testing.T) {
	t.Parallel()
	s, _ := copied(t)
	busy := func(when string) {
		_, err := s.Backup(t.Context(), "the second", nil)
		if !errors.Is(err, spool.ErrBusy) || !strings.Contains(err.Error(), "the first has been") || !strings.Contains(err.Error(), "since 20") {
			t.Errorf("%s, another gets %v", when, err)
		}
	}
	once := false
	c, err := s.Backup(t.Context(), "the first", func(int64, int64) {
		if !once {
			once = true
			busy("while it is made")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	busy("while it is read")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	backupTo(t, s, filepath.Join(t.TempDir(), "copy.db"))
}

// A backup for which there is no room is refused with how much is missing, before
// a byte of it is written.
func TestBackupWithoutRoom(t *testing.T) {
	t.Parallel()
	s, free := copied(t)
	free.Store(DiskFloor + 5<<20)
	_, err := s.Backup(t.Context(), "", func(int64, int64) { t.Error("pages were copied") })
	if !errors.Is(err, spool.ErrNoRoom) || !strings.Contains(err.Error(), "there are 5.0 MiB to spare") || !strings.Contains(err.Error(), "it needs ") {
		t.Errorf("error is %v", err)
	}
	if _, err := s.Accept(t.Context(), backupIntake(99999)); err != nil {
		t.Errorf("an event: %v", err)
	}
}

// Where the room goes while a backup is made, the backup goes and events stay.
func TestBackupWhileTheRoomGoes(t *testing.T) {
	t.Parallel()
	s, free := copied(t)
	steps := 0
	_, err := s.Backup(t.Context(), "", func(int64, int64) {
		if steps++; steps == 2 {
			free.Store(DiskFloor + 1<<20)
		}
	})
	if !errors.Is(err, spool.ErrNoRoom) || steps != 2 {
		t.Errorf("%v after %d steps", err, steps)
	}
	if _, err := s.Accept(t.Context(), backupIntake(99999)); err != nil {
		t.Errorf("an event: %v", err)
	}
}

// A copy that is read slowly goes when events need its room.
func TestSlowCopyGoesBeforeEventsDo(t *testing.T) {
	t.Parallel()
	s, free := copied(t)
	c, err := s.Backup(t.Context(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s.w.turn.Lock()
	s.o.freeDisk = func(string) (uint64, error) {
		select {
		case <-c.Ended():
			return DiskFloor, nil
		default:
			return DiskFloor - 1, nil
		}
	}
	s.w.turn.Unlock()
	_ = free
	n := int64(100000)
	eventually(t, "end of the copy", func() error {
		n++
		if _, err := s.Accept(t.Context(), backupIntake(n)); err != nil {
			t.Fatalf("an event: %v", err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, spool.ErrNoRoom) {
			return errors.New("it is still read")
		}
		return nil
	})
}

// A backup that is given up leaves nothing behind, takes no changes of the store
// any more, and the store works on.
func TestBackupAbandoned(t *testing.T) {
	t.Parallel()
	s, _ := copied(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := s.Backup(ctx, "", func(int64, int64) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	if got := names(t, s.dir); got != ownFiles {
		t.Errorf("left: %s", got)
	}
	eventually(t, "end of the copy", func() error {
		s.w.turn.Lock()
		defer s.w.turn.Unlock()
		if s.w.backup != nil {
			return errors.New("it is still made")
		}
		return nil
	})
	if _, err := s.Accept(t.Context(), backupIntake(99999)); err != nil {
		t.Error(err)
	}
	backupTo(t, s, filepath.Join(t.TempDir(), "copy.db"))
}

// A store that closes ends the copy that somebody still reads.
func TestCloseEndsACopy(t *testing.T) {
	t.Parallel()
	s, _ := copied(t)
	c, err := s.Backup(t.Context(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, c, 1000); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	<-c.Ended()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, spool.ErrClosed) {
		t.Errorf("reading gives %v", err)
	}
}

// What former processes left of a backup goes at a start. What looks alike and is
// somebody's stays.
func TestLeftOversOfBackupsGo(t *testing.T) {
	t.Parallel()
	dir, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim")
	write := func(mode os.FileMode, path ...string) {
		p := filepath.Join(path...)
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o700), os.WriteFile(p, []byte("x"), 0o600), os.Chmod(p, mode)); err != nil {
			t.Fatal(err)
		}
	}
	write(0o600, victim)
	// A directory that holds files and no store is refused.
	if err := openTest(t, dir, Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	gone := []string{"backup-1074426220", ".backup-77", ".backup-78-journal", "backup-5"}
	write(0o600, dir, "backup-1074426220", "spool.db")
	write(0o600, dir, "backup-5", ".backup-612345678")
	write(0o600, dir, "backup-5", ".backup-612345678-journal")
	write(0o600, dir, ".backup-77")
	write(0o600, dir, ".backup-78-journal")
	stay := []string{
		"backup-20260301/spool.db", "backup-2026030107/spool.db", "backup-8/notes.txt", "backup-8/spool.db", "backup-monday/spool.db", "backup-07/spool.db",
		"backup-9/spool.db", "backup-99999999999/spool.db", ".backup-x", ".backup-20260301", "backup.db", ".backup-3", ".backup-4/spool.db",
	}
	for _, name := range stay {
		write(0o600, dir, name)
	}
	if err := errors.Join(
		os.Chmod(filepath.Join(dir, "backup-9"), 0o755), os.Chmod(filepath.Join(dir, ".backup-3"), 0o644),
		os.Symlink(victim, filepath.Join(dir, ".backup-10")), os.Symlink(filepath.Dir(victim), filepath.Join(dir, "backup-11")),
		os.Mkdir(filepath.Join(dir, "backup-12"), 0o700), os.Symlink(victim, filepath.Join(dir, "backup-12", "spool.db")),
	); err != nil {
		t.Fatal(err)
	}
	openTest(t, dir, Options{})
	for _, name := range gone {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
	for _, name := range append(stay, ".backup-10", "backup-11", "backup-12/spool.db") {
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			t.Errorf("%s is gone: %v", name, err)
		}
	}
	if _, err := os.Stat(victim); err != nil {
		t.Error("a link was followed")
	}
}
