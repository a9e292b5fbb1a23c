package sqlite

import (
	"context"
	"errors"
	"fmt"
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
	path := filepath.Join(t.TempDir(), "copy.db")
	steps := 0
	err := s.Backup(t.Context(), path, func(done, total int64) {
		if steps++; done < 0 || done > total || total == 0 {
			t.Errorf("progress is %d of %d", done, total)
		}
	})
	close(stop)
	load.Wait()
	if err != nil || steps == 0 {
		t.Fatalf("%v after %d steps", err, steps)
	}
	if err := s.Backup(t.Context(), path, nil); err == nil {
		t.Error("a backup replaced a file")
	}
	dir := t.TempDir()
	if err := os.Rename(path, filepath.Join(dir, "spool.db")); err != nil {
		t.Fatal(err)
	}
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

// A backup that is given up leaves nothing behind, and the store works on.
func TestBackupAbandoned(t *testing.T) {
	t.Parallel()
	s := openTest(t, t.TempDir(), Options{})
	for n := range int64(5000) {
		in := backupIntake(n)
		in.Event.Request.Body = append(in.Event.Request.Body, make([]byte, 2000)...)
		if _, err := s.Accept(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Backup(ctx, filepath.Join(dir, "copy.db"), func(int64, int64) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	if _, err := s.Accept(t.Context(), backupIntake(99999)); err != nil {
		t.Error(err)
	}
}

func TestCompact(t *testing.T) {
	t.Parallel()
	s := openTest(t, t.TempDir(), Options{})
	for n := range int64(2000) {
		in := backupIntake(n)
		in.Event.Request.Body = append(in.Event.Request.Body, make([]byte, 4000)...)
		if _, err := s.Accept(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
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
