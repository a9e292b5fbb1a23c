package settings

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/routing"
)

const directive = "inbox_webhook"

// named returns a route that has nothing wrong with it.
func named(name string, types ...string) Route {
	return Route{Route: routing.Route{Name: name, Types: types}, Handlers: []json.RawMessage{json.RawMessage(`{"handler":"reverse_proxy"}`)}}
}

// sound returns a source that has nothing wrong with it.
func sound(routes ...Route) Source {
	return Source{Name: "inbox", MaxBody: 1 << 20, ReadTimeout: 5 * time.Second, Stale: StaleQuarantine, Routes: routes}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	route := func(change func(*Route)) func(*Source) {
		return func(s *Source) { change(&s.Routes[0]) }
	}
	for name, c := range map[string]struct {
		change func(*Source)
		want   []string // Part of each mistake, in their order.
	}{
		"sound":             {func(*Source) {}, nil},
		"no name":           {func(s *Source) { s.Name = "" }, []string{"name is empty"}},
		"a small body":      {func(s *Source) { s.MaxBody = MinMaxBody - 1 }, []string{"give at least 1kB"}},
		"a large body":      {func(s *Source) { s.MaxBody = 1 << 40 }, []string{"an eighth of the memory limit"}},
		"slow to read":      {func(s *Source) { s.ReadTimeout = AnswerWithin }, []string{"read_timeout is 8s"}},
		"ack without pass":  {func(s *Source) { s.AckTimeout = time.Second }, []string{"ack_timeout without pass"}},
		"slow to pass":      {func(s *Source) { s.Pass, s.Routes, s.AckTimeout = true, nil, MaxAckTimeout+1 }, []string{"because the platform waits 10s"}},
		"stale":             {func(s *Source) { s.Stale = "drop" }, []string{"stale is \"drop\""}},
		"pass and routes":   {func(s *Source) { s.Pass = true }, []string{"both pass and routes"}},
		"neither":           {func(s *Source) { s.Routes = nil }, []string{"no routes"}},
		"two of a name":     {func(s *Source) { s.Routes[1].Name = "a" }, []string{"two routes are named \"a\""}},
		"two heirs":         {func(s *Source) { s.Routes[0].Was, s.Routes[1].Was = "old", "old" }, []string{"were both \"old\""}},
		"was is there":      {func(s *Source) { s.Routes[0].Was = "b" }, []string{"which is a route still"}},
		"two fallbacks":     {func(s *Source) { s.Routes[0].Types = nil }, []string{"2 routes without types"}},
		"nothing for to":    {route(func(r *Route) { r.Types = []string{"*"} }), []string{"nothing is left for `to`"}},
		"an if leaves some": {route(func(r *Route) { r.Types, r.If = []string{"*"}, `data.a == "b"` }), nil},
		"unknown type":      {route(func(r *Route) { r.Types = []string{"message.deliverd"} }), []string{"did you mean 'message.delivered'?"}},
		"if":                {route(func(r *Route) { r.If = "data.a ==" }), []string{"if: "}},
		"retry":             {route(func(r *Route) { r.Schedule = deliver.Schedule{-1} }), []string{"retry: "}},
		"timeout":           {route(func(r *Route) { r.Timeout = -1 }), []string{"timeout is negative"}},
		"in flight":         {route(func(r *Route) { r.MaxInFlight = -1 }), []string{"max_in_flight is negative"}},
		"each of nothing":   {route(func(r *Route) { r.MaxInFlightEach, r.RateEach = true, true }), []string{"max_in_flight_each without", "rate_each without"}},
		"no upstream":       {route(func(r *Route) { r.Handlers = nil }), []string{"no upstream"}},
		"to itself":         {route(func(r *Route) { r.Handlers[0] = json.RawMessage(`{"handler":"inbox_webhook"}`) }), []string{"an event would come back to itself"}},
		"all are told":      {func(s *Source) { s.Name, s.Stale, s.Routes[1].Timeout = "", "", -1 }, []string{"name is empty", "stale is", "timeout is negative"}},
	} {
		s := sound(named("a", "message.failed"), named("b"))
		c.change(&s)
		got := s.Check(directive)
		if !slices.EqualFunc(got, c.want, func(err error, part string) bool { return strings.Contains(err.Error(), part) }) {
			t.Errorf("%s: %v, want %q", name, errors.Join(got...), c.want)
		}
	}
}

func TestFits(t *testing.T) {
	t.Parallel()
	s := sound(named("a"))
	if err := s.Fits(72*time.Hour, "inbox"); err != nil {
		t.Error(err)
	}
	if err := s.Fits(2*time.Hour, "inbox"); err == nil || !strings.Contains(err.Error(), "global option inbox") {
		t.Errorf("the platform's schedule in two hours: %v", err)
	}
	s.Routes[0].Schedule = deliver.Schedule{time.Hour, time.Hour}
	if s.Fits(2*time.Hour, "inbox") == nil || s.Fits(2*time.Hour+1, "inbox") != nil {
		t.Error("retries of two hours end within two hours, want them refused, and in more than that not")
	}
}
