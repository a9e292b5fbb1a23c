package sqlite

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// A flipped bit in the text of the schema can leave it valid, and make another
// column the key of a table: every row is then hidden. It is told as damage, also
// where a store is too large to be looked through.
func TestSchemaWithAFlippedBit(t *testing.T) {
	t.Parallel()
	for name, inspect := range map[string]int64{"small": 0, "large": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s, err := Open(dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			accept(t, s, benchEvent(1), "a", false)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "spool.db")
			db, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text := []byte("CREATE TABLE deliveries (\n\tnumber   INTEGER PRIMARY KEY")
			at := bytes.Index(db, text)
			if at < 0 {
				t.Fatal("the schema is not where it is looked for")
			}
			db[at+bytes.Index(text, []byte("PRIMARY"))+3] ^= 1 // PRILARY
			if err := os.WriteFile(path, db, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err = Open(dir, Options{limits: limits{inspect: inspect}})
			if err == nil {
				s.Close()
			}
			if !errors.Is(err, spool.ErrDamaged) {
				t.Errorf("opening gives %v, want damage", err)
			}
		})
	}
}
