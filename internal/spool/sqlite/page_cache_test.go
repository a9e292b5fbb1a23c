package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestEndedWell: the page cache is believed only after an end before which
// nothing had failed. Whoever is killed leaves the lock with a number in it.
func TestEndedWell(t *testing.T) {
	t.Parallel()
	broken := errors.New("medium is broken")
	for name, c := range map[string]struct {
		live func(t *testing.T, s *Store)
		well bool
	}{
		"nothing failed": {func(t *testing.T, s *Store) { accept(t, s, benchEvent(1), "a", false) }, true},
		"a batch failed": {func(t *testing.T, s *Store) {
			if err := s.submit(bg, true, 0, func(*writer) error { return broken }); !errors.Is(err, broken) {
				t.Error(err)
			}
			eventually(t, "reopening", func() error { return s.Stats().Unavailable })
		}, false},
		"copying the log failed": {func(t *testing.T, s *Store) {
			c := s.ckpt.c
			s.ckpt.c = &conn{} // a call of it panics
			if err := s.ckpt.pass(); err == nil {
				t.Error("a pass without a connection succeeds")
			}
			s.ckpt.c = c
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := mustOpen(t, dir, Options{})
			if n, err := os.ReadFile(filepath.Join(dir, "lock")); err != nil || len(n) == 0 {
				t.Errorf("a kill now would leave %q, %v", n, err)
			}
			c.live(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if next := mustOpen(t, dir, Options{}); next.lock.endedWell != c.well {
				t.Errorf("the end is taken for a good one: %t", next.lock.endedWell)
			}
		})
	}
}
