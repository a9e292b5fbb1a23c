package spool_test

import (
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// TestKeyHash pins numbers: they are stored, so another program must find the same.
func TestKeyHash(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", spool.MaxKey)
	for _, c := range []struct {
		key  string
		want int64
	}{
		{"", 0},
		{"a", -3848465438864589366},
		{long, spool.KeyHash(long + "b")}, // What is further behind does not matter.
	} {
		if got := spool.KeyHash(c.key); got != c.want {
			t.Errorf("KeyHash(%.10q) = %d, want %d", c.key, got, c.want)
		}
	}
	if spool.KeyHash(long) == spool.KeyHash(long[1:]) {
		t.Error("the last byte that matters does not")
	}
}
