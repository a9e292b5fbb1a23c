package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/platform"
	"github.com/inboxgate/inboxgate/internal/platform/emulator"
	"github.com/inboxgate/inboxgate/internal/proctest"
)

// TestE2EPlatformExpress puts the receiver of the platform's documentation
// behind the emulator: directly, where each copy reaches it, and through
// inboxgate, where none does.
func TestE2EPlatformExpress(t *testing.T) {
	t.Parallel()
	e2eTools(t, "node", "npm")
	dir := installExpress(t)
	e := startEmulator(t, emulator.Options{Speed: 1000})
	t.Run("directly", func(t *testing.T) {
		t.Parallel()
		address := proctest.FreeAddress(t)
		hook := createHook(t, e, "http://"+address)
		app := startExpress(t, dir, address, hook.Secret)
		for id, copies := range sendToExpress(t, e, hook.ID) {
			app.Await(t, " "+id+" ", copies)
			if n := strings.Count(app.Output(), " "+id+" "); n != copies {
				t.Errorf("the app has %s %d times, want %d", id, n, copies)
			}
		}
	})
	t.Run("through inboxgate", func(t *testing.T) {
		t.Parallel()
		address, listen := proctest.FreeAddress(t), proctest.FreeAddress(t)
		hook := createHook(t, e, "http://"+listen)
		app := startExpress(t, dir, address, hook.Secret)
		gate := proctest.Start(t, command(t, t.TempDir(), []string{
			"INBOX_WEBHOOK_SECRET=" + hook.Secret, "INBOX_UPSTREAM=" + address, "INBOX_LISTEN=" + listen,
		}))
		gate.Await(t, started, 1)
		ids := sendToExpress(t, e, hook.ID)
		for id := range ids {
			app.Await(t, " "+id+" ", 1)
		}
		if code := gate.Stop(t); code != 0 {
			t.Errorf("SIGTERM ends with exit code %d", code)
		}
		if n := strings.Count(app.Output(), " evt_"); n != len(ids) {
			t.Errorf("the app handled %d events, want %d:\n%s", n, len(ids), app.Output())
		}
	})
}

func createHook(t *testing.T, e *emulator.Emulator, base string) platform.Webhook {
	t.Helper()
	hook, err := e.Create(platform.Registration{URL: base + "/webhooks/inbox", Events: event.Types()})
	if err != nil {
		t.Fatal(err)
	}
	return hook
}

// sendToExpress sends events and returns how often each was answered 2xx.
func sendToExpress(t *testing.T, e *emulator.Emulator, hook string) map[string]int {
	t.Helper()
	const count = 40
	job, err := e.SendAll(t.Context(), emulator.SendRequest{
		WebhookID: hook, Count: count, Duplicates: 0.25, Reorder: 0.25, Cut: 0.1, Slow: 0.1, Drip: "200ms", BadSignature: 0.5, WrongSecret: 0.1,
	})
	if err != nil {
		t.Fatal(err)
	}
	ids, forged := make(map[string]int), 0
	for _, one := range e.State().Sent {
		if one.JobID != job.ID {
			continue
		}
		for _, a := range one.Attempts {
			if a.Status >= 200 && a.Status <= 299 {
				ids[one.EventID]++
			}
		}
		switch {
		case one.Status == emulator.Forged && ids[one.EventID] > 0:
			t.Errorf("a forgery was let in: %+v", one)
		case one.Status == emulator.Forged:
			forged++
		case one.Status != emulator.Delivered:
			t.Errorf("not delivered: %+v", one)
		}
	}
	if len(ids) != count || forged != 24 {
		t.Errorf("%d events and %d forgeries, want %d and 24", len(ids), forged, count)
	}
	return ids
}

// installExpress puts a copy of the example with its packages into a new
// directory.
func installExpress(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"server.js", "package.json", "package-lock.json"} {
		text, err := os.ReadFile(filepath.Join("../../examples/express", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	npm := exec.CommandContext(t.Context(), "npm", "ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("installing express: %v\n%s", err, out)
	}
	return dir
}

func startExpress(t *testing.T, dir, address, secret string) *proctest.Process {
	t.Helper()
	_, port, _ := strings.Cut(address, ":")
	cmd := exec.CommandContext(t.Context(), "node", "server.js")
	cmd.Dir = dir
	cmd.Env = proctest.Env(dir, "PORT="+port, "INBOX_WEBHOOK_SECRET="+secret)
	p := proctest.Start(t, cmd)
	p.Await(t, "listening on", 1)
	return p
}
