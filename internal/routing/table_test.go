package routing_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/condition"
	"github.com/inboxgate/inboxgate/internal/routing"
	"github.com/inboxgate/inboxgate/internal/spool"
)

func eventOf(typ, data string) *spool.Event {
	return &spool.Event{
		Source: "inbox", ID: "evt_1", Type: typ, CreatedAt: time.Date(2025, 1, 15, 10, 30, 0, 0, time.UTC),
		Request: spool.Request{Body: []byte(`{"id":"evt_1","type":"` + typ + `","data":` + data + `}`)},
	}
}

// names writes what matched as "route" or "route=key".
func names(routes []routing.Route, matched []routing.Match) string {
	var all []string
	for _, m := range matched {
		name := routes[m.Route].Name
		if m.Key != "" {
			name += "=" + m.Key
		}
		all = append(all, name)
	}
	return strings.Join(all, " ")
}

func TestMatch(t *testing.T) {
	t.Parallel()
	const failed, read = "message.failed", "message.read"
	on := func(name string, types ...string) routing.Route { return routing.Route{Name: name, Types: types} }
	when := func(r routing.Route, expression string) routing.Route { r.If = expression; return r }
	ordered := func(r routing.Route, member string) routing.Route { r.Order = member; return r }
	to := routing.Route{Name: "to"}
	for _, c := range []struct {
		name       string
		routes     []routing.Route
		typ, data  string
		want       string
		failures   int
		ownOfTable []string
	}{
		{"every on that takes it", []routing.Route{on("a", failed), on("b", "message.*"), on("c", read), on("d", "*"), to}, failed, `{}`, "a b d", 0, nil},
		{"to takes what no on took", []routing.Route{on("a", failed), to}, read, `{}`, "to", 0, nil},
		{"unrouted", []routing.Route{on("a", failed)}, read, `{}`, "", 0, nil},
		{"a type of one's own", []routing.Route{on("a", "order.*"), to}, "order.made", `{}`, "a", 0, []string{"order.made"}},
		{"a type that nobody knows", []routing.Route{on("a", "*")}, "x", `{}`, "a", 0, nil},

		{"true", []routing.Route{when(on("a", failed), `data.x == 1`), to}, failed, `{"x":1}`, "a", 0, nil},
		{"false", []routing.Route{when(on("a", failed), `data.x == 1`)}, failed, `{"x":2}`, "", 0, nil},
		{"what is false counts as not taken", []routing.Route{when(on("a", failed), `data.x == 1`), to}, failed, `{"x":2}`, "to", 0, nil},
		{"unless another on took it", []routing.Route{when(on("a", failed), `data.x == 1`), on("b", failed), to}, failed, `{"x":2}`, "b", 0, nil},
		{"of two, one is true", []routing.Route{when(on("a", failed), `data.x == 1`), when(on("b", failed), `data.x == 2`), to}, failed, `{"x":2}`, "b", 0, nil},
		{"neither true nor false", []routing.Route{when(on("a", failed), `data.x == 1`), to}, failed, `{}`, "to", 1, nil},
		{"of every event, with a condition", []routing.Route{when(on("a", "*"), `data.x == 1`), to}, read, `{"x":2}`, "to", 0, nil},
		{"to has one", []routing.Route{on("a", failed), when(to, `data.x == 1`)}, read, `{"x":1}`, "to", 0, nil},
		{"to has one that is false", []routing.Route{on("a", failed), when(to, `data.x == 1`)}, read, `{"x":2}`, "", 0, nil},
		{"to's is asked once", []routing.Route{when(to, `data.x == 1`)}, read, `{}`, "", 1, nil},
		{"both have one", []routing.Route{when(on("a", failed), `data.x == 1`), when(to, `data.x == 2`)}, failed, `{"x":2}`, "to", 0, nil},
		{"only of types that the route takes", []routing.Route{when(on("a", failed), `data.x == 1`), on("b", read)}, read, `{}`, "b", 0, nil},
		{"of a type that nobody knows", []routing.Route{when(on("a", "*"), `event.type == "x"`)}, "x", `{}`, "a", 0, nil},
		{"about the event", []routing.Route{when(on("a", "*"), `event.id == "evt_1" && event.source == "inbox" && has(event.created_at) && event.received_at > event.created_at`)}, read, `{}`, "a", 0, nil},

		{"ordered", []routing.Route{ordered(on("a", failed), "m"), on("b", failed)}, failed, `{"m":"k"}`, "a=k b", 0, nil},
		{"ordered by several", []routing.Route{ordered(on("a", failed), "m"), ordered(on("b", failed), "n"), ordered(on("c", failed), "m")}, failed, `{"m":"k","n":7}`, "a=k b=7 c=k", 0, nil},
		{"ordered, without a key", []routing.Route{ordered(on("a", failed), "m")}, failed, `{"m":null}`, "a", 0, nil},
		{"ordered and conditional", []routing.Route{ordered(when(on("a", failed), `data.x == 1`), "m"), ordered(to, "x")}, failed, `{"m":"k","x":2}`, "to=2", 0, nil},
	} {
		failures := 0
		table, err := routing.NewTable(c.routes, c.ownOfTable, func(int, error) { failures++ })
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := names(c.routes, table.Match(eventOf(c.typ, c.data))); got != c.want || failures != c.failures {
			t.Errorf("%s: %q, %d failures; want %q, %d", c.name, got, failures, c.want, c.failures)
		}
	}
}

