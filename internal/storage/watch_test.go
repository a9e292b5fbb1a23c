package storage

import (
	"bytes"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// figures is a store that has them.
type figures struct {
	spool.Store
	stats spool.Stats
}

func (f figures) Stats() spool.Stats { return f.stats }

// A clock that is off is reported once, and when it is right again.
func TestClockOffIsReported(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s, log := Of(nil, nil), slog.New(slog.NewTextHandler(&out, nil))
	for _, off := range []time.Duration{0, 72 * time.Hour, 73 * time.Hour, 0, -time.Hour, 0, 0} {
		s.Store = figures{stats: spool.Stats{ClockOff: off}}
		s.Look(time.Now(), log, 1<<30)
	}
	got := strings.Split(strings.TrimSpace(out.String()), "\n")
	want := []string{"WARN.*clock is ahead.*ahead=72h0m0s", "INFO.*clock is right", "WARN.*clock is behind.*behind=1h0m0s", "INFO.*clock is right"}
	if len(got) != len(want) {
		t.Fatalf("logged %q, want %q", got, want)
	}
	for i := range want {
		if !regexp.MustCompile(want[i]).MatchString(got[i]) {
			t.Errorf("logged %q, want %q", got[i], want[i])
		}
	}
}
