package browser

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/browser/chrome"
	"github.com/inboxgate/inboxgate/internal/browser/gate"
)

// hostile is a text that runs, or leaves its place, where a page takes it for its own.
const hostile = `"'><script>window.taken=1</script><img src=x onerror="window.taken=1"><a href="javascript:window.taken=1">x</a></td></table></main>` +
	"\u202egnp.exe\u2066\u200b\ufeff{{.}}${taken=1}</title><style>*{display:none}</style><!--"

// hostileName is as much of it as the name of a source, a route or an id may hold.
const hostileName = `"'><script>window.taken=1</script></td></table>javascript:window.taken=1<!--{{.}}`

// tame fails the test if something of a hostile text has run, or has become a part of
// the page.
func tame(t *testing.T, tab *chrome.Tab) {
	t.Helper()
	if chrome.Eval[bool](tab, `"taken" in window`) {
		t.Errorf("%s has run a foreign text", tab.Path())
	}
	for what, n := range map[string]int{
		"a foreign script":  chrome.Eval[int](tab, `document.querySelectorAll("script:not([src])").length`),
		"a foreign style":   chrome.Eval[int](tab, `document.querySelectorAll("style, [style]").length`),
		"a foreign picture": chrome.Eval[int](tab, `document.querySelectorAll("img").length`),
		"a foreign handler": chrome.Eval[int](tab, `[...document.querySelectorAll("*")].filter(e => e.getAttributeNames().some(n => n.startsWith("on"))).length`),
		"a foreign link": chrome.Eval[int](tab, `[...document.querySelectorAll("[href],[src],[action],[formaction]")].filter(e =>
			["href", "src", "action", "formaction"].some(n => e.hasAttribute(n) && new URL(e.getAttribute(n), location).origin !== location.origin)).length`),
		"a second main": chrome.Eval[int](tab, `document.querySelectorAll("main").length - 1`),
		"a bare bidi control, or another character without a shape": chrome.Eval[int](tab,
			`(document.documentElement.textContent.match(/[\u202a-\u202e\u2066-\u2069\u200b-\u200f\ufeff\u0000]/g) || []).length`),
	} {
		if n > 0 {
			t.Errorf("%s has %s: %d", tab.Path(), what, n)
		}
	}
}

// hostileGate runs an inboxgate whose names, events, apps and user are all hostile, and
// returns the id of its event.
func hostileGate(t *testing.T) (g *gate.Gate, id string) {
	t.Helper()
	large, broken := gate.NewApp(t), &gate.App{Addr: liar(t)}
	large.Answers(func(string) gate.Answer {
		return gate.Answer{
			Status: http.StatusInternalServerError, Body: hostile + "\x00" + strings.Repeat("\u202e<b>", 1<<18),
			Header: http.Header{"X-Inbox-Result": {hostileName}, "Content-Type": {"text/html"}},
		}
	})
	g = gate.Start(t, gate.Config{
		Source: "`" + hostileName + "`",
		Routes: []gate.Route{
			{Types: "*", Name: "`" + hostileName + "`", App: large, Words: "retry 50ms"},
			{Types: "*", Name: "`a-" + hostileName + "`", App: broken, Words: "retry 50ms"},
		},
		Pages: "request_header Remote-User `" + hostileName + "`\n\t" +
			"inbox_dashboard {\n\t\tactions operate\n\t\treveal operate\n\t\tuser {http.request.header.Remote-User}\n\t}",
	})
	id = hostileName + strings.Repeat("A", 256-len(hostileName))
	data := map[string]any{
		"message_id": hostile, "to": "+15551234567" + hostile, hostile: []any{hostile, "\x00\x01\u2028"},
		"long": strings.Repeat("<script>", 1<<14), "wide": strings.Repeat("W", 1<<14),
	}
	g.Send(t,
		gate.Event{ID: id, Type: "message.failed", Data: data},
		gate.Event{ID: "evt_other", Type: hostile, Data: data},
		gate.Event{Body: []byte(`{"id":` + hostile + "\x00\xff")},
	)
	large.AwaitTried(t, 2, id)
	return g, id
}

