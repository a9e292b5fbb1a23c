package browser

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/browser/chrome"
	"github.com/inboxgate/inboxgate/internal/browser/gate"
)

// night is what an operator is called to: two routes whose apps are gone, with 10,000
// events behind; 200 dead letters of three kinds; and three events in quarantine.
type night struct {
	*gate.Gate
	crm, billing             *gate.App
	behind                   []gate.Event
	broken, gone, odd, stale []gate.Event
}

const (
	behindEvents = 10_000
	brokenEvents = 120
	goneEvents   = 60
	oddEvents    = 20
	staleEvents  = 3
)

// fall lets the night fall.
func fall(t *testing.T) *night {
	t.Helper()
	n := &night{
		crm: gate.NewApp(t), billing: gate.NewApp(t),
		behind: gate.Events("behind", "message.read", behindEvents),
		broken: gate.Events("broken", "message.failed", brokenEvents),
		gone:   gate.Events("gone", "message.failed", goneEvents),
		odd:    gate.Events("odd", "message.action", oddEvents),
		stale:  gate.Events("stale", "message.delivered", staleEvents),
	}
	for i := range n.stale {
		n.stale[i].CreatedAt = time.Now().Add(-48 * time.Hour)
	}
	n.Gate = gate.Start(t, gate.Config{Routes: []gate.Route{
		{Types: "*", Name: "crm", App: n.crm, Words: "retry 100ms"},
		{Types: "*", Name: "billing", App: n.billing, Words: "retry 100ms"},
	}})
	n.crm.Answers(func(id string) gate.Answer {
		switch {
		case strings.HasPrefix(id, "broken"):
			return gate.Answer{Status: http.StatusInternalServerError, Body: `{"error":"database is down"}`}
		case strings.HasPrefix(id, "gone"):
			return gate.Answer{Status: http.StatusGone, Body: "no such customer"}
		}
		return gate.Answer{Status: http.StatusOK}
	})
	n.billing.Answers(func(id string) gate.Answer {
		if strings.HasPrefix(id, "odd") {
			return gate.Answer{Status: http.StatusUnprocessableEntity, Body: "unknown currency"}
		}
		return gate.Answer{Status: http.StatusOK}
	})
	if got := n.Send(t, n.stale...); got["quarantined"] != staleEvents {
		t.Fatalf("stale events were %v", got)
	}
	n.Send(t, slices.Concat(n.broken, n.gone, n.odd)...)
	n.AwaitRoutes(t, func(r gate.RouteState) bool { return r.Dead == brokenEvents+goneEvents && r.Waiting == 0 }, "crm")
	n.AwaitRoutes(t, func(r gate.RouteState) bool { return r.Dead == oddEvents && r.Waiting == 0 }, "billing")
	n.crm.Down()
	n.billing.Down()
	n.Send(t, n.behind...)
	n.AwaitRoutes(t, func(r gate.RouteState) bool { return r.State == "held" && r.Waiting == behindEvents }, "crm", "billing")
	return n
}

// mended has the apps back, and well.
func (n *night) mended(t *testing.T) {
	t.Helper()
	n.crm.Answers(nil)
	n.billing.Answers(nil)
	n.crm.Up(t)
	n.billing.Up(t)
}

// arrived wants each of some events taken once, by every app given.
func arrived(t *testing.T, events []gate.Event, apps ...*gate.App) {
	t.Helper()
	for _, e := range events {
		for _, app := range apps {
			if n := app.Took(e.ID); n != 1 {
				t.Errorf("%s was taken %d times", e.ID, n)
			}
		}
	}
}

// An operator who is woken sees on the first screen what is wrong, and mends all of it
// without a terminal.
func TestOperatorsNight(t *testing.T) {
	t.Parallel()
	chrome.Needs(t)
	for _, hand := range chrome.Hands {
		t.Run(hand.String(), func(t *testing.T) {
			t.Parallel()
			n := fall(t)
			tab := chrome.Open(t, hand, n.Pages)
			seen := n.look(tab)
			if seen > 3*time.Second {
				t.Errorf("what is wrong was seen after %s", seen)
			}
			n.mended(t)
			n.catchUp(t, tab)
			n.decide(t, tab)
			n.release(t, tab)
			n.over(t, tab)
		})
	}
}

