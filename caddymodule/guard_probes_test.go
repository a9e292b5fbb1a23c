package caddymodule

import "testing"

// Where several servers answer probes, the usual port is the one that commands ask.
func TestProbesAt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		probes []string
		want   string
	}{
		{nil, ""},
		{[]string{":9000", ":8080"}, ":8080"},
		{[]string{":8080", ":9180"}, ":9180"},
		{[]string{":8080", "127.0.0.1:9180"}, "127.0.0.1:9180"},
	} {
		if got := (&guards{probes: c.probes}).probesAt(); got != c.want {
			t.Errorf("%q: %s, want %s", c.probes, got, c.want)
		}
	}
}
