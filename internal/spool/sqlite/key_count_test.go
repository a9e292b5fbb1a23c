package sqlite

import (
	"testing"

	"pgregory.net/rapid"
)

// TestKeyCount: what is sure is right, the total always, and with none left all is known.
func TestKeyCount(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var c keyCount
		want, total := map[int64]int{}, int64(0)
		many := rapid.Bool().Draw(t, "many")
		if many { // Beyond what is kept of each.
			for key := range int64(maxKeysKnown + 10) {
				c.in(key)
				want[key]++
				total++
			}
		}
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			key := rapid.Int64Range(0, 5).Draw(t, "key")
			if rapid.Bool().Draw(t, "in") {
				c.in(key)
				want[key]++
				total++
			} else if want[key] > 0 {
				c.out(key)
				want[key]--
				total--
			}
			has, sure := c.has(key)
			if c.total != total || sure && has != (want[key] > 0) || !sure && !has || many == sure {
				t.Fatalf("total %d, want %d; key %d: %v (sure: %v), want %d", c.total, total, key, has, sure, want[key])
			}
		}
		for key, n := range want {
			for range n {
				c.out(key)
			}
		}
		if has, sure := c.has(1); c.total != 0 || has || !sure {
			t.Fatalf("empty: %d, %v, %v", c.total, has, sure)
		}
	})
}
