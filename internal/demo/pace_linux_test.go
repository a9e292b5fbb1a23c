package demo_test

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/demo"
	"github.com/inboxgate/inboxgate/internal/proctest"
)

// On a terminal each line of the story has time to be read, and anywhere else none.
func TestPace(t *testing.T) {
	demoRoom(t)
	var out bytes.Buffer
	var pauses int
	var sum time.Duration
	faults, paused, err := demo.Paced(t.Context(), &out, func(d time.Duration) {
		pauses++
		sum += d
	})
	if err != nil || len(faults) != 0 {
		t.Fatalf("%v, %q", err, faults)
	}
	told := 0
	for line := range strings.Lines(out.String()) {
		if strings.TrimSpace(line) != "" {
			told++
		}
	}
	// Wrapped lines are read with those that they go on from, and steps have more time.
	if pauses < told-10 || pauses > told+10 {
		t.Errorf("%d pauses for %d lines", pauses, told)
	}
	if sum != paused || sum < 8*time.Second || sum > 30*time.Second {
		t.Errorf("it pauses for %v, and counts %v", sum, paused)
	}
	if !strings.Contains(out.String(), "The story took ") {
		t.Errorf("no end in\n%s", out.String())
	}
	tty, _ := proctest.Terminal(t)
	if !demo.PausesFor(t.Context(), tty) || demo.PausesFor(t.Context(), &out) {
		t.Error("it pauses for what is no terminal, or not for one")
	}
}

// On a terminal the story is coloured; told once, it is not slowed down.
func TestOnceOnATerminal(t *testing.T) {
	demoRoom(t)
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	tty, user := proctest.Terminal(t)
	seen := make(chan string, 1)
	go func() {
		var all bytes.Buffer
		for b := make([]byte, 4096); !strings.Contains(all.String(), "The story took"); {
			n, err := user.Read(b)
			all.Write(b[:n])
			if err != nil {
				break
			}
		}
		seen <- all.String()
	}()
	root := program()
	root.SetOut(tty)
	root.SetErr(io.Discard)
	root.SetArgs([]string{"inbox", "demo", "--once"})
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\x1b[1m1. The platform", "\x1b[32m200 accepted"} {
		if text := <-seen; !strings.Contains(text, want) {
			t.Errorf("no %q in\n%q", want, text)
		} else {
			seen <- text
		}
	}
}
