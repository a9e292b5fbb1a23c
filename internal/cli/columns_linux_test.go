package cli_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// colours are what a terminal does not show.
var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

// longDead stores an event whose id is as long as the platform's, and which is dead on
// one of its routes.
func (d *desk) longDead(id, typ string) {
	d.Helper()
	body := []byte(`{"id":"` + id + `","type":"` + typ + `","data":{"message_id":"msg_01HZX3V5B1Q7"}}`)
	e := &spool.Event{Source: "inbox", ID: id, Type: typ, Digest: sha256.Sum256(body), Request: spool.Request{Method: "POST", Body: body}}
	got, err := d.store.Accept(d.Context(), spool.Intake{Event: e, Owner: "test", LeaseFor: time.Minute, Routes: []spool.RouteWish{{Route: "app", Start: true}}})
	d.ok(err)
	for _, run := range got.Running {
		at := spool.Attempt{N: 1, Start: time.Now(), Status: 500, Error: "status 500"}
		d.ok(d.store.Settle(d.Context(), spool.Settlement{Lease: run.Lease, State: spool.Dead, Attempt: at, Reason: "the schedule has ended"}))
	}
}

// However narrow a terminal is, a list shows what one looks for, and ids whole.
func TestListsOnANarrowTerminal(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const id = "evt_01HZX3V5B1Q7N2M4K6J8"
	d.longDead(id, "message.failed")
	d.odd("odd")
	for _, c := range []struct {
		args  string
		width uint16
		head  string   // its words
		says  []string // that a line has
	}{
		{"events list", 80, "NUMBER RECEIVED ID TYPE DELIVERIES", []string{id, "message.failed", "app dead (1 attempt)"}},
		{"events list", 100, "NUMBER RECEIVED ID TYPE MESSAGE DELIVERIES", []string{id, "message.failed", "msg_01HZX3V5B1Q7", "app dead (1 attempt)"}},
		{"events list", 120, "NUMBER RECEIVED ID TYPE MESSAGE DELIVERIES", []string{id, "message.failed", "msg_01HZX3V5B1Q7", "app dead (1 attempt)", time.Now().Format("2006-")}},
		{"dead list", 80, "ID ROUTE STATUS ERROR REASON", []string{id, "500", "status 500", "the schedule has"}},
		{"dead list", 100, "ID TYPE ROUTE DIED STATUS ERROR REASON", []string{id, "….failed", "500", "status 500", "the schedule has"}},
		{"dead list", 120, "NUMBER ID TYPE ROUTE DIED ATTEMPTS STATUS ERROR REASON", []string{id, "500", "status 500", "the schedule has ended"}},
		{"dead list --group", 80, "COUNT ROUTE STATUS ERROR REASON FIRST LAST", []string{"500", "status 500", "the schedule has"}},
		{"quarantine list", 80, "NUMBER RECEIVED SOURCE ID TYPE SIZE COPIES REASON", []string{"no JSON object"}},
	} {
		seen, failed := d.onTerminalOf(c.width, "", strings.Fields(c.args)...)
		lines := strings.Split(strings.ReplaceAll(colours.ReplaceAllString(seen, ""), "\r\n", "\n"), "\n")
		if got := strings.Join(strings.Fields(lines[0]), " "); failed != nil || got != c.head {
			t.Errorf("%s, %d columns: %v, the head is %q, want %q", c.args, c.width, failed, got, c.head)
		}
		for _, text := range c.says {
			if !strings.Contains(lines[1], text) {
				t.Errorf("%s, %d columns: no %q in\n%s", c.args, c.width, text, seen)
			}
		}
		for _, line := range lines {
			if term.Width(line) > int(c.width) {
				t.Errorf("%s, %d columns: %d in %q", c.args, c.width, term.Width(line), line)
			}
		}
	}
}

// Following events in 80 columns one sees how each was delivered.
func TestTailOnANarrowTerminal(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const id = "evt_01HZX3V5B1Q7N2M4K6J8"
	d.longDead(id, "message.delivered")
	tty, user := terminal(t)
	d.ok(unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	root := program()
	root.SetOut(tty)
	root.SetErr(tty)
	root.SetArgs([]string{"inbox", "events", "tail", "--limit", "1", "--every", "2ms", "--admin", d.api.URL})
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	d.ok(user.SetReadDeadline(time.Now().Add(patience)))
	in := bufio.NewReader(user)
	for _, want := range []string{"RECEIVED NUMBER ID TYPE DELIVERIES", id + " ….delivered app dead (1 attempt)"} {
		line, err := in.ReadString('\n')
		d.ok(err)
		line = colours.ReplaceAllString(strings.TrimRight(line, "\r\n"), "")
		if got := strings.Join(strings.Fields(line), " "); !strings.HasSuffix(got, want) || term.Width(line) > 80 {
			t.Errorf("got %q, want %q", line, want)
		}
	}
	cancel()
	d.ok(<-ended)
}
