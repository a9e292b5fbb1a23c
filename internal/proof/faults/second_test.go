package faults

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// TestFaultSecondProcess starts a second process on the data directory of one
// that is under load: it refuses, names the holder, and the first goes on.
func TestFaultSecondProcess(t *testing.T) {
	t.Parallel()
	r := rig.New(t, rig.Options{Rate: 100, Rules: history.Rules{Answered: true, NotRefused: true}})
	l := r.Start()
	stop := r.Background(0)
	other := filepath.Join(r.Dir, "second")
	text := strings.Replace(r.Caddyfile(""), "http://"+r.Listen, "http://"+proctest.FreeAddress(t), 1)
	if err := os.WriteFile(other, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	rounds := rig.Rounds(2, 20)
	for range rounds {
		r.AwaitAcked(20)
		code, output := r.Command("run", "--config", other, "--adapter", "caddyfile")
		if code == 0 || !strings.Contains(output, "in use by process "+pid(l)) {
			t.Errorf("exit code %d, and no word of process %s:\n%s", code, pid(l), output)
		}
	}
	r.AwaitAcked(20)
	stop()
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	r.Report([]int{14}, "second process on the directory", rounds)
}

// TestFaultValidate runs `validate` alone, when there is no store yet, and beside
// a process under load.
func TestFaultValidate(t *testing.T) {
	t.Parallel()
	r := rig.New(t, rig.Options{Rate: 100, Rules: history.Rules{Answered: true, NotRefused: true}})
	validate := func() {
		t.Helper()
		code, output := r.Command("validate", "--config", r.Config(), "--adapter", "caddyfile")
		if code != 0 || !strings.Contains(output, "Valid configuration") {
			t.Errorf("exit code %d:\n%s", code, output)
		}
	}
	validate()
	if _, err := os.Stat(r.Data); !os.IsNotExist(err) {
		t.Errorf("validate has made a store: %v", err)
	}
	l := r.Start()
	lock, err := os.ReadFile(filepath.Join(r.Data, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	stop := r.Background(0)
	rounds := rig.Rounds(3, 30)
	for range rounds {
		r.AwaitAcked(20)
		validate()
	}
	r.AwaitAcked(20)
	stop()
	if now, err := os.ReadFile(filepath.Join(r.Data, "lock")); err != nil || string(now) != string(lock) {
		t.Errorf("the lock has changed from %q to %q, %v", lock, now, err)
	}
	if a := r.Send(t.Context(), r.Event(event.TypeMessageRead)); a.Status != http.StatusOK || a.Life != l.N {
		t.Errorf("answered %+v", a)
	}
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	r.Report([]int{15}, "validate beside a live process", rounds)
}
