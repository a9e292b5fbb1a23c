package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// Offline is a store that no process uses, open to be read: its records, with what an
// unclean end has left in the write-ahead log. Nothing is written, and the store is not
// recovered: what was running when its process ended is shown as running.
//
// While it is open no process can open the store.
type Offline struct {
	s       *Store
	release func()
}

var _ spool.Log = (*Offline)(nil)

// OpenOffline opens a store's directory, or a file that Backup wrote. It fails with
// ErrInUse where a process holds the store.
func OpenOffline(path string) (*Offline, error) {
	f, err := findOffline(path)
	if err != nil {
		return nil, fmt.Errorf("reading store: %w", err)
	}
	s := &Store{path: f.path, dir: filepath.Dir(f.path), log: slog.New(slog.DiscardHandler), closeBegun: make(chan struct{})}
	s.o.limits = limits{}.withDefaults()
	s.logs.init()
	if err := s.openOffline(f); err != nil {
		if s.logs.c != nil {
			s.logs.shut()
		}
		f.release()
		return nil, fmt.Errorf("reading store: %w", err)
	}
	return &Offline{s, f.release}, nil
}

// openOffline opens the connection and builds the view that records and routes are read
// with: the state is read as at a start, but by no transaction that writes.
func (s *Store) openOffline(f offlineFiles) error {
	c, err := openReadOnly(f.path, f.log > 0)
	if err != nil {
		return err
	}
	if err := s.logs.open(c); err != nil {
		return err
	}
	k := &checker{c: c, r: &Report{Path: f.path}}
	if err := k.identify(); err != nil {
		return err
	}
	w := newWriter(s)
	w.c = c
	last, err := w.readMeta(true)
	if err != nil {
		return err
	}
	s.clock = spool.NewClock(s.machineNow, record.Time(last))
	if err := w.prepare(); err != nil {
		return err
	}
	heirs, err := w.readQueues()
	if err != nil {
		return err
	}
	if err := w.redirectMerged(heirs); err != nil {
		return err
	}
	w.publishAll()
	return nil
}

// Records implements spool.Log.
func (s *Offline) Records(ctx context.Context, q spool.Query) (spool.Page, error) {
	return s.s.Records(ctx, q)
}

// Count implements spool.Counter.
func (s *Offline) Count(ctx context.Context, q spool.Query, within time.Duration) (spool.Count, error) {
	return s.s.Count(ctx, q, within)
}

// Routes implements spool.Log.
func (s *Offline) Routes(ctx context.Context) ([]spool.RouteState, error) { return s.s.Routes(ctx) }

// Close lets other processes open the store again.
func (s *Offline) Close() {
	s.s.logs.shut()
	s.release()
}

// offlineFiles are those of a store that no process can open until release.
type offlineFiles struct {
	path string
	// size and log are the sizes of the database and of its log in bytes.
	size, log int64
	// release lets processes open the store again.
	release func()
}

// findOffline finds the database of a directory or file, and keeps processes from
// opening it. A file of another name is a copy, which no process opens.
func findOffline(path string) (f offlineFiles, err error) {
	f.release = func() {}
	if f.path, err = filepath.Abs(path); err != nil {
		return f, err
	}
	info, err := os.Stat(f.path)
	if err == nil && info.IsDir() {
		f.path = filepath.Join(f.path, "spool.db")
		info, err = os.Stat(f.path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return f, fmt.Errorf("there is no store at %s", f.path)
	}
	if err != nil {
		return f, err
	}
	if !info.Mode().IsRegular() {
		return f, fmt.Errorf("%s is no file", f.path)
	}
	if filepath.Base(f.path) == "spool.db" {
		if f.release, err = shareDir(filepath.Dir(f.path)); err != nil {
			return f, err
		}
		// It may have changed before it was locked.
		if info, err = os.Stat(f.path); err != nil {
			f.release()
			return f, err
		}
	}
	f.size = info.Size()
	if info, err := os.Stat(f.path + "-wal"); err == nil {
		f.log = info.Size()
	}
	return f, nil
}
