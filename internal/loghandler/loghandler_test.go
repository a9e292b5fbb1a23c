package loghandler_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/loghandler"
)

func textTo(b *bytes.Buffer) slog.Handler {
	return slog.NewTextHandler(b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
}

// What was derived from a logger before the exchange writes to the new target too.
func TestDerivedLoggersFollowASwap(t *testing.T) {
	t.Parallel()
	var first, second bytes.Buffer
	swap := loghandler.NewSwap(textTo(&first))
	derived := slog.New(swap).With("a", 1).WithGroup("g").With("b", 2)
	derived.Info("one", "c", 3)
	swap.Use(textTo(&second))
	derived.Info("two", "c", 3)
	if got, want := first.String(), "level=INFO msg=one a=1 g.b=2 g.c=3\n"; got != want {
		t.Errorf("the first target has %q, want %q", got, want)
	}
	if got, want := second.String(), "level=INFO msg=two a=1 g.b=2 g.c=3\n"; got != want {
		t.Errorf("the second target has %q, want %q", got, want)
	}
}

func TestNewestWarningIsKept(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	var newest loghandler.Newest
	log := slog.New(newest.Watch(textTo(&out))).With("source", "inbox")
	if newest.Load() != nil {
		t.Error("there is a warning before the first")
	}
	log.Warn("short of room", "free", 5)
	log.Error("full", "free", 0, "floor", 1)
	log.Info("fine again")
	if got := newest.Load(); got == nil || got.Text != "full: free 0, floor 1" || got.Level != slog.LevelError {
		t.Errorf("the newest is %+v", got)
	}
	log.Warn("route held", "reason", "", "by_hand", false, "probes", 0)
	if got := newest.Load(); got.Text != "route held: probes 0" {
		t.Errorf("what says nothing is not left out: %q", got.Text)
	}
	if n := strings.Count(out.String(), "source=inbox"); n != 4 {
		t.Errorf("%d of 4 lines were passed on:\n%s", n, out.String())
	}
}

func TestSeldomCountsWhatItKeepsBack(t *testing.T) {
	t.Parallel()
	s := loghandler.Seldom{Every: time.Minute}
	now := time.Unix(1e9, 0)
	for i, c := range []struct {
		after time.Duration
		n     int
		ok    bool
	}{{0, 1, true}, {time.Second, 1, false}, {time.Second, 2, false}, {time.Minute, 3, true}, {time.Minute, 1, true}} {
		now = now.Add(c.after)
		if n, ok := s.Add(now); n != c.n || ok != c.ok {
			t.Errorf("step %d: %d, %t, want %d, %t", i, n, ok, c.n, c.ok)
		}
	}
}
