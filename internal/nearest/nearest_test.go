package nearest_test

import (
	"testing"

	"github.com/inboxgate/inboxgate/internal/nearest"
)

func TestWord(t *testing.T) {
	t.Parallel()
	words := []string{"message.delivered", "message.read", "message.failed"}
	for s, want := range map[string]string{
		"message.deliverd": "message.delivered",
		"mesage.read":      "message.read",
		"message.raed":     "message.read",
		"message.fail":     "message.failed",
		"message.f":        "",
		"":                 "",
	} {
		if got := nearest.Word(s, words); got != want {
			t.Errorf("%q: got %q, want %q", s, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "abd", 1}, {"abcd", "abdc", 1}, {"abc", "bc", 1}, {"kitten", "sitting", 3}} {
		if got, back := nearest.Distance(c.a, c.b), nearest.Distance(c.b, c.a); got != c.want || back != c.want {
			t.Errorf("%q and %q: got %d, and %d the other way, want %d", c.a, c.b, got, back, c.want)
		}
	}
}
