package browser

import (
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/inboxgate/inboxgate/internal/browser/chrome"
	"github.com/inboxgate/inboxgate/internal/browser/gate"
)

// The keys of the script go through a list, open what is chosen, search, pause, and help.
func TestKeys(t *testing.T) {
	t.Parallel()
	chrome.Needs(t)
	g := busyGate(t, "")
	tab := chrome.Open(t, chrome.Keyboard, g.Pages)
	focused := func() string {
		return chrome.Eval[string](tab, `document.activeElement.closest("[data-row]")?.innerText || document.activeElement.id`)
	}
	tab.Go("/events?state=dead&route=billing")
	var rows []string
	for _, key := range []string{"j", "j", "k"} {
		tab.Hit(key)
		rows = append(rows, focused())
	}
	if !strings.Contains(rows[0], "odd_") || rows[0] == rows[1] || rows[0] != rows[2] {
		t.Errorf("j, j and k lead to the rows %q", rows)
	}
	tab.Loads(func() { tab.Type(kb.Enter) })
	tab.Sees("unknown currency")
	tab.Go("/")
	tab.Hit("/")
	if got := focused(); got != "q" {
		t.Errorf("/ leads to %q, not to the search", got)
	}
	tab.Loads(func() { tab.Type("odd_00001" + kb.Enter) })
	tab.Sees("unknown currency")
	tab.Go("/")
	tab.Hit("p")
	tab.Has(chrome.Button("Paused"))
	paused := tab.Requests()
	tab.Hit("?")
	tab.Has(chrome.What{Role: "dialog", Name: "Keys"})
	tab.Press(chrome.Button("Close"))
	tab.Lacks(chrome.What{Role: "dialog", Name: "Keys"})
	if n := tab.Requests(); n > paused+1 { // One may have been under way.
		t.Errorf("a paused page has asked %d times", n-paused)
	}
	tab.Until("the page to go on", func() bool { // A key that comes before the dialog has gone is the dialog's.
		if tab.Count(chrome.Button("Live")) == 0 {
			tab.Hit("p")
		}
		return tab.Count(chrome.Button("Live")) == 1
	})
}

// A refresh takes away nothing from the hands of whoever types, reads or has opened
// something.
func TestARefreshLeavesWhatIsInUse(t *testing.T) {
	t.Parallel()
	chrome.Needs(t)
	g := busyGate(t, "")
	tab := chrome.Open(t, chrome.Keyboard, g.Pages)
	tab.Go("/events?id=broken_00001")
	tab.Follow(chrome.Link("broken_00001"))
	crm := chrome.What{Role: "region", Name: "crm"}
	refreshed := func() {
		t.Helper()
		n := tab.Requests()
		tab.Until("two refreshes", func() bool { return tab.Requests() >= n+2 })
	}
	tab.Fill(chrome.Field("Reason.*").Within(crm), "half of a sen")
	refreshed()
	tab.Type("tence")
	if got := chrome.Eval[string](tab, `document.activeElement.value`); got != "half of a sentence" {
		t.Errorf("after two refreshes the field that was typed into has %q", got)
	}
	tab.Go("/")
	tab.Switch(chrome.What{Role: "DisclosureTriangle", Name: "values.*New events.*"})
	open := func() int { return chrome.Eval[int](tab, `document.querySelectorAll("#live details[open]").length`) }
	if open() != 1 {
		t.Fatal("the table of a plot did not open")
	}
	refreshed()
	if open() != 1 {
		t.Error("a refresh has closed the table of a plot")
	}
}

// Times are shown as a person wants them, on all pages and from then on.
func TestTimesAsOneWants(t *testing.T) {
	t.Parallel()
	chrome.Needs(t)
	g := busyGate(t, "")
	tab := chrome.Open(t, chrome.Mouse, g.Pages)
	tab.Go("/events?id=fine_00001")
	for _, c := range []struct{ button, shape string }{
		{"ago", `^(now|.* ago)$`}, {"local", `^\d\d:\d\d:\d\d$`}, {"UTC", `^\d\d:\d\d:\d\d$`}, {"ago", `^(now|.* ago)$`},
	} {
		tab.Press(chrome.Button(c.button))
		if got := chrome.Eval[string](tab, `document.querySelector("tbody time").textContent`); !regexp.MustCompile(c.shape).MatchString(got) {
			t.Errorf("as %s a time is %q", c.button, got)
		}
	}
	tab.Go("/quarantine")
	tab.Has(chrome.Row("before the window"))
	if got := chrome.Eval[string](tab, `document.querySelector("tbody time").textContent`); !strings.Contains(got, "ago") {
		t.Errorf("on the next page a time is %q", got)
	}
}

// A page whose program is gone says so, and is well again when that is back.
func TestAPageWithoutAnAnswerSaysSo(t *testing.T) {
	t.Parallel()
	chrome.Needs(t)
	g := gate.Start(t, gate.Config{Routes: []gate.Route{{Types: "*", Name: "app", App: gate.NewApp(t)}}})
	tab := chrome.Open(t, chrome.Mouse, g.Pages)
	tab.Go("/")
	tab.Sees("all is well")
	tab.Expect("ERR_CONNECTION_REFUSED")
	tab.Expect("ERR_CONNECTION_RESET")
	tab.Expect("ERR_EMPTY_RESPONSE")
	tab.Expect("503")
	g.Stop(t)
	tab.Has(chrome.Button("No answer"))
	g.Again(t)
	tab.Has(chrome.Button("Live"))
}

// link finds the address that `inboxgate dashboard` prints.
var link = regexp.MustCompile(`http://127\.0\.0\.1:\d+/\S*`)

// The link of `inboxgate dashboard` lets in the browser that opens it first, and no other.
func TestTheLinkWorksOnce(t *testing.T) {
	t.Parallel()
	chrome.Needs(t)
	g := busyGate(t, "")
	p := gate.Run(t, "dashboard", "--admin", "unix/"+g.Dir+"/admin.sock", "--listen", "127.0.0.1:0")
	address := link.FindString(p.Await(t, "Ctrl-C"))
	origin := regexp.MustCompile(`^http://[^/]+`).FindString(address)
	if origin == "" || len(address) < len(origin)+20 {
		t.Fatalf("no link with a token was printed:\n%s", p.Output())
	}
	first := chrome.Open(t, chrome.Mouse, origin)
	first.Go(address)
	first.Sees("connection refused")
	if path := first.Path(); path != "/" {
		t.Errorf("the token stays in the address: %s", path)
	}
	first.Follow(chrome.Link("Decide.*"))
	first.Sees("unknown currency")
	second := chrome.Open(t, chrome.Mouse, origin)
	second.Expect("403")
	for _, at := range []string{address, "/"} {
		second.Go(at)
		second.Sees("inboxgate dashboard")
		second.Misses("connection refused")
		if second.Status() != 403 {
			t.Errorf("a second browser was answered with %d", second.Status())
		}
	}
	inspect(t, second, "link-used")
}