// A failure names the route and the member, and nothing of the event.
func TestFailed(t *testing.T) {
	t.Parallel()
	var told []string
	routes := []routing.Route{{Name: "a", Types: []string{"*"}}, {Name: "b", Types: []string{"*"}, If: `data.error_code == "x"`}}
	table, err := routing.NewTable(routes, nil, func(route int, why error) {
		if _, ok := errors.AsType[condition.UnclearError](why); !ok {
			t.Errorf("%T", why)
		}
		told = append(told, fmt.Sprintf("%s: %v", routes[route].Name, why))
	})
	if err != nil {
		t.Fatal(err)
	}
	table.Match(eventOf("message.read", `{"to":"+15551234567"}`))
	if want := "b: there is no data.error_code: ask has(data.error_code) first"; len(told) != 1 || told[0] != want {
		t.Errorf("%q, want %q", told, want)
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	table, err := routing.NewTable([]routing.Route{{Name: "a", Types: []string{"message.failed"}, Order: "m", If: "data.x == 1"}, {Name: "b"}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for route, want := range map[string]string{"a": "k", "b": "", "c": ""} {
		if got := table.Key(route, eventOf("message.read", `{"m":"k"}`)); got != want {
			t.Errorf("%s: %q, want %q", route, got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		route routing.Route
		want  string
	}{
		{routing.Route{}, ""},
		{routing.Route{Order: "message_id", If: `data.x == 1`}, ""},
		{routing.Route{Order: "data.message_id"}, "order 'data.message_id' is a path: it takes the name of a member of data alone, write it as order message_id"},
		{routing.Route{If: `data.x = 1`}, "if: column 8: '=' compares nothing; write =="},
	} {
		err := c.route.Check()
		if got := fmt.Sprint(err); got != c.want && (err != nil || c.want != "") {
			t.Errorf("%+v: %v, want %q", c.route, err, c.want)
		}
		if _, made := routing.NewTable([]routing.Route{c.route}, nil, nil); (made != nil) != (c.route.If != "" && c.want != "") {
			t.Errorf("%+v: %v", c.route, made)
		}
	}
}

func TestCheckType(t *testing.T) {
	t.Parallel()
	own := []string{"order.made"}
	for pattern, want := range map[string]string{
		"*": "", "message.*": "", "message.failed": "", "order.made": "", "order.*": "",
		"message.fialed": "did you mean 'message.failed'?", "order.mad": "did you mean 'order.made'?",
		"invoice.*": "no known event type matches", "mess*": "no known event type matches", "something.else": "the platform has",
	} {
		err := routing.CheckType(pattern, own)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", pattern, err, want)
		}
	}
}

// What needs neither an `if` nor an `order` pays nothing for those of others.
func TestPlainCostsNothing(t *testing.T) { // Not parallel: AllocsPerRun counts those of all.
	table, err := routing.NewTable([]routing.Route{
		{Name: "a", Types: []string{"message.failed"}, If: `data.x == 1`, Order: "m"}, {Name: "b", Types: []string{"message.read"}}, {Name: "to"},
	}, nil, func(int, error) { t.Error("asked") })
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range []string{"message.read", "message.action"} {
		e := eventOf(typ, `{`) // To read it would fail.
		if n := testing.AllocsPerRun(100, func() { table.Match(e) }); n != 0 {
			t.Errorf("%s: %v allocations", typ, n)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	conditional := routing.Route{Name: "a", Types: []string{"message.failed"}, If: `data.error_code == "expired"`}
	ordered := routing.Route{Name: "b", Types: []string{"message.read"}, Order: "message_id"}
	plain := routing.Route{Name: "c", Types: []string{"message.action"}}
	table, err := routing.NewTable([]routing.Route{conditional, ordered, plain, {Name: "to"}}, nil, func(int, error) {})
	if err != nil {
		b.Fatal(err)
	}
	const data = `{"message_id":"msg_1234567890","to":"+15551234567","error_code":"recipient_unreachable","error_message":"Recipient has no app installed now","failed_at":"2025-01-15T10:30:00Z"}`
	for _, bb := range []struct{ name, typ string }{{"plain", "message.action"}, {"if", "message.failed"}, {"order", "message.read"}} {
		e := eventOf(bb.typ, data)
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				table.Match(e)
			}
		})
	}
}
