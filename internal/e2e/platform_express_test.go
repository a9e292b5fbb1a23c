package e2e

import (
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/platform"
	"github.com/inboxgate/inboxgate/internal/platform/emulator"
	"github.com/inboxgate/inboxgate/internal/proctest"
)

const expressExample = "../../examples/express"

// TestE2EPlatformExpress puts the receiver of the platform's documentation
// behind the emulator: directly, where each copy reaches it, and through
// inboxgate, where none does.
func TestE2EPlatformExpress(t *testing.T) {
	t.Parallel()
	proctest.Needs(t, "node", "npm")
	dir := proctest.InstallExpress(t, expressExample)
	e := startEmulator(t, emulator.Options{Speed: 1000})
	t.Run("directly", func(t *testing.T) {
		t.Parallel()
		address := proctest.FreeAddress(t)
		hook := createHook(t, e, "http://"+address)
		app := proctest.RunExpress(t, dir, address, hook.Secret)
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
		app := proctest.RunExpress(t, dir, address, hook.Secret)
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
