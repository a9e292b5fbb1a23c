package faults

import (
	"net/http"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// A request cannot choose where its event goes: no configuration that lets it is
// taken, and what a request says of hosts, paths and proxies changes nothing.
func TestFaultRequestChoosesUpstream(t *testing.T) {
	t.Parallel()
	url, called := trap(t)
	host := strings.TrimPrefix(url, "http://")
	r := rig.New(t, rig.Options{})
	r.Start()
	handle := func(directive string) string { return "to {\n name a\n handle {\n " + directive + "\n}\n}" }
	for name, source := range map[string]string{
		"a header":          "to {header.X-To}",
		"a header's port":   "to app:{header.X-Port}",
		"the host":          "to {host}:80",
		"a query":           "to {query.to}",
		"the path":          "on message.read {http.request.uri.path.1}:80",
		"a variable":        "to {vars.to}",
		"in a URL":          "to http://{header.X-To}/hook",
		"in a handle":       handle("reverse_proxy {header.User-Agent}"),
		"the host, handled": handle("reverse_proxy {http.request.host}:80"),
		"variable, handled": handle("reverse_proxy {vars.to}"),
		"a name to look up": handle("reverse_proxy {\n dynamic a {header.User-Agent} 80\n}"),
	} {
		config := r.Site("\tinbox_webhook " + rig.Path + " {\n" + source + "\n}\n")
		if r.Reload(config) {
			t.Fatalf("%s: taken: %s", name, source)
		}
	}
	r.Configure(r.Caddyfile(""))
	rounds := rig.Rounds(20, 500)
	for range rounds {
		e := r.Event(event.TypeMessageFailed)
		a := r.SendTo(t.Context(), r.URL, e, func(q *http.Request) {
			for _, name := range []string{
				"X-To", "X-Port", "X-Forwarded-Host", "X-Original-Url", "X-Rewrite-Url", "Forwarded", "Location", "Referer",
				"X-Inbox-Route", "X-Inbox-Source", "X-Inbox-Upstream", "User-Agent", "Traceparent", "Destination",
			} {
				q.Header.Set(name, host)
			}
		})
		if a.Result != "accepted" {
			t.Errorf("answered %d %q %v", a.Status, a.Result, a.Err)
		}
		// A URI may name a host, as to a proxy. It is signed, so it is taken, and
		// goes to the app.
		e = r.Event(event.TypeMessageRead)
		r.Log.Sending(e, r.Life().N)
		answers := answersTo(t, r.Listen, strings.Replace(whole(r, e), "POST ", "POST "+url, 1))
		if len(answers) != 1 || answers[0].Header.Get("X-Inbox-Result") != "accepted" {
			t.Errorf("an absolute URI was answered %v", answers)
			continue
		}
		r.Log.Answered(e.ID, history.Answer{Life: r.Life().N, Status: http.StatusOK, Result: "accepted"})
	}
	r.Settle()
	if n := called.Load(); n != 0 {
		t.Errorf("%d requests went where a sender chose", n)
	}
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Report([]int{60}, "requests that would choose the upstream", rounds)
}
