package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// What was removed under an open store is not there after a restart: the very
// next event gets no 200, whether or not the lock file is still in place.
func TestNothingAcceptedAfterTheFilesAreGone(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string][]string{
		"database and log": {"spool.db", "spool.db-wal", "spool.db-shm"},
		"log only":         {"spool.db-wal"},
		"all":              {"spool.db", "spool.db-wal", "spool.db-shm", "lock"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "store")
			s := mustOpen(t, dir, Options{})
			accept(t, s, benchEvent(1), "a", false)
			for _, f := range remove {
				if err := os.Remove(filepath.Join(dir, f)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := s.Accept(bg, spool.Intake{Event: benchEvent(2)}); !errors.Is(err, spool.ErrUnavailable) {
				t.Errorf("the next accept got %v", err)
			}
		})
	}
}
