package sqlite

import (
	"context"
	"fmt"
	"os"

	"github.com/ncruces/go-sqlite3"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Compact implements spool.Embedded. It moves what is in use to the front of the file,
// some pages with each batch, so that accepts go on. The file itself is only cut when
// the log that says so is copied into it.
func (s *Store) Compact(ctx context.Context, p spool.Progress) (int64, error) {
	before, err := s.fileSize()
	if err != nil {
		return 0, fmt.Errorf("compacting: %w", err)
	}
	total := int64(-1)
	for free := int64(1); free > 0; {
		err := s.do(ctx, false, 0, func(w *writer) error {
			var err error
			if free, err = w.pragma(w.q.freePages); err != nil || free == 0 {
				return err
			}
			total = max(total, free)
			for w.q.vacuum.next() {
			}
			if p != nil {
				p((total-free)*w.pageSize, total*w.pageSize)
			}
			return w.q.vacuum.end()
		})
		if err != nil {
			return 0, fmt.Errorf("compacting: %w", err)
		}
	}
	err = s.betweenBatches(ctx, func(w *writer) error {
		w.s.ckpt.copying.Lock()
		defer w.s.ckpt.copying.Unlock()
		return w.checkpoint(sqlite3.CHECKPOINT_PASSIVE)
	})
	if err != nil {
		return 0, fmt.Errorf("compacting: %w", err)
	}
	after, err := s.fileSize()
	return max(before-after, 0), err
}

// fileSize returns the size of the database in bytes.
func (s *Store) fileSize() (int64, error) { return sizeOf(s.path) }

// sizeOf returns the size of a file in bytes.
func sizeOf(path string) (int64, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return fi.Size(), nil
}
