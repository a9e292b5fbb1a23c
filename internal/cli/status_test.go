package cli_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// Everything that an operator looks for first stands on one screen.
func TestStatus(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.accept(1, "message.read", map[string]spool.State{"app": spool.Dead, "crm": spool.Delivered})
	d.accept(2, "message.read", map[string]spool.State{"app": spool.Dead})
	d.accept(3, "message.read", map[string]spool.State{"app": 0})
	d.odd("odd")
	reason := "dial tcp 127.0.0.1:3000: connect: connection refused, " + strings.Repeat("and so on ", 20)
	d.ok(d.store.Hold(t.Context(), "", spool.RouteKey{Source: "inbox", Route: "app"}, spool.Hold{Since: time.Now().Add(-3 * time.Minute), Reason: reason}))
	got := runCommand(t.Context(), "", "status", "--admin", d.api.URL)
	if got.failed != nil || got.err != "" {
		t.Fatalf("%v, %q", got.failed, got.err)
	}
	for _, want := range []string{
		"takes events", "message.read", "inbox/app 1 waiting (oldest 0 s), 0 running, 2 dead, held for 3 min\n", "  dial tcp 127.0.0.1:3000", "inbox/crm 0 waiting",
		"2 on app: status 500 (the schedule has ended)", "1 entry",
	} {
		if !strings.Contains(got.out, want) {
			t.Errorf("it does not say %q:\n%s", want, got.out)
		}
	}
	if !strings.Contains(got.out, reason) {
		t.Errorf("the reason is not whole in a pipe:\n%s", got.out)
	}
	var s control.Status
	asJSON := runCommand(t.Context(), "", "status", "--format", "json", "--admin", d.api.URL)
	if err := json.Unmarshal([]byte(asJSON.out), &s); err != nil || s.Dead.Total != 2 || len(s.Routes) < 2 || s.Routes[0].Hold.Reason != reason {
		t.Errorf("JSON: %v, %+v", err, s)
	}
	d.ok(d.store.Close())
	closed := runCommand(t.Context(), "", "status", "--admin", d.api.URL)
	if closed.failed == nil || !strings.Contains(closed.out, "takes no events") {
		t.Errorf("a store that is closed: %v\n%s%s", closed.failed, closed.out, closed.err)
	}
}

// Dead letters are counted by how they ended, and listed with it.
func TestDeadListTellsWhy(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.accept(1, "message.read", map[string]spool.State{"app": spool.Dead, "crm": spool.Dead})
	d.accept(2, "message.read", map[string]spool.State{"app": spool.Dead})
	list := func(args ...string) ran {
		return runCommand(t.Context(), "", append([]string{"dead", "list", "--admin", d.api.URL}, args...)...)
	}
	if got := list("--group"); got.failed != nil || !strings.Contains(got.out, "2      app    500     status 500") || strings.Count(got.out, "\n") != 3 {
		t.Errorf("%v\n%s", got.failed, got.out)
	}
	if got := list(); got.failed != nil || strings.Count(got.out, " 500  ") != 6 || strings.Count(got.out, "status 500") != 3 {
		t.Errorf("%v\n%s", got.failed, got.out)
	}
	if got := list("--status", "410"); got.failed != nil || got.out != "There are none.\n" {
		t.Errorf("%v\n%s", got.failed, got.out)
	}
	list("--status", "many").complains(t, "--status", "500")
	list("--route", "ap").complains(t, `there is no route "ap"`, "app")
	runCommand(t.Context(), "", "events", "replay", "evt_2", "--route", "crm", "--admin", d.api.URL).complains(t, "no delivery for route crm", "--to crm")
	if got := d.states(2); got != "app dead 0" {
		t.Errorf("it is %s", got)
	}
}