// look opens the first page and returns how long it took to see all that is wrong.
func (n *night) look(tab *chrome.Tab) time.Duration {
	began := time.Now()
	tab.Go("/")
	for _, what := range []string{"crm", "billing", "held", "10,000", "connection refused", "200 dead letters", "3 in quarantine"} {
		tab.OnFirstScreen(what)
	}
	return time.Since(began)
}

// catchUp resumes one route, sees the other one go on by itself, and waits until nothing
// is behind.
func (n *night) catchUp(t *testing.T, tab *chrome.Tab) {
	t.Helper()
	tab.Follow(chrome.Button("Resume.*").Within(chrome.Row("crm")))
	n.crm.Await(t, behindEvents+oddEvents)
	n.billing.Await(t, behindEvents+brokenEvents+goneEvents)
	tab.Until("both routes to be ready", func() bool {
		tab.Again(chrome.Link("Overview"))
		return tab.Count(chrome.Row(`crm.*ready`)) == 1 && tab.Count(chrome.Row(`billing.*ready`)) == 1
	})
	arrived(t, n.behind, n.crm, n.billing)
}

// decide sends two groups of dead letters again, and lets the third go.
func (n *night) decide(t *testing.T, tab *chrome.Tab) {
	t.Helper()
	tab.Follow(chrome.Link("Decide.*"))
	tab.Sees("200 in 3 groups")

	tab.Follow(chrome.Link("Replay 120.*").Within(chrome.Row("crm.*500")))
	tab.Sees("120 to change")
	tab.Fill(chrome.Field("Reason.*"), "the database is back")
	tab.Follow(chrome.Button("Replay 120"))
	tab.Sees("120 sent again")
	tab.Sees("0 failed again")
	arrived(t, n.broken, n.crm)

	tab.Follow(chrome.Link("Back to decide"))
	tab.Follow(chrome.Link("Discard.*").Within(chrome.Row("crm.*410")))
	tab.Fill(chrome.Field("Reason.*"), "these customers have left")
	tab.Follow(chrome.Button("Discard 60"))
	tab.Sees("60 discarded")

	tab.Follow(chrome.Link("Back to decide"))
	tab.Follow(chrome.Link("Replay 20.*").Within(chrome.Row("billing.*422")))
	tab.Fill(chrome.Field("Reason.*"), "billing knows it now")
	tab.Follow(chrome.Button("Replay 20"))
	tab.Sees("20 sent again")
	tab.Sees("0 failed again")
	arrived(t, n.odd, n.billing)
	for _, e := range n.gone {
		if n.crm.Took(e.ID) > 0 {
			t.Errorf("%s was discarded, and arrived", e.ID)
		}
	}
}

// release lets what is in quarantine through.
func (n *night) release(t *testing.T, tab *chrome.Tab) {
	t.Helper()
	tab.Follow(chrome.Link("Back to decide"))
	tab.Follow(chrome.Link("Release 3.*").Within(chrome.Row("before the window")))
	tab.Fill(chrome.Field("Reason.*"), "they were late, not forged")
	tab.Follow(chrome.Button("Release 3"))
	tab.Sees("3 released")
	all := behindEvents + brokenEvents + goneEvents + oddEvents + staleEvents
	n.billing.Await(t, all)
	n.crm.Await(t, all-goneEvents)
	arrived(t, n.stale, n.crm, n.billing)
}

// over sees that nothing is left to do, and that who did what is written down.
func (n *night) over(t *testing.T, tab *chrome.Tab) {
	t.Helper()
	tab.Follow(chrome.Link("Back to decide"))
	for _, gone := range []string{"crm.*500", "crm.*410", "billing.*422", "before the window"} {
		tab.Lacks(chrome.Row(gone))
	}
	tab.Follow(chrome.Link("Overview.*"))
	tab.Sees("0 dead letters")
	tab.Misses("wrong")
	tab.Lacks(chrome.Row("held"))
	for _, r := range n.Routes(t) {
		if r.State != "ready" || r.Waiting+r.Dead > 0 {
			t.Errorf("at the end the route %s is %+v", r.Route, r)
		}
	}
	lines := audit(t, n.Gate)
	for _, reason := range []string{"the database is back", "these customers have left", "billing knows it now", "they were late, not forged"} {
		if !strings.Contains(lines, reason) || !strings.Contains(lines, "this machine") {
			t.Errorf("the audit log does not say %q and by whom:\n%.2000s", reason, lines)
		}
	}
}
