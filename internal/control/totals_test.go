package control_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// The first page of a list says how many its filter chooses on all pages.
func TestListsHaveTotals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for n := range 5 {
		r.accept(n, "message.read", "app", []spool.State{spool.Dead, spool.Delivered}[n%2])
		r.odd(n, "inbox", "", "", "body is not JSON")
	}
	r.accept(5, "message.failed", "app", spool.Dead)
	for path, want := range map[string]string{
		"events":                                    "6",
		"events?limit=2":                            "6",
		"events?limit=1&type=message.read":          "5",
		"events?limit=1&state=dead":                 "4",
		"events?limit=1&state=dead&contains=msg_2":  "1",
		"events?limit=1&status=500":                 "4",
		"events?limit=1&since=1h":                   "6",
		"events?limit=1&until=1h":                   "0",
		"events?limit=2&message_id=msg_3":           "1",
		"dead?limit=1":                              "4",
		"dead?limit=1&type=message.failed":          "1",
		"quarantine?limit=2":                        "5",
		"quarantine?limit=2&reason=body":            "5",
		"quarantine?limit=2&reason=created":         "0",
		"events?limit=2&total=true":                 "6",
		"events?limit=2&total=false":                "none",
		"events?limit=2&cursor=4":                   "none",
		"quarantine?limit=2&total=false&reason=bod": "none",
	} {
		status, text := r.call("GET", control.Prefix+path, "", "", "")
		p := decode[control.Page](t, text)
		got := "none"
		if p.Total != nil {
			got = fmt.Sprint(*p.Total)
		}
		if status != 200 || got != want || p.Partial {
			t.Errorf("%s: %d, total %s, partial %v, want %s", path, status, got, p.Partial, want)
		}
	}
	for _, total := range []bool{true, false} {
		if p, err := r.client().Events(t.Context(), control.List{Limit: 1, Total: total}); err != nil || (p.Total != nil) != total {
			t.Errorf("a list with Total %v: %v, %v", total, p.Total, err)
		}
	}
	for _, c := range []struct {
		path, body string
		want       int64
	}{
		{"dead/discard", `{"all":true,"dry_run":true}`, 4},
		{"replay", `{"all":true,"rate":10000}`, 6},
		{"quarantine/release", `{"all":true,"dry_run":true}`, 5},
		{"quarantine/discard", `{"all":true}`, 5},
	} {
		_, text := r.call("POST", control.Prefix+c.path, "", "", c.body)
		lines := strings.Split(strings.TrimSpace(text), "\n")
		last := decode[control.Step](t, lines[len(lines)-1])
		if !last.Done || last.Total != c.want || last.Matched != c.want || last.Rest != 0 {
			t.Errorf("%s ends with %s, want a total of %d", c.path, text, c.want)
		}
	}
}

// What routes and the status call waiting or parked may be asked for by these words;
// a route's state is answered with what to ask for.
func TestWordsAsPrintedMayBeAsked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.accept(1, "message.read", "app", spool.Dead)
	r.accept(2, "message.read", "crm", spool.Retrying)
	r.accept(3, "message.read", "app", 0)
	r.accept(5, "message.read", "gone", spool.Dead)
	r.accept(4, "message.read", "gone", 0)
	for path, want := range map[string]string{
		"events?state=waiting":           "evt_4 evt_3 evt_2",
		"events?state=waiting&limit=1":   "evt_4",
		"events?state=waiting&route=app": "evt_3",
		"events?state=parked":            "evt_4",
		"events?state=parked&route=app":  "",
		"events?state=parked&status=500": "",
	} {
		status, text := r.call("GET", control.Prefix+path, "", "", "")
		if got := ids(decode[control.Page](t, text)); status != 200 || got != want {
			t.Errorf("%s: %d %q, want %q", path, status, got, want)
		}
	}
	routes, err := r.client().Routes(t.Context())
	r.ok(err)
	for _, route := range routes {
		p, err := r.client().Events(t.Context(), control.List{Filter: control.Filter{State: "waiting", Route: route.Route}, Total: true})
		if err != nil || *p.Total != route.Waiting {
			t.Errorf("route %s: %d wait, %d events are listed, %v", route.Route, route.Waiting, *p.Total, err)
		}
		if route.State == control.RouteParked {
			continue
		}
		status, text := r.call("GET", control.Prefix+"events?state="+route.State, "", "", "")
		if status != 400 || !strings.Contains(text, "waiting") {
			t.Errorf("state=%s: %d %s", route.State, status, text)
		}
	}
	for word, want := range map[string]string{"failed": `ask for \"dead\"`, "quarantined": "a list of its own", "ded": "there are waiting, available"} {
		if status, text := r.call("GET", control.Prefix+"events?state="+word, "", "", ""); status != 400 || !strings.Contains(text, want) {
			t.Errorf("state=%s: %d %s, want %s", word, status, text, want)
		}
	}
	_, err = control.NewReader(r.store).Events(t.Context(), control.List{Filter: control.Filter{State: "parked"}})
	if err == nil || !strings.Contains(err.Error(), "running") {
		t.Errorf("parked, of a store without a process: %v", err)
	}
}
