package sqlite

import (
	"testing"
)

// A store is known by its name after it was opened again, and another has another.
func TestIdentity(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	named := func(dir string) string {
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		return s.Identity()
	}
	first := named(dir)
	if first == "0" || named(dir) != first {
		t.Errorf("the store was %s, and is another now", first)
	}
	if other := named(t.TempDir()); other == first {
		t.Errorf("two stores are %s", first)
	}
}
