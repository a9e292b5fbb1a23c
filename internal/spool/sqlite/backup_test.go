package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// all reads every event id of a store.
func all(t *testing.T, s *Store) map[string]bool {
	t.Helper()
	ids := map[string]bool{}
	for q := (spool.Query{}); ; {
		page, err := s.Records(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range page.Records {
			if len(rec.Deliveries) != 1 || len(rec.Event.Request.Body) == 0 {
				t.Errorf("event %s is not whole: %+v", rec.Event.ID, rec)
			}
			ids[rec.Event.ID] = true
		}
		if q.Cursor = page.Next; q.Cursor == 0 {
			return ids
		}
	}
}

// A backup taken under load holds what was acknowledged before it began, opens
// elsewhere, and stops nobody.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	s := openTest(t, t.TempDir(), Options{})
	var n atomic.Int64
	accept := func() error {
		_, err := s.Accept(context.Background(), backupIntake(n.Add(1)))
		return err
	}
	for range 2000 {
		if err := accept(); err != nil {
			t.Fatal(err)
		}
	}
	stop := make(chan struct{})
	var load sync.WaitGroup
	for range 8 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := accept(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	before := all(t, s)
	steps := 0
	c, err := s.Backup(t.Context(), "", func(done, total int64) {
		if steps++; done < 0 || done > total || total == 0 {
			t.Errorf("progress is %d of %d", done, total)
		}
	})
	close(stop)
	load.Wait()
	if err != nil || steps == 0 {
		t.Fatalf("%v after %d steps", err, steps)
	}
	dir := t.TempDir()
	save(t, c, filepath.Join(dir, "spool.db"))
	copied := openTest(t, dir, Options{})
	got := all(t, copied)
	for id := range before {
		if !got[id] {
			t.Fatalf("event %s was acknowledged before the backup and is not in it", id)
		}
	}
	if r, err := copied.Accept(t.Context(), backupIntake(1)); err != nil || r.Verdict != spool.Duplicate {
		t.Errorf("an id of the copy is %v, %v", r.Verdict, err)
	}
}

// save reads a copy to its end into a file.
func save(t *testing.T, c spool.Copy, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(f, c)
	if err := errors.Join(err, f.Close(), c.Close()); err != nil || n != c.Size() {
		t.Fatalf("%d of %d bytes were read: %v", n, c.Size(), err)
	}
}

func backupTo(t *testing.T, s *Store, path string) {
	t.Helper()
	c, err := s.Backup(t.Context(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	save(t, c, path)
}

func TestCompact(t *testing.T) {
	t.Parallel()
	s := openTest(t, t.TempDir(), Options{})
	fatten(t, s, 2000)
	err := s.do(t.Context(), true, 0, func(w *writer) error {
		if err := w.mergeStep(1 << 20); err != nil {
			return err
		}
		for seq := range int64(1900) {
			all, err := w.deliveries(seq + 1)
			if err != nil {
				return err
			}
			if err := w.drop(seq+1, all); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	freed, err := s.Compact(t.Context(), nil)
	if err != nil || freed < 4<<20 {
		t.Errorf("compacting gave %d bytes back, %v", freed, err)
	}
	if n := len(all(t, s)); n != 100 {
		t.Errorf("%d events are left, want 100", n)
	}
}

func backupIntake(n int64) spool.Intake {
	id := fmt.Sprintf("evt_%d", n)
	return spool.Intake{
		Event:  &spool.Event{Source: "inbox", ID: id, Type: "message.read", Request: spool.Request{Body: []byte(id)}},
		Routes: []spool.RouteWish{{Route: "app"}},
	}
}

func openTest(t *testing.T, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
