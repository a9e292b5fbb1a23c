package event_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/dedupe"
	"github.com/inboxgate/inboxgate/event"
)

// An id that is known is a copy whatever its age; and ids are free where they
// are not forgotten by age.
func TestHandlerAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const window = 24 * time.Hour
		body := func(id string, age time.Duration) string {
			return fmt.Sprintf(`{"id":%q,"type":"message.read","created_at":%q}`, id, time.Now().Add(-age).UTC().Format(time.RFC3339Nano))
		}
		a := newApp(t, dedupe.NewMemory(window, 0, nil))
		// Captured as late as may be: it is stale before its id is forgotten.
		captured := body("evt_1", -window/8+time.Second)
		wantSaid(t, "new", a.post(captured), "200 accepted")
		seen := map[string]bool{}
		for range 60 {
			time.Sleep(window / 40)
			seen[said(a.post(captured))] = true
		}
		if len(seen) != 2 || !seen[knownSame] || !seen["400 created before the window"] {
			t.Errorf("sent again for a day and a half: %v", seen)
		}
		a.wantCalls(t, 1)

		fresh := body("evt_2", window*7/8-time.Second)
		wantSaid(t, "just fresh", a.post(fresh), "200 accepted")
		time.Sleep(time.Hour)
		wantSaid(t, "its copy, stale by now", a.post(fresh), knownSame)
		wantSaid(t, "just stale", a.post(body("evt_3", window*7/8)), "400 created before the window")

		forever := newApp(t, never{dedupe.NewMemory(window, 0, nil)})
		wantSaid(t, "ids that are kept for ever", forever.post(body("evt_4", 100*window)), "200 accepted")
	})
}

// never hides that a Memory forgets.
type never struct{ event.Deduper }

// Behind inboxgate an operator can have an event handled again, and one that
// waited for days is taken. Elsewhere nobody can.
func TestHandlerBehindGate(t *testing.T) {
	t.Parallel()
	const body = `{"id":"evt_1","type":"message.read","created_at":"2025-01-15T10:25:15Z"}`
	replay := func(n string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("X-Inbox-Replay", n) }
	}
	a := newApp(t, dedupe.New(), event.BehindGate())
	wantSaid(t, "first", a.post(body), "200 accepted")
	for _, n := range []string{"1", "2"} {
		wantSaid(t, "replay "+n, a.post(body, replay(n)), "200 accepted")
		wantSaid(t, "attempt of it", a.post(body, replay(n)), knownSame)
	}
	for _, n := range []string{"", "x", "-1", "12345678901"} {
		wantSaid(t, "no number", a.post(body, replay(n)), knownSame)
	}
	wantSaid(t, "odd", a.post("no"), "410 body is not JSON")
	wantSaid(t, "another body", a.post(`{"id":"evt_1","type":"message.read"}`), "410 "+knownOther)
	a.wantCalls(t, 3)

	open := newApp(t, never{dedupe.New()})
	wantSaid(t, "first", open.post(body), "200 accepted")
	wantSaid(t, "anybody's replay", open.post(body, replay("1")), knownSame)
}
