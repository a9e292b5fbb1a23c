package demo_test

import (
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/control"
)

// A switch is seen on the route within seconds, and what waited arrives once it is turned
// back.
func TestSwitchDownAndUp(t *testing.T) {
	s := stand(t, strings.NewReader(""))
	s.press("switch", "app", "app", "mode", "down")
	s.press("send", "wave", "storm")
	s.route("app", "is held with all that was sent", func(r control.Route) bool { return r.Hold != nil && r.Waiting == 500 })
	s.until("the dashboard says that it is held", func() bool { return strings.Contains(s.page(s.dashboard), "Route app is held") })
	if text := s.page(s.desk); !strings.Contains(text, "is down: its port is closed") || !strings.Contains(text, `value="down" aria-pressed="true"`) {
		t.Errorf("the desk does not say that it is down:\n%s", text)
	}
	s.press("switch", "app", "app", "mode", "up")
	s.route("app", "has caught up", func(r control.Route) bool { return r.Hold == nil && r.Waiting+r.Running+r.Dead == 0 })
	s.out.await(t, " more\n") // A storm is not told line by line.
	if text := s.page(s.desk); !strings.Contains(text, "526 events sent") {
		t.Errorf("the desk does not count the storm:\n%s", text)
	}
}

// An event that an app refuses becomes a dead letter, which is found by its message and
// sent again from another terminal.
func TestSwitchTo500(t *testing.T) {
	s := stand(t, strings.NewReader(""))
	s.press("switch", "app", "app", "mode", "500")
	s.press("send", "wave", "one")
	s.out.await(t, "answered 500")
	// Nobody waits for the schedule, which begins after 2 s.
	s.route("app", "has a dead letter", func(r control.Route) bool {
		if r.Dead == 0 {
			if _, err := s.operator.RetryRoute(s.Context(), r.Source, r.Route); err != nil {
				t.Fatal(err)
			}
		}
		return r.Dead == 1
	})
	dead, err := s.operator.Events(s.Context(), control.List{Filter: control.Filter{State: "dead"}})
	if err != nil || len(dead.Events) != 1 || dead.Events[0].MessageID == "" {
		t.Fatalf("dead letters: %+v, %v", dead.Events, err)
	}
	message, id := dead.Events[0].MessageID, dead.Events[0].ID
	if list := s.run("dead list --message-id " + message); !strings.Contains(list, id) || !strings.Contains(list, "500") {
		t.Errorf("dead list says\n%s", list)
	}
	if found := s.page(s.dashboard + "find?q=" + message); !strings.Contains(found, id) {
		t.Errorf("the dashboard does not find %s", message)
	}
	s.press("switch", "app", "app", "mode", "up")
	s.run("dead replay --message-id " + message + " --yes")
	s.route("app", "has no dead letter any more", func(r control.Route) bool { return r.Waiting+r.Running+r.Dead == 0 })
	if event := s.run("events show " + id); !strings.Contains(event, "delivered") {
		t.Errorf("events show says\n%s", event)
	}
}

// What is forged or sent twice does no harm, the odd is kept, and the route says so where
// the app asks for a pause or wants no more.
func TestSwitchesOfTheSender(t *testing.T) {
	s := stand(t, strings.NewReader(""))
	s.press("send", "wave", "forged")
	s.press("send", "wave", "twice")
	s.press("send", "wave", "odd")
	platform := s.find(`Platform\s+(http://127\.0\.0\.1:\d+/)`)
	// 26 events, a duplicate and 2 forgeries are the story's.
	for _, want := range []string{"63 events sent", "63 taken, 0 to be repeated, 0 given up", "Duplicates: 21", "12 forgeries, 0 let in"} {
		s.until("the desk says "+want, func() bool { return strings.Contains(s.page(s.desk), want) })
	}
	if text := s.page(platform); !strings.Contains(text, "200 <bdi>duplicate</bdi>") || !strings.Contains(text, "200 <bdi>quarantined</bdi>") {
		t.Error("the platform's page does not tell of duplicates and odd ones")
	}
	s.route("app", "has all", func(r control.Route) bool { return r.Waiting+r.Running+r.Dead == 0 })
	if odd := s.run("quarantine list"); !strings.Contains(odd, "odd") && strings.Count(odd, "\n") < 3 {
		t.Errorf("quarantine list says\n%s", odd)
	}
	s.press("switch", "app", "on-call", "mode", "410")
	s.press("send", "wave", "twice")
	s.route("on-call", "has dead letters at once", func(r control.Route) bool { return r.Dead > 0 && r.Waiting+r.Running == 0 })
	s.run("routes hold app")
	s.route("app", "is held by hand", func(r control.Route) bool { return r.Hold != nil })
	s.run("routes resume app")
	s.route("app", "is resumed", func(r control.Route) bool { return r.Hold == nil })
}
