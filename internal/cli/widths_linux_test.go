package cli_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// deadOther is a dead letter of another source.
func (d *desk) deadOther(n int) {
	d.Helper()
	body := deskBody(n, "message.read")
	e := &spool.Event{Source: "other", ID: fmt.Sprintf("evt_%d", n), Type: "message.read", Digest: sha256.Sum256(body), Request: spool.Request{Method: "POST", Body: body}}
	got, err := d.store.Accept(d.Context(), spool.Intake{Event: e, Owner: "test", LeaseFor: time.Minute, Routes: []spool.RouteWish{{Route: "crm", Start: true}}})
	d.ok(err)
	for _, run := range got.Running {
		at := spool.Attempt{N: 1, Start: time.Now(), Status: 500, Error: strings.Repeat("a long error ", 20)}
		d.ok(d.store.Settle(d.Context(), spool.Settlement{Lease: run.Lease, State: spool.Dead, Attempt: at, Reason: "the schedule has ended"}))
	}
}

// No line of a table is wider than the terminal, nor than 80 columns where that does
// not say how wide it is.
func TestTablesFitTheTerminal(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i := range 3 {
		d.accept(i, "message.read", map[string]spool.State{"app": spool.Dead, "crm": spool.Dead})
	}
	d.deadOther(7)
	d.odd(strings.Repeat("odd ", 40))
	for _, args := range []string{"events list", "dead list", "dead list --group", "routes list", "quarantine list", "status"} {
		seen, failed := d.onTerminal("", strings.Fields(args)...)
		if failed != nil {
			t.Errorf("%s: %v", args, failed)
		}
		for line := range strings.Lines(seen) {
			if line = strings.TrimRight(line, "\r\n"); term.Width(line) > 80 {
				t.Errorf("%s: %d columns: %q", args, term.Width(line), line)
			}
		}
		if out := d.says(strings.Fields(args)...); strings.Contains(out, "…") {
			t.Errorf("%s is cut in a pipe:\n%s", args, out)
		}
	}
}

// Where there are several sources, the groups of dead letters name theirs.
func TestDeadGroupsNameTheirSource(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.accept(1, "message.read", map[string]spool.State{"app": spool.Dead})
	if out := d.says("dead", "list", "--group"); strings.Contains(out, "SOURCE") {
		t.Errorf("of one source:\n%s", out)
	}
	d.deadOther(7)
	out := d.says("dead", "list", "--group")
	if !strings.HasPrefix(out, "COUNT  SOURCE  ROUTE") || !strings.Contains(out, "1      other   crm") || !strings.Contains(out, "1      inbox   app") {
		t.Errorf("of two sources:\n%s", out)
	}
}

// An event on a terminal has the times of the user's clock.
func TestShowOnATerminal(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.accept(1, "message.read", map[string]spool.State{"app": spool.Dead})
	page, err := d.store.Records(t.Context(), spool.Query{})
	d.ok(err)
	at := page.Records[0].Event.Received
	seen, failed := d.onTerminal("", "events", "show", "evt_1")
	if failed != nil || !strings.Contains(seen, at.Local().Format("2006-01-02 15:04:05.000")+" (") || strings.Contains(seen, at.UTC().Format("2006-01-02T15")) {
		t.Errorf("%v\n%s", failed, seen)
	}
	if out := d.says("events", "show", "evt_1"); !strings.Contains(out, at.UTC().Format("2006-01-02T15:04:05.000Z")) || strings.Contains(out, " ago)") {
		t.Errorf("into a pipe:\n%s", out)
	}
}

// Who follows events on a terminal sees what the columns are, and the source as soon
// as there is more than one.
func TestTailOnATerminal(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.accept(1, "message.read", map[string]spool.State{"app": spool.Delivered})
	tty, user := terminal(t)
	d.ok(unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 120}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	root := program()
	root.SetOut(tty)
	root.SetErr(tty)
	root.SetArgs([]string{"inbox", "events", "tail", "--limit", "1", "--every", "2ms", "--admin", d.api.URL})
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	d.ok(user.SetReadDeadline(time.Now().Add(patience)))
	var seen bytes.Buffer
	until := func(text string) {
		for b := make([]byte, 4096); !strings.Contains(seen.String(), text); {
			n, err := user.Read(b)
			if err != nil {
				t.Fatalf("%q is not there: %v\n%s", text, err, seen.String())
			}
			seen.Write(b[:n])
		}
	}
	until("evt_1 ")
	d.deadOther(7)
	until("evt_7 ")
	cancel()
	d.ok(<-ended)
	lines := strings.Split(strings.ReplaceAll(seen.String(), "\r\n", "\n"), "\n")
	if len(lines) < 4 || !strings.HasPrefix(lines[0], "RECEIVED             NUMBER    ID ") || !strings.HasPrefix(lines[2], "RECEIVED             NUMBER    SOURCE      ID ") || !strings.Contains(lines[3], "other       evt_7") {
		t.Errorf("seen:\n%s", seen.String())
	}
	if strings.Contains(seen.String(), "T"+time.Now().UTC().Format("15:")) {
		t.Errorf("UTC is shown:\n%s", seen.String())
	}
	for _, line := range lines {
		if term.Width(line) > 120 {
			t.Errorf("%d columns: %q", term.Width(line), line)
		}
	}
}
