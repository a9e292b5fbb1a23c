package browser

import (
	"regexp"
	"testing"

	"github.com/inboxgate/inboxgate/internal/browser/chrome"
	"github.com/inboxgate/inboxgate/internal/browser/gate"
)

// links finds the pages that the demonstration has printed.
var links = regexp.MustCompile(`(?m)^ *(Dashboard|Desk|Platform) +(http://[0-9.:]+)/`)

// A newcomer starts the demonstration, follows its links, takes an app down and up, and
// finds a dead letter by its message id and sends it again.
func TestNewcomer(t *testing.T) {
	t.Parallel()
	chrome.Needs(t)
	for _, hand := range chrome.Hands {
		t.Run(hand.String(), func(t *testing.T) {
			t.Parallel()
			at := map[string]string{}
			for _, l := range links.FindAllStringSubmatch(gate.Run(t, "demo").Await(t, "Ctrl-C ends it"), -1) {
				at[l[1]] = l[2]
			}
			if len(at) != 3 {
				t.Fatalf("the demonstration has printed the links %v", at)
			}
			dashboard, desk := chrome.Open(t, hand, at["Dashboard"]), chrome.Open(t, hand, at["Desk"])
			dashboard.Go("/")
			desk.Go("/")
			dashboard.OnFirstScreen("all is well")
			downAndUp(dashboard, desk)
			deadLetter(t, dashboard, desk)
			if hand == chrome.Mouse {
				inspect(t, desk, "desk")
				inspect(t, dashboard, "demo-dashboard")
				platform := chrome.Open(t, hand, at["Platform"])
				platform.Go("/")
				inspect(t, platform, "demo-platform")
			}
		})
	}
}

// theApp is the desk's part about the app that takes every event.
var theApp = chrome.What{Role: "region", Name: "app, .*every event"}

// downAndUp takes the app down and sends it a storm; once all of it waits, it takes the
// app up and sees everything arrive.
func downAndUp(dashboard, desk *chrome.Tab) {
	desk.Follow(chrome.Button("Down").Within(theApp))
	desk.Sees("is down")
	desk.Follow(chrome.Button("A storm of 500"))
	dashboard.Until("the route to be held, with all that waits", func() bool {
		dashboard.Again(chrome.Link("Overview.*"))
		return dashboard.Count(chrome.Row(`app inbox.*held.*refused.*\b500\b`)) == 1
	})
	desk.Follow(chrome.Button("Up").Within(theApp))
	dashboard.Follow(chrome.Button("Resume.*").Within(chrome.Row("app inbox")))
	dashboard.Until("the route to be ready, with nothing that waits", func() bool {
		dashboard.Again(chrome.Link("Overview.*"))
		return dashboard.Count(chrome.Row(`app inbox ready 0 – 0`)) == 1
	})
}

// deadLetter has the app refuse one event, finds that by its message id, and sends it
// again.
func deadLetter(t *testing.T, dashboard, desk *chrome.Tab) {
	t.Helper()
	desk.Follow(chrome.Button("Answer 410").Within(theApp))
	desk.Follow(chrome.Button("One event"))
	dashboard.Until("a dead letter", func() bool {
		dashboard.Again(chrome.Link("Overview.*"))
		return dashboard.Count(chrome.Link("1 dead letter of app")) == 1
	})
	dashboard.Follow(chrome.Link("1 dead letter of app"))
	message := regexp.MustCompile(`msg_\w+`).FindString(dashboard.Has(chrome.Row("msg_")))
	dashboard.Follow(chrome.Link("Overview.*"))
	dashboard.Fill(chrome.What{Role: "searchbox", Name: "Where is .*"}, message)
	dashboard.Follow(chrome.Button("Find"))
	id := regexp.MustCompile(`evt_\w+`).FindString(dashboard.Has(chrome.Row(message)))
	dashboard.Follow(chrome.Link(id))
	dashboard.Sees("this app wants no webhooks any more")
	desk.Follow(chrome.Button("Up").Within(theApp))
	delivery := chrome.What{Role: "region", Name: "app"}
	dashboard.Fill(chrome.Field("Reason.*").Within(delivery), "the app wants them again")
	dashboard.Follow(chrome.Button("Replay").Within(delivery))
	dashboard.Until("the letter to have arrived", func() bool {
		dashboard.Again(chrome.Link("Events"))
		if dashboard.Count(chrome.Link(id)) == 1 {
			dashboard.Again(chrome.Link(id))
		}
		return dashboard.Count(chrome.Row("replay 1.*200")) > 0
	})
	desk.Again(chrome.Link("inboxgate demo"))
	desk.Has(chrome.Row("app.*" + id + ".*200"))
}
