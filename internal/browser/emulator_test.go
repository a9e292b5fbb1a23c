package browser

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/browser/chrome"
	"github.com/inboxgate/inboxgate/internal/browser/gate"
)

var (
	emulatorAt  = regexp.MustCompile(`In a browser: (http://\S+[^/\s])/?\s`)
	emulatorKey = regexp.MustCompile(`Its API key: (\S+)`)
)

// emulator runs the emulator of the platform, with a webhook that leads to an app.
func emulator(t *testing.T, app *gate.App, description string) (shown string) {
	t.Helper()
	p := gate.Run(t, "emulator", "--listen", "127.0.0.1:0", "--speed", "600")
	said := p.Await(t, "Ctrl-C")
	at, key := emulatorAt.FindStringSubmatch(said), emulatorKey.FindStringSubmatch(said)
	if at == nil || key == nil {
		t.Fatalf("the emulator says no address, or no key:\n%s", said)
	}
	p.Env = []string{"INBOX_API_URL=" + at[1], "INBOX_API_KEY=" + key[1]}
	p.Command(t, "webhooks", "create", "--url", "http://"+app.Addr+"/hook", "--description", description)
	return at[1]
}

// The emulator's page sends, forges and pauses, and shows what came of it.
func TestEmulatorsPage(t *testing.T) {
	t.Parallel()
	chrome.Needs(t)
	for _, hand := range chrome.Hands {
		t.Run(hand.String(), func(t *testing.T) {
			t.Parallel()
			app := gate.NewApp(t)
			tab := chrome.Open(t, hand, emulator(t, app, "the app"))
			tab.Go("/")
			tab.Sees("the app")
			tab.Follow(chrome.Button("Send message.failed"))
			tab.Has(chrome.Row("message.failed.*delivered.*200"))
			app.Answers(func(string) gate.Answer { return gate.Answer{Status: http.StatusInternalServerError, Body: "no"} })
			tab.Follow(chrome.Button("Send message.read"))
			tab.Has(chrome.Row("message.read.*500"))
			app.Answers(nil)
			tab.Has(chrome.Row("message.read.*delivered.*500.*200"))
			tab.Follow(chrome.Button("Pause.*wh_.*"))
			tab.Sees("paused")
			tab.Follow(chrome.Button("Resume.*"))
			tab.Sees("active")
			if hand == chrome.Mouse {
				inspect(t, tab, "emulator")
			}
		})
	}
}

// What the app answers, and what a webhook is called, runs nothing on the emulator's page.
func TestEmulatorsPageOfHostileWords(t *testing.T) {
	t.Parallel()
	chrome.Needs(t)
	app := gate.NewApp(t)
	app.Answers(func(string) gate.Answer {
		return gate.Answer{Status: http.StatusInternalServerError, Body: strings.Repeat(hostile, 1000), Header: http.Header{"X-Inbox-Result": {hostile}}}
	})
	tab := chrome.Open(t, chrome.Mouse, emulator(t, app, hostile))
	tab.Go("/")
	tab.Follow(chrome.Button("Send message.failed"))
	tab.Has(chrome.Row("message.failed.*500"))
	inspect(t, tab, "emulator-hostile")
	tame(t, tab)
}
