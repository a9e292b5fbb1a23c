package storecopy

import (
	"slices"
	"strings"
	"testing"
)

func TestParsePlace(t *testing.T) {
	t.Setenv("STORECOPY_URL", "postgres://u:secret@h/db")
	for arg, want := range map[string]string{
		"postgres://u:secret@h/db":            "env:NAME",
		"postgresql://u@h/db?password=secret": "env:NAME",
		"postgres://u:sec%ZZret@h/db":         "env:NAME",
		"env:STORECOPY_NOT_SET":               "is not set",
		"file:/nowhere/at/all":                "no such file",
		"":                                    "is empty",
		"postgres://u@h/db?search_path=a%22b": "schema",
		"postgres://u@h/db?sslmode=perhaps":   "sslmode",
	} {
		if _, err := ParsePlace(arg); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v; want %q", arg, err, want)
		}
	}
	var names []string
	for _, arg := range []string{"/data/inbox", "relative", "postgres://u@h:5433/db", "env:STORECOPY_URL"} {
		p, err := ParsePlace(arg)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, p.String())
	}
	if want := []string{"/data/inbox", "relative", "postgres://u@h:5433/db?schema=inboxgate", "postgres://u@h:5432/db?schema=inboxgate"}; !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
}
