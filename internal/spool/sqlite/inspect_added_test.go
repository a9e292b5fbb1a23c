package sqlite

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"
)

// What other programs keep in the file beside ours is theirs. What they hang on
// our tables is refused with the way out, and is no damage.
func TestAddedByAnotherProgram(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ sql, refused string }{
		"tables":             {"CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER); CREATE TABLE _litestream_lock (id INTEGER); INSERT INTO _litestream_seq VALUES (1, 1)", ""},
		"a view":             {"CREATE VIEW today AS SELECT * FROM events", ""},
		"an index of theirs": {"CREATE TABLE theirs (a, b UNIQUE); CREATE INDEX t ON theirs (a); CREATE TRIGGER u AFTER INSERT ON theirs BEGIN DELETE FROM theirs; END", ""},
		"statistics":         {"ANALYZE", ""},
		"a trigger on ours":  {"CREATE TRIGGER copy AFTER INSERT ON events BEGIN SELECT 1; END", `DROP TRIGGER "copy"`},
		"an index on ours":   {"CREATE UNIQUE INDEX one ON Events (id)", `DROP INDEX "one"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, s := filled(t, 10)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			tool, err := sqlite3.Open("file:" + filepath.Join(dir, "spool.db"))
			if err != nil {
				t.Fatal(err)
			}
			if err := tool.Exec(c.sql); err != nil {
				t.Fatal(err)
			}
			if err := tool.Close(); err != nil {
				t.Fatal(err)
			}
			r, err := Check(t.Context(), dir, nil)
			if err != nil || (r.Damaged == 0) != (c.refused == "") || c.refused == "" && len(r.Added) == 0 {
				t.Errorf("check: %+v, %v", r, err)
			}
			s, err = Open(dir, Options{})
			switch {
			case err == nil:
				defer s.Close()
				if c.refused != "" {
					t.Error("it opens")
				}
				accept(t, s, benchEvent(2), "a", false)
			case c.refused == "" || !strings.Contains(err.Error(), c.refused) || strings.Contains(err.Error(), "backup"):
				t.Errorf("opening: %v", err)
			}
		})
	}
}
