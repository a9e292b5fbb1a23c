package rig

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/sqlite"
)

// Books are what a stopped store holds.
type Books struct {
	// Events and Quarantine are its records, newest first.
	Events, Quarantine []spool.Record
	// Deliveries counts them by state. What ran when the process died is
	// available or retrying.
	Deliveries map[spool.State]int
}

// Delivery is the record of one event's delivery to a route.
func (b Books) Delivery(id, route string) (spool.DeliveryRecord, bool) {
	for _, record := range b.Events {
		if record.Event.ID != id {
			continue
		}
		for _, d := range record.Deliveries {
			if d.Route == route {
				return d, true
			}
		}
	}
	return spool.DeliveryRecord{}, false
}

// Books reads the store of the last life, which must have ended, and notes its
// dead letters and its quarantine in the record.
func (r *Rig) Books() Books {
	r.t.Helper()
	if r.life != nil {
		r.t.Fatalf("life %d has not ended", r.life.N)
	}
	b := Records(r.t, r.Data)
	for _, record := range b.Events {
		for _, d := range record.Deliveries {
			if d.State == spool.Dead {
				r.Log.StoredID(record.Event.ID, d.Route, history.DeadLetter)
			}
		}
	}
	for _, record := range b.Quarantine {
		if record.Event.ID != "" {
			r.Log.StoredID(record.Event.ID, "", history.Quarantined)
		}
	}
	return b
}

// Records reads a copy of the store in data, which no process may have open: the
// store itself stays as it was left.
func Records(t testing.TB, data string) Books {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	if err := copyStore(dir, data); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	b := Books{Deliveries: make(map[spool.State]int)}
	if b.Events, err = all(t.Context(), s, spool.Events); err != nil {
		t.Fatal(err)
	}
	if b.Quarantine, err = all(t.Context(), s, spool.Quarantined); err != nil {
		t.Fatal(err)
	}
	for _, record := range b.Events {
		for _, d := range record.Deliveries {
			b.Deliveries[d.State]++
		}
	}
	return b
}

// copyStore copies the database and its log.
func copyStore(to, from string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return fmt.Errorf("copying store: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(from, "spool.db*"))
	if err != nil {
		return fmt.Errorf("copying store: %w", err)
	}
	if len(files) == 0 {
		return fmt.Errorf("copying store: nothing in %s", from)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "-shm") {
			continue // It is of the processes that had the file open.
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("copying store: %w", err)
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(file)), text, 0o600); err != nil {
			return fmt.Errorf("copying store: %w", err)
		}
	}
	return nil
}

func all(ctx context.Context, s spool.Store, kind spool.Kind) (records []spool.Record, err error) {
	q := spool.Query{Kind: kind}
	for {
		page, err := s.Records(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("reading records: %w", err)
		}
		records = append(records, page.Records...)
		if q.Cursor = page.Next; q.Cursor == 0 {
			return records, nil
		}
	}
}
