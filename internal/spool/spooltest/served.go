package spooltest

import (
	"testing"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// configureAs has an owner serve routes of the source.
func (r *rig) configureAs(o spool.Owner, names ...string) {
	var routes []spool.RouteName
	for _, n := range names {
		routes = append(routes, spool.RouteName{Name: n})
	}
	r.ok(r.st.Configure(bg, o, source, routes), "Configure")
}

// servedBy wants routes served by so many members. Of other members it may take a moment
// to be known.
func (r *rig) servedBy(when string, want map[string]int) {
	r.soon(when, func() bool {
		for route, n := range want {
			if r.route(route).Served != n {
				return false
			}
		}
		return true
	}, func() any {
		got := map[string]int{}
		for route := range want {
			got[route] = r.route(route).Served
		}
		return got
	}, want)
}

// served checks that a route is served while an owner is there that serves it: the
// configuration that is being replaced and the one that replaces it are one member.
func served(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	r.ok(r.st.Leave(bg, ""), "Leave")
	r.queue("1", "a", "b", "c")
	r.servedBy("without an owner", map[string]int{"a": 0, "b": 0, "c": 0})
	r.configureAs("one", "a", "b")
	r.configureAs("two", "b", "c")
	r.servedBy("two configurations", map[string]int{"a": 1, "b": 1, "c": 1})
	r.configureAs("two", "c")
	r.servedBy("the second one changed", map[string]int{"a": 1, "b": 1, "c": 1})
	r.ok(r.st.Leave(bg, "one"), "Leave")
	r.ok(r.st.Leave(bg, "one"), "second Leave")
	r.servedBy("the first one left", map[string]int{"a": 0, "b": 0, "c": 1})
	if got := r.lease("a", 1); len(got) != 1 {
		t.Error("what is parked cannot be leased by the one who is to serve it")
	}
	r.ok(r.st.Configure(bg, "three", source, []spool.RouteName{{Name: "new", Was: "c"}}), "Configure")
	r.ok(r.st.Leave(bg, "three"), "Leave")
	r.servedBy("under the name that it had", map[string]int{"new": 1})
	for _, e := range endings {
		e.end(r)
		r.open()
		r.vanished()
		r.servedBy("after "+e.name, map[string]int{"a": 0, "b": 0, "new": 0})
		r.configureAs("four", "a")
		r.servedBy("configured after "+e.name, map[string]int{"a": 1, "b": 0})
	}
}