// liar listens as an app that answers with what is no HTTP but a hostile text.
func liar(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // The test has ended.
			}
			go func() {
				defer c.Close()
				b := make([]byte, 1)
				if _, err := io.ReadFull(c, b); err == nil {
					_, _ = fmt.Fprintf(c, "HTTP/1.1 %s\r\n\r\n", hostile)
				}
			}()
		}
	}()
	return l.Addr().String()
}

// Whatever comes from outside is shown as a text and runs nothing: names, ids, bodies,
// answers, errors, headers, reasons, users.
func TestHostileWordsRunNothing(t *testing.T) {
	t.Parallel()
	chrome.Needs(t)
	g, id := hostileGate(t)
	shown := chrome.Link(`.*window\.taken=1.*`)
	for name, p := range map[string]page{
		"overview":         {path: "/", holds: "window.taken=1"},
		"events":           {path: "/events", holds: "window.taken=1"},
		"filter":           {path: "/events?contains=" + escape(hostile) + "&type=" + escape(hostileName), holds: "window.taken=1"},
		"event":            {path: "/events?id=" + escape(id), walk: follow(shown.Within(chrome.Row("message.failed"))), holds: "window.taken=1"},
		"revealed":         {path: "/events?id=" + escape(id), walk: revealHostile, holds: "window.taken=1"},
		"find":             {path: "/find?q=" + escape(hostile), holds: "window.taken=1"},
		"find-id":          {path: "/find?q=" + escape(id), holds: "window.taken=1"},
		"quarantine":       {path: "/quarantine", holds: "not"},
		"quarantine-entry": {path: "/quarantine", walk: follow(chrome.Link("number .*|evt_other")), holds: "In quarantine"},
		"decide":           {path: "/decide", holds: "window.taken=1"},
		"confirm":          {path: "/decide", walk: follow(chrome.Link("Discard.*")), holds: "window.taken=1"},
		"job":              {path: "/decide", walk: discardHostile, holds: "See the result"},
		"route":            {path: "/", walk: follow(shown.Within(chrome.Row("failing|held|ready"))), holds: "window.taken=1"},
		"sources":          {path: "/sources", holds: "window.taken=1"},
		"store":            {path: "/store", holds: "works"},
		"no-page":          {path: "/" + escape(hostile), holds: "no such page", status: http.StatusNotFound},
		"no-job":           {path: "/jobs/" + escape(hostile), holds: "no", status: http.StatusNotFound},
		"wrong-confirm":    {path: "/confirm?do=" + escape(hostile), holds: "no", status: http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tab := chrome.Open(t, chrome.Mouse, g.Pages)
			if p.status > 0 {
				tab.Expect("Failed to load resource")
			}
			tab.Go(p.path)
			if p.walk != nil {
				p.walk(tab)
			}
			tab.Sees(p.holds)
			if got := tab.Status(); p.status > 0 && got != p.status {
				t.Errorf("answered %d, not %d", got, p.status)
			}
			inspect(t, tab, "hostile-"+name)
			tame(t, tab)
		})
	}
}

func revealHostile(tab *chrome.Tab) {
	tab.Follow(chrome.Link(`.*window\.taken=1.*`).Within(chrome.Row("message.failed")))
	tab.Follow(chrome.Button("Reveal.*"))
}

func discardHostile(tab *chrome.Tab) {
	tab.Follow(chrome.Link("Discard.*"))
	tab.Fill(chrome.Field("Reason.*"), strings.ReplaceAll(hostileName, "{{", "((")) // A person types no more than that.
	tab.Follow(chrome.Button("Discard .*"))
	tab.Sees("See the result")
}

// escape returns a text as a part of an address.
func escape(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

// A hostile text cannot write a line of its own into the audit log.
func TestHostileReasonIsOneLineOfTheAuditLog(t *testing.T) {
	t.Parallel()
	chrome.Needs(t)
	g, _ := hostileGate(t)
	tab := chrome.Open(t, chrome.Plain, g.Pages)
	tab.Go("/decide")
	discardHostile(tab)
	found := false
	for line := range strings.Lines(audit(t, g)) {
		var entry struct{ User, Reason string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		found = found || strings.Contains(entry.Reason, "window.taken=1") && strings.Contains(entry.User, "window.taken=1")
	}
	if !found {
		t.Errorf("the audit log does not say who discarded, and why:\n%.2000s", audit(t, g))
	}
}
