package sqlite

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// A machine that starts without a clock of its own begins in 1970.
func TestClockBehindIsLogged(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Now()
	for n, c := range []struct {
		at   time.Time
		want string
	}{{now, ""}, {now.Add(-10 * time.Second), ""}, {time.Unix(0, 0), "clock is behind"}, {now, ""}} {
		var out bytes.Buffer
		s := mustOpen(t, dir, Options{Now: func() time.Time { return c.at }, Log: slog.New(slog.NewTextHandler(&out, nil))})
		accept(t, s, benchEvent(int64(n)), "a", false)
		s.Close()
		if got := out.String(); strings.Contains(got, "clock") != (c.want != "") || !strings.Contains(got, c.want) {
			t.Errorf("started at %s: %q", c.at, got)
		}
	}
}
