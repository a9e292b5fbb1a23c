package e2e

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proctest"
)

// What was answered with 200 is listed from the files of an inboxgate that was
// killed, and no command reads them beside one that runs.
func TestStoreOfAKilledProcess(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	data := filepath.Join(home, "data")
	listen := proctest.FreeAddress(t)
	p := proctest.Start(t, command(t, home, []string{
		"INBOX_ADMIN=", "INBOX_DATA_DIR=" + data, "INBOX_WEBHOOK_SECRET=" + newSecret,
		"INBOX_UPSTREAM=" + proctest.FreeAddress(t), "INBOX_LISTEN=" + listen, // Nobody is there: it waits.
	}))
	p.Await(t, started, 1)
	body := sample(t)
	wantPost(t, "http://"+listen+"/webhooks/inbox", body, newSecret, 200, "accepted")
	e, err := event.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	list := []string{"events", "list", "--store", data}
	asks(t, home, 1, []string{"in use by process", "leave out --store"}, nil, list...)
	p.Signal(t, syscall.SIGKILL)
	p.Wait(t)
	if left, _ := filepath.Glob(filepath.Join(data, "spool.db-wal")); len(left) != 1 {
		t.Fatal("the log is gone: this case proves nothing")
	}
	asks(t, home, 0, []string{e.ID, "default"}, nil, list...)
	asks(t, home, 0, []string{e.ID, "message.read"}, nil, "events", "show", e.ID, "--store", data)
	asks(t, home, 0, []string{"There are none."}, nil, "dead", "list", "--store", data)
	code, out := run(t, command(t, home, []string{"INBOX_ADMIN="}, "events", "list"))
	if code != 3 || strings.Contains(out, e.ID) {
		t.Errorf("without --store: ends with %d and says %s", code, out)
	}
}
