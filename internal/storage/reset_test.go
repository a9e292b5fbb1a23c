package storage

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/dedupe"
	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// What the gate has remembered is forgotten when the database was started anew: a
// standby that took its place may lack it, and what the platform sends again would be
// called a duplicate.
func TestGateForgetsWithTheServer(t *testing.T) {
	t.Parallel()
	pgtest.Need(t)
	server := pgtest.Start(t, pgtest.Options{})
	d, err := Config{Engine: Postgres, DSN: "{env.URL}"}.Resolve(replaced(map[string]string{"URL": server.Database(t)}), "test")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := Open(ctx, Place{Dir: t.TempDir(), Database: d}, spool.Settings{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Destruct(); err != nil {
			t.Error(err)
		}
	}()
	known := func() bool { return s.Gate.Known("inbox evt_1", dedupe.Digest{1}) }
	for !known() { // A cache may drop what it is given.
		if ctx.Err() != nil {
			t.Fatal("the gate remembers nothing")
		}
		_, _, err := s.Gate.Do(ctx, "inbox evt_1", dedupe.Digest{1}, func(context.Context) (spool.Receipt, bool, error) {
			return spool.Receipt{Verdict: spool.Accepted}, true, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	for known() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal("the gate remembers what the server before has said")
		}
	}
}
