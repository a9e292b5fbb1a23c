package cli_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/minutes"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// The status says where a route leads, what keeps it, when it is tried next, what came
// and was refused, and which secret may go; JSON has the minutes.
func TestStatusTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	now := time.Now()
	hour := minutes.New("signature_missing", "timeout")
	source := hour.Source("inbox")
	source.Accepted(now, time.Millisecond)
	source.Duplicate(now, time.Millisecond)
	source.Refused("signature_missing")
	source.Refused("signature_missing")
	source.Refused("timeout")
	hour.Route("inbox", "crm").Delivered(minutes.Outcome{At: now.Add(-time.Hour), Status: 200})
	hour.Route("inbox", "crm").Failed(minutes.Outcome{At: now.Add(-150 * time.Second), Status: 500, Error: "status 500"})
	app, crm := spool.RouteKey{Source: "inbox", Route: "app"}, spool.RouteKey{Source: "inbox", Route: "crm"}
	d.ok(d.store.Hold(t.Context(), "", app, spool.Hold{Since: now.Add(-12*time.Minute - 30*time.Second), Reason: "connection refused", Probes: 48, NextProbe: now.Add(10*time.Minute + 30*time.Second)}))
	api := httptest.NewServer(control.New(control.Options{
		Store: d.store, Minutes: hour,
		Configured: func() map[spool.RouteKey]bool { return map[spool.RouteKey]bool{app: true, crm: true} },
		Route: func(k spool.RouteKey) control.RouteConfig {
			return control.RouteConfig{Upstreams: []string{k.Route + ":9000", k.Route + ":9001"}}
		},
		Pace: func(k spool.RouteKey) (p control.Pace) {
			if k == crm {
				p = control.Pace{Limit: 4.5, Reason: "status 429", Next: now.Add(time.Minute), Until: now.Add(time.Minute)}
			}
			return p
		},
		About: func() control.About {
			return control.About{
				Sources: []control.SourceStatus{{Source: "inbox"}},
				Secrets: []control.Secret{
					{Source: "inbox", Secret: "a1f3", Valid: true, Used: now},
					{Source: "inbox", Secret: "9c02", Valid: true, Used: now.Add(-26*time.Hour - 30*time.Second)},
					{Source: "inbox", Secret: "77aa", Valid: true},
					{Source: "other", Secret: "0000", Valid: true},
				},
			}
		},
	}))
	t.Cleanup(api.Close)
	got := runCommand(t.Context(), "", "status", "--admin", api.URL)
	if got.failed != nil || got.err != "" {
		t.Fatalf("%v, %q", got.failed, got.err)
	}
	for _, want := range []string{
		"source      inbox: last event ", " s ago; in the last hour 1 accepted, 1 duplicate; refused: 2 signature_missing, 1 timeout\n",
		"held for 12 min, to app:9000, app:9001\n", "  connection refused; 48 probes, next in 10 min\n",
		"slowed: status 429, 4.5/s, next try in ", ", 1 delivered in the last 5 minutes, to crm:9000, crm:9001\n", "  failed 2 min ago: status 500\n",
		"secrets     4 valid of 4; 9c02 of inbox was not used for 26 h 0 min; 77aa of inbox was not used since the start\n",
	} {
		if !strings.Contains(got.out, want) {
			t.Errorf("it does not say %q:\n%s", want, got.out)
		}
	}
	if n := strings.Count(got.out, "\n"); n > 24 {
		t.Errorf("%d lines are more than a screen", n)
	}
	var s struct {
		control.Status
		Minutes control.Minutes `json:"minutes"`
	}
	asJSON := runCommand(t.Context(), "", "status", "--format", "json", "--admin", api.URL)
	if err := json.Unmarshal([]byte(asJSON.out), &s); err != nil || len(s.Minutes.Sources) != 1 || s.Sources[0].Refused["timeout"] != 1 || len(s.Routes[0].Upstreams) != 2 {
		t.Errorf("JSON: %v, %s", err, asJSON.out)
	}
}
