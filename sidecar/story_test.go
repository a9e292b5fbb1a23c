package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
)

// storySpeed makes an hour of 3 s: the emulator and the schedule below run so
// much faster than the platform and the default. Two things keep their own
// time: probes of a held route, and the age of what waits, which the story
// multiplies.
const storySpeed = 1200

// storySchedule is 30s, 2m, 8m, 32m and 2h at that speed.
const storySchedule = "25ms,100ms,400ms,1600ms,6s"

// TestOperatorStory is a night of somebody who runs inboxgate, with documented
// commands alone: an app fails for an hour, and all that one can look at tells
// it; the app recovers and gets everything, but for one event, which is found by
// the message that a customer asks about, read, and sent again.
func TestOperatorStory(t *testing.T) {
	t.Parallel()
	behind := 10_000
	if testing.Short() {
		behind = 1000
	}
	s := newStory(t)
	s.startEmulator()
	s.startGate()

	s.send(20)
	s.app.awaitIDs(t, 20)

	s.app.stop()
	began := s.clock()
	s.send(behind)
	s.cli("trigger", "message.action", "--override", "data.message_id="+poisonMessage, "--to", s.url)
	// One may be on its way as a probe.
	s.until("all that came waits", func() bool { return s.metric("inbox_route_waiting", storyRoute) >= float64(behind) })
	s.until("an hour of the platform has passed", func() bool { return s.clock().Sub(began)*storySpeed >= time.Hour })
	s.outageIsTold(behind + 1)

	s.app.start(t)
	s.app.awaitIDs(t, 20+behind)
	s.gate.Await(t, "route resumed", 1)
	id := s.findPoison()
	s.until("nothing waits any more", func() bool { return s.metric("inbox_route_waiting", storyRoute) == 0 })
	s.recoveryIsTold(20 + behind)
	s.readPoison(id)

	s.app.mend()
	s.replayPoison(id)
	if code := s.gate.Stop(t); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	if out := s.cli("store", "check"); !strings.Contains(out, " is sound: ") {
		t.Errorf("store check: %s", out)
	}
}

// outageIsTold looks everywhere an operator looks.
func (s *story) outageIsTold(waiting int) {
	s.t.Helper()
	for name, want := range map[string]bool{"InboxRouteHeld": true, "InboxOldestWaiting": true, "InboxStoreDown": false, "InboxRefusing": false} {
		if got := s.alert(name); got != want {
			s.t.Errorf("during the outage the condition of %s is %t", name, got)
		}
	}
	route := linesOf[control.Route](s, s.cli("routes", "list", "--format", "json"))[0]
	if route.State != control.RouteHeld || route.Waiting+route.Running != int64(waiting) || route.Hold == nil || !strings.Contains(route.Hold.Reason, "refused") {
		s.t.Errorf("routes list: %+v", route)
	}
	if out := s.cli("routes", "list"); !regexp.MustCompile(`(?m)^inbox +default +\d+ .* held since .*refused`).MatchString(out) {
		s.t.Errorf("routes list:\n%s", out)
	}
	if out := s.cli("events", "list", "--state", "available"); !strings.Contains(out, " default available") {
		s.t.Errorf("events list of what waits:\n%s", out)
	}
	// In one listing: a probe may run, so that an event changes its state meanwhile.
	waits := 0
	for _, e := range linesOf[control.Event](s, s.cli("events", "list", "--since", "1h", "--limit", "0", "--format", "json")) {
		if e.Deliveries[0].State != "delivered" {
			waits++
		}
	}
	if waits != waiting {
		s.t.Errorf("events list has %d events that wait, of %d", waits, waiting)
	}
	s.gate.Await(s.t, `"msg":"route held"`, 1)
	// The platform knows nothing of it: everything had its 200.
	if c := s.emulator(); c.Counts.Pending != 0 || c.Counts.Failed != 0 || c.Counts.Attempts != c.Counts.Events {
		s.t.Errorf("the platform had trouble: %+v", c.Counts)
	}
	if out := s.cli("health", "--ready"); out != "OK\n" {
		s.t.Errorf("health: %s", out)
	}
}

