package browser

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/browser/chrome"
	"github.com/inboxgate/inboxgate/internal/browser/gate"
)

// widths are those of a small telephone, a tablet, a laptop, and a large screen.
var widths = []int64{320, 768, 1280, 1920}

// inspect looks at the page that a tab shows, in light and dark and at every width: it
// must fit, and axe-core must find nothing. INBOXGATE_SHOTS names a directory for the
// pictures.
func inspect(t *testing.T, tab *chrome.Tab, name string) {
	t.Helper()
	shots := os.Getenv("INBOXGATE_SHOTS")
	for _, dark := range []bool{false, true} {
		tab.Dark(dark)
		scheme := "light"
		if dark {
			scheme = "dark"
		}
		for _, width := range widths {
			tab.Size(width, 900)
			tab.Fits()
			tab.Accessible()
			if shots == "" {
				continue
			}
			file := filepath.Join(shots, fmt.Sprintf("%s-%s-%d.png", name, scheme, width))
			if err := os.MkdirAll(shots, 0o750); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, tab.Shot(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	tab.Dark(false)
	tab.Size(1280, 800)
}

// A page is one that is looked at.
type page struct {
	// path is where it begins, and walk goes on from there.
	path string
	walk func(*chrome.Tab)
	// holds is a text by which it is known.
	holds string
	// status is that of its answer. Default: 200.
	status int
}

// busyPages are those of a store in which there is something of everything.
var busyPages = map[string]page{
	"overview":         {path: "/", holds: "connection refused"},
	"overview-search":  {path: "/?name=crm", holds: "crm"},
	"events":           {path: "/events", holds: "newest"},
	"events-dead":      {path: "/events?state=dead&route=billing", holds: "odd_"},
	"events-none":      {path: "/events?type=message.none", holds: "Nothing is as you asked"},
	"events-wrong":     {path: "/events?since=yesterdayish", holds: "mend the fields", status: http.StatusBadRequest},
	"event-delivered":  {path: "/events?id=fine_00001", walk: open("fine_00001"), holds: "delivered"},
	"event-dead":       {path: "/events?id=broken_00001", walk: open("broken_00001"), holds: "database is down"},
	"event-revealed":   {path: "/events?id=phone_00001", walk: reveal, holds: "+15551234567"},
	"event-waiting":    {path: "/events?id=behind_00001", walk: open("behind_00001"), holds: "behind_00001"},
	"find":             {path: "/find?q=odd_00001", holds: "odd_00001"},
	"find-none":        {path: "/find?q=nobody_has_this", holds: "Nothing"},
	"quarantine":       {path: "/quarantine", holds: "before the window"},
	"quarantine-entry": {path: "/quarantine", walk: open("stale_00001"), holds: "In quarantine"},
	"decide":           {path: "/decide", holds: "unknown currency"},
	"confirm-replay":   {path: "/decide", walk: follow(chrome.Link("Replay .*").Within(chrome.Row("billing.*422"))), holds: "to change"},
	"confirm-discard":  {path: "/decide", walk: follow(chrome.Link("Discard.*").Within(chrome.Row("crm.*500"))), holds: "to change"},
	"confirm-release":  {path: "/decide", walk: follow(chrome.Link("Release.*")), holds: "to change"},
	"job":              {path: "/decide", walk: discard, holds: "discarded"},
	"route-held":       {path: "/", walk: follow(chrome.Link("crm").Within(chrome.Row("crm.*held"))), holds: "probes"},
	"route-ready":      {path: "/", walk: follow(chrome.Link("archive").Within(chrome.Row("archive.*ready"))), holds: "last success"},
	"store":            {path: "/store", holds: "works"},
	"sources":          {path: "/sources", holds: "fingerprint"},
	"no-page":          {path: "/nowhere", holds: "no such page", status: http.StatusNotFound},
	"no-event":         {path: "/events/999999", holds: "no", status: http.StatusNotFound},
	"keys":             {path: "/", walk: keys, holds: "next row"},
}

// readPages are those of a dashboard that may only look.
var readPages = map[string]page{
	"read-overview": {path: "/", holds: "connection refused"},
	"read-decide":   {path: "/decide", holds: "unknown currency"},
	"read-event":    {path: "/events?id=broken_00001", walk: open("broken_00001"), holds: "database is down"},
	"read-store":    {path: "/store", holds: "works"},
}

// emptyPages are those of a store to which nothing has come.
var emptyPages = map[string]page{
	"empty-overview":   {path: "/", holds: "all is well"},
	"empty-events":     {path: "/events", holds: "No event has come yet"},
	"empty-quarantine": {path: "/quarantine", holds: "Quarantine is empty"},
	"empty-decide":     {path: "/decide", holds: "None."},
	"empty-store":      {path: "/store", holds: "works"},
	"empty-sources":    {path: "/sources", holds: "inbox"},
}

func follow(w chrome.What) func(*chrome.Tab) { return func(tab *chrome.Tab) { tab.Follow(w) } }

// open follows the link of an event or an entry in a list.
func open(id string) func(*chrome.Tab) { return follow(chrome.Link(id)) }

func reveal(tab *chrome.Tab) {
	open("phone_00001")(tab)
	tab.Misses("+15551234567")
	tab.Follow(chrome.Button("Reveal.*"))
}

func discard(tab *chrome.Tab) {
	tab.Follow(chrome.Link("Discard.*").Within(chrome.Row("crm.*410")))
	tab.Fill(chrome.Field("Reason.*"), "these customers have left")
	tab.Follow(chrome.Button("Discard .*"))
	tab.Sees("See the result")
}

func keys(tab *chrome.Tab) {
	tab.Press(chrome.Button("Keys.*"))
	tab.Sees("next row")
}

// TestPages looks at every page.
func TestPages(t *testing.T) {
	t.Parallel()
	chrome.Needs(t)
	busy := busyGate(t, "")
	empty := gate.Start(t, gate.Config{Routes: []gate.Route{{Types: "*", Name: "app", App: gate.NewApp(t)}}})
	read := busyGate(t, "inbox_dashboard")
	for g, pages := range map[*gate.Gate]map[string]page{busy: busyPages, empty: emptyPages, read: readPages} {
		for name, p := range pages {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				tab := chrome.Open(t, chrome.Mouse, g.Pages)
				want := http.StatusOK
				if p.status > 0 {
					want = p.status
					tab.Expect("Failed to load resource") // What the browser says of any such status.
				}
				tab.Go(p.path)
				if p.walk != nil {
					p.walk(tab)
				}
				tab.Sees(p.holds)
				if got := tab.Status(); got != want {
					t.Errorf("%s was answered with %d, not %d", tab.Path(), got, want)
				}
				inspect(t, tab, name)
				if g == read {
					if n := chrome.Eval[int](tab, `document.querySelectorAll("form[method=post]").length`); n > 0 {
						t.Errorf("%s has %d forms that change something, and may only be read", tab.Path(), n)
					}
				}
			})
		}
	}
}

// busyGate runs an inboxgate that has something of everything: a held route, events that
// wait, dead letters of three kinds, and quarantine.
func busyGate(t *testing.T, site string) *gate.Gate {
	t.Helper()
	crm, billing, archive := gate.NewApp(t), gate.NewApp(t), gate.NewApp(t)
	fail := func(id string) gate.Answer {
		switch prefix, _, _ := strings.Cut(id, "_"); prefix {
		case "broken":
			return gate.Answer{Status: http.StatusInternalServerError, Body: `{"error":"database is down"}`}
		case "gone":
			return gate.Answer{Status: http.StatusGone, Body: "no such customer"}
		case "odd":
			return gate.Answer{Status: http.StatusUnprocessableEntity, Body: "unknown currency"}
		}
		return gate.Answer{Status: http.StatusOK}
	}
	crm.Answers(fail)
	billing.Answers(fail)
	g := gate.Start(t, gate.Config{Pages: site, Routes: []gate.Route{
		{Types: "message.failed message.read", Name: "crm", App: crm, Words: "retry 50ms 100ms"},
		{Types: "message.action", Name: "billing", App: billing, Words: "retry 50ms\nrate 500"},
		{Types: "*", Name: "archive", App: archive},
	}})
	stale := gate.Events("stale", "message.delivered", 3)
	for i := range stale {
		stale[i].CreatedAt = time.Now().Add(-48 * time.Hour)
	}
	phone := gate.Events("phone", "message.delivered", 2)
	for i := range phone {
		phone[i].Data = map[string]any{"message_id": "msg_phone", "to": "+15551234567"}
	}
	for _, events := range [][]gate.Event{
		stale, phone, gate.Events("fine", "message.read", 70), gate.Events("broken", "message.failed", 4),
		gate.Events("gone", "message.failed", 2), gate.Events("odd", "message.action", 5),
		{{Type: "message.read", Body: []byte(`{"id":`)}},
	} {
		g.Send(t, events...)
	}
	g.AwaitRoutes(t, func(r gate.RouteState) bool { return r.Dead == 6 && r.Waiting == 0 }, "crm")
	g.AwaitRoutes(t, func(r gate.RouteState) bool { return r.Dead == 5 && r.Waiting == 0 }, "billing")
	crm.Down()
	g.Send(t, gate.Events("behind", "message.read", 40)...)
	g.AwaitRoutes(t, func(r gate.RouteState) bool { return r.State == "held" && r.Waiting == 40 }, "crm")
	return g
}
