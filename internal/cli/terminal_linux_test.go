package cli_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// terminal is both ends of a pseudo-terminal: what a program has, and what the
// user sees and types.
func terminal(t *testing.T) (tty, user *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		noTerminal(t, err)
	}
	t.Cleanup(func() { user.Close() })
	fd := int(user.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		noTerminal(t, err)
	}
	t.Cleanup(func() { tty.Close() })
	return tty, user
}

// noTerminal skips, and fails in CI.
func noTerminal(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("no pseudo-terminals here: %v", err)
	}
	t.Skipf("no pseudo-terminals here: %v", err)
}

// onTerminal runs a command whose user types answer, and returns what they see.
func (d *desk) onTerminal(answer string, args ...string) (seen string, failed error) {
	d.Helper()
	return d.onTerminalOf(0, answer, args...)
}

// onTerminalOf is onTerminal for one of so many columns, or of which that is unknown.
func (d *desk) onTerminalOf(columns uint16, answer string, args ...string) (seen string, failed error) {
	d.Helper()
	tty, user := terminal(d.T)
	d.ok(unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}))
	_, err := user.WriteString(answer)
	d.ok(err)
	root := program()
	root.SetIn(tty)
	root.SetOut(tty)
	root.SetErr(tty)
	root.SetArgs(append(append([]string{"inbox"}, args...), "--admin", d.api.URL))
	failed = root.ExecuteContext(d.Context())
	const end = "that was all"
	_, err = tty.WriteString(end)
	d.ok(err)
	var all bytes.Buffer
	for b := make([]byte, 4096); !strings.HasSuffix(all.String(), end); {
		n, err := user.Read(b)
		d.ok(err)
		all.Write(b[:n])
	}
	return strings.TrimSuffix(all.String(), end), failed
}

func TestOnATerminal(t *testing.T) {
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	d := newDesk(t)
	for i := range 3 {
		d.accept(i, "message.read", map[string]spool.State{"app": spool.Dead})
	}
	seen, failed := d.onTerminal("", "dead", "replay", "evt_0")
	if failed != nil || strings.Contains(seen, "[y/N]") || !strings.Contains(seen, "1 delivery sent again.") {
		t.Errorf("one that is named needs no question: %v, %q", failed, seen)
	}
	seen, failed = d.onTerminal("n\n", "dead", "replay", "--all")
	if failed == nil || !strings.Contains(seen, "2 deliveries of 2 events will be sent again. Go on? [y/N]") || !strings.Contains(seen, "Error: nothing was changed") {
		t.Errorf("no: %v, %q", failed, seen)
	}
	if got := d.states(1); got != "app dead 0" {
		t.Errorf("no was taken for yes: %s", got)
	}
	seen, failed = d.onTerminal("y\n", "dead", "replay", "--all")
	if failed != nil || !strings.Contains(seen, "2 deliveries of 2 events sent again.") || d.states(1) != "app available 1" {
		t.Errorf("yes: %v, %q, %s", failed, seen, d.states(1))
	}
	seen, failed = d.onTerminal("", "dead", "discard", "--all")
	if failed != nil || !strings.Contains(seen, "0 deliveries of 0 events discarded.") || strings.Contains(seen, "[y/N]") {
		t.Errorf("where there is nothing, nobody is asked: %v, %q", failed, seen)
	}
	if seen, failed = d.onTerminal("", "routes", "list"); failed != nil || !strings.Contains(seen, "\x1b[32mready\x1b[0m") {
		t.Errorf("no colour: %v, %q", failed, seen)
	}
	t.Setenv("NO_COLOR", "1")
	if seen, failed = d.onTerminal("", "routes", "list"); failed != nil || strings.Contains(seen, "\x1b[3") {
		t.Errorf("NO_COLOR: %v, %q", failed, seen)
	}
}

// A list on a terminal has times of the local clock and how long ago they were; a
// pipe gets UTC.
func TestTimesOnATerminal(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.accept(1, "message.read", map[string]spool.State{"app": spool.Dead})
	d.odd("odd")
	page, err := d.store.Records(t.Context(), spool.Query{})
	d.ok(err)
	rec := page.Records[0]
	for args, at := range map[string]time.Time{"events list": rec.Event.Received, "dead list": rec.Deliveries[0].Ended, "dead list --group": rec.Deliveries[0].Ended} {
		seen, failed := d.onTerminalOf(180, "", strings.Fields(args)...)
		if failed != nil || !strings.Contains(seen, at.Local().Format(time.DateTime)+" (") || !strings.Contains(seen, " ago)") {
			t.Errorf("%s on a terminal: %v, %s", args, failed, seen)
		}
		if out := d.says(strings.Fields(args)...); !strings.Contains(out, at.UTC().Format(time.RFC3339)) || strings.Contains(out, " ago)") {
			t.Errorf("%s into a pipe: %s", args, out)
		}
	}
	if seen, failed := d.onTerminalOf(120, "", "quarantine", "list"); failed != nil || !strings.Contains(seen, " ago)") {
		t.Errorf("quarantine: %v, %s", failed, seen)
	}
}

// A body must not move the cursor of the terminal.
func TestRawOnATerminal(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const body = "\x1b]0;title\a\x1b[2J{}"
	d.odd(body)
	if r := d.ask("quarantine", "raw", "1"); r.failed != nil || r.out != body {
		t.Errorf("into a file it is %+v", r)
	}
	if seen, failed := d.onTerminal("", "quarantine", "raw", "1"); failed != nil || strings.ContainsAny(seen, "\x1b\a") || !strings.HasSuffix(seen, "{}") {
		t.Errorf("on a terminal it is %q, %v", seen, failed)
	}
	if seen, failed := d.onTerminal("", "quarantine", "show", "1"); failed != nil || strings.Contains(seen, "\x1b]") || strings.Contains(seen, "\x1b[2J") {
		t.Errorf("shown it is %q, %v", seen, failed)
	}
}

// A copy is no text: a terminal gets none of it.
func TestNoBackupToATerminal(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	seen, err := d.onTerminal("", "store", "backup", "-")
	if err == nil || !strings.Contains(err.Error(), "is a terminal") || strings.Contains(seen, "SQLite format") {
		t.Errorf("%q, %v", seen, err)
	}
}