func (s *story) recoveryIsTold(delivered int) {
	s.t.Helper()
	for name, want := range map[string]bool{"InboxRouteHeld": false, "InboxOldestWaiting": false} {
		if got := s.alert(name); got != want {
			s.t.Errorf("after the outage the condition of %s is %t", name, got)
		}
	}
	s.until("all deliveries are counted", func() bool {
		return s.metric("inbox_deliveries_total", `outcome="delivered",`+storyRoute) == float64(delivered)
	})
	if n := s.metric("inbox_route_dead", storyRoute); n != 1 {
		s.t.Errorf("%v dead letters are counted", n)
	}
}

// findPoison finds the event by its message alone, once it is dead.
func (s *story) findPoison() (id string) {
	s.t.Helper()
	s.until("the poison event is dead", func() bool {
		found := linesOf[control.Event](s, s.cli("events", "list", "--message-id", poisonMessage, "--format", "json"))
		if len(found) != 1 {
			s.t.Fatalf("%d events have the message", len(found))
		}
		id = found[0].ID
		return found[0].Deliveries[0].State == "dead"
	})
	s.gate.Await(s.t, `"msg":"dead letter"`, 1)
	if out := s.cli("dead", "list"); strings.Count(out, "\n") != 2 || !strings.Contains(out, id) || !strings.Contains(out, "attempts used up") {
		s.t.Errorf("dead list:\n%s", out)
	}
	return id
}

// readPoison reads what the app had against it.
func (s *story) readPoison(id string) {
	s.t.Helper()
	e := linesOf[control.Event](s, s.cli("events", "show", id, "--format", "json"))[0]
	counted := 0
	for _, a := range e.Deliveries[0].Log {
		if !a.Free {
			counted++
			if a.Status != http.StatusInternalServerError || !strings.Contains(a.Response, "no such button") {
				s.t.Errorf("an attempt is %+v", a)
			}
		}
	}
	if counted != 6 {
		s.t.Errorf("%d attempts are kept, of 6", counted)
	}
	if out := s.cli("events", "show", id); !strings.Contains(out, "no such button") || !strings.Contains(out, poisonMessage) || strings.Contains(out, "+15551234567") {
		s.t.Errorf("events show:\n%s", out)
	}
	if raw := s.cli("events", "raw", id); !json.Valid([]byte(raw)) || !strings.Contains(raw, poisonMessage) {
		s.t.Errorf("events raw: %s", raw)
	}
}

func (s *story) replayPoison(id string) {
	s.t.Helper()
	if out := s.cli("events", "replay", id); out != "1 delivery sent again.\n" {
		s.t.Errorf("events replay: %s", out)
	}
	if got := s.app.awaitPoison(s.t); got.Get("X-Inbox-Replay") != "1" || got.Get("X-Inbox-Event-Id") != id {
		s.t.Errorf("it came with %v", got)
	}
	s.until("it is delivered", func() bool { return s.metric("inbox_route_dead", storyRoute) == 0 })
	if out := s.cli("dead", "list"); out != "There are none.\n" {
		s.t.Errorf("dead list:\n%s", out)
	}
}

var (
	simpleAlert = regexp.MustCompile(`^([a-z_]+) (==|>|<) ([0-9.]+)$`)
	alertFile   = filepath.Join("..", "examples", "monitoring", "alerts.yaml")
)

// alert tells whether the condition of an alert holds now. How long it has to
// hold before somebody is woken is Prometheus's to know.
func (s *story) alert(name string) bool {
	s.t.Helper()
	raw, err := os.ReadFile(alertFile)
	if err != nil {
		s.t.Fatal(err)
	}
	_, rule, ok := strings.Cut(string(raw), "- alert: "+name+"\n")
	_, expr, ok2 := strings.Cut(rule, "expr: ")
	expr, _, _ = strings.Cut(expr, "\n")
	parts := simpleAlert.FindStringSubmatch(expr)
	if !ok || !ok2 || parts == nil {
		s.t.Fatalf("%s has no simple condition: %q", name, expr)
	}
	labels := ""
	if strings.HasPrefix(parts[1], "inbox_route_") {
		labels = storyRoute
	}
	value := s.metric(parts[1], labels)
	if strings.HasSuffix(parts[1], "_seconds") {
		value *= storySpeed
	}
	return compare(s.t, value, parts[2], parts[3])
}
