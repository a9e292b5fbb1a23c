package rig

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/spool"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

// The rig finds the binary below a wrapper, stops it, and reads what it left:
// a dead letter, an event in quarantine, and two that were delivered.
func TestRig(t *testing.T) {
	t.Parallel()
	r := New(t, Options{
		Routes: []Route{{Name: "all", Types: "message.*"}, {Name: "gone", Types: event.TypeMessageRead, Behave: Answer(http.StatusGone, "no")}},
		Wrap:   func(argv []string) []string { return append([]string{"sh", "-c", `"$@"; exit $?`, "wrapper"}, argv...) },
	})
	l := r.Start()
	if l.PID == l.Process.PID() {
		t.Errorf("process %d is the wrapper", l.PID)
	}
	read, odd, forged := r.Event(event.TypeMessageRead), r.Event(event.TypeMessageRead), r.Event(event.TypeMessageFailed)
	odd.Body = append(odd.Body[:len(odd.Body)-1], `,"id":"again"}`...)
	odd.ID, odd.Key, odd.Odd, odd.Signature, odd.Routes = "", "odd", true, Sign(odd.Body), nil
	forged.Forged, forged.Signature = true, odd.Signature
	for _, c := range []struct {
		event  history.Event
		status int
		result string
	}{
		{read, http.StatusOK, "accepted"},
		{read, http.StatusOK, "duplicate"},
		{odd, http.StatusOK, "quarantined"},
		{forged, http.StatusUnauthorized, ""},
	} {
		if a := r.Send(t.Context(), c.event); a.Status != c.status || a.Result != c.result || a.Life != 1 || a.Err != nil {
			t.Errorf("%s answered %+v, want %d %q", c.event.Type, a, c.status, c.result)
		}
	}
	if !r.Log.Await(proctest.Patience, func() bool { return len(r.Log.Attempts("gone")) == 1 && r.Log.Waiting() == 1 }) {
		t.Fatalf("not all has come that will:\n%s", r.Log.Missing())
	}
	r.Kill()
	if r.Log.Check(history.Rules{}).Lost != 1 {
		t.Error("a dead letter that nobody has seen in the store is not missing")
	}
	r.Start()
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	b := r.Books()
	if d, ok := b.Delivery(read.ID, "gone"); !ok || d.State != spool.Dead || b.Deliveries[spool.Delivered] != 1 || len(b.Quarantine) != 1 {
		t.Errorf("%+v, %v, %d in quarantine", d, b.Deliveries, len(b.Quarantine))
	}
	r.Start()
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if got := r.Report([]int{0}, "none", 1); got.Events != 5 || got.Acked != 4 || got.Refused > 0 {
		t.Errorf("%+v", got)
	}
}

// What runs below a wrapper ends with the test, although the wrapper is all that
// the test has started.
func TestRigLeavesNoProcess(t *testing.T) { //nolint:tparallel // It looks at what the inner test has left.
	t.Parallel()
	pid := 0
	t.Run("test", func(t *testing.T) {
		r := New(t, Options{Wrap: func(argv []string) []string {
			return append([]string{"sh", "-c", `"$@"; exit $?`, "wrapper"}, argv...)
		}})
		pid = r.Start().PID
	})
	// It is nobody's child any more, so it may be a zombie for a moment.
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err == nil && !strings.Contains(string(stat), ") Z ") && syscall.Kill(pid, 0) == nil {
		t.Errorf("process %d is still there: %s", pid, stat)
	}
}

func TestCaddyfile(t *testing.T) {
	t.Parallel()
	r := New(t, Options{
		Binary: "unused", Global: "debug", Store: "grace 1s\nwindow 5h", Source: "max_body 1MiB", Site: "header X-A b",
		Routes: []Route{{Name: "one", Types: "message.failed message.read", Lines: "timeout 2s"}, {Name: "rest"}},
	})
	text := r.Caddyfile("stale deliver")
	for _, want := range []string{
		"\tadmin off\n", "\tdebug\n\tinbox {\n\t\tdata_dir " + r.Data + "\n\t\tgrace 1s\n\t\twindow 5h\n\t}\n",
		"http://" + r.Listen + " {\n\tinbox_webhook /webhooks/inbox {\n\t\tmax_body 1MiB\n\t\tstale deliver\n",
		"\t\ton message.failed message.read {\n\t\t\tname one\n\t\t\tretry 1s 1s 2s 2s 5s\n\t\t\ttimeout 2s\n", "\t\tto {\n\t\t\tname rest\n", "\n\theader X-A b\n\trespond 404\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	for typ, want := range map[string]string{"message.failed": "one", "message.read": "one", "message.action": "rest"} {
		if got := r.Event(typ).Routes; len(got) != 1 || got[0] != want {
			t.Errorf("%s goes to %v, want %s", typ, got, want)
		}
	}
}
