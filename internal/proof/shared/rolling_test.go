//go:build linux

package shared

import (
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/machines"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// One machine after the other is stopped and started under load, with another
// configuration: a route has a new name and says which it had, and one route is served
// by one machine only. Nobody is refused for longer than the stop lasts, nothing is lost.
func TestFaultRollingConfiguration(t *testing.T) {
	t.Parallel()
	f := machines.New(t, machines.Options{Routes: []rig.Route{
		{Name: "all", Types: "message.*"},
		{Name: "old", Types: "message.failed"},
	}})
	f.Log.Alias("new", "old")
	f.Start()
	stop := f.Background(0)
	rounds := rig.Rounds(2, 8)
	for round := range rounds {
		f.AwaitAcked(100 * rig.Rounds(1, 10))
		name := "name new\n\t\t\twas old\n"
		if round%2 == 1 {
			name = "name old\n\t\t\twas new\n"
		}
		for _, m := range f.Machines {
			f.Replace(m, func() { m.Configure(strings.Replace(m.Caddyfile(""), "name old\n", name, 1)) })
			f.AwaitAcked(100 * rig.Rounds(1, 5))
		}
	}
	stop()
	f.Finish([]int{79}, "a rolling restart, in which a route is renamed", rounds)
}

// A route that one machine serves alone is not served while that one is replaced; its
// events, which come in over both, wait for it.
func TestFaultRouteOfOneMachine(t *testing.T) {
	t.Parallel()
	f := machines.New(t, machines.Options{
		Routes: []rig.Route{{Name: "all", Types: "message.*"}, {Name: "alone", Types: event.TypeMessageFailed}},
		// The machine that takes an event decides which routes it has.
		Takes: func(machine int, typ string) bool { return machine == 0 || typ != event.TypeMessageFailed },
	})
	f.Machines[1].Configure(without(f.Machines[1].Caddyfile(""), "message.failed"))
	f.Start()
	stop := f.Background(0)
	rounds := rig.Rounds(2, 8)
	other := map[int]bool{f.Machines[1].Life().N: true}
	for range rounds {
		f.AwaitAcked(150 * rig.Rounds(1, 8))
		from := time.Now()
		for _, m := range f.Machines {
			f.Replace(m, func() {})
		}
		f.Log.Trouble(history.Slow, 0, from, time.Now()) // Nobody else serves it.
		other[f.Machines[1].Life().N] = true
	}
	stop()
	f.Stop()
	for _, a := range f.Log.Attempts("alone") {
		if other[a.Life] {
			f.Log.Fault("%s: attempted for a route that life %d does not serve", a.Key, a.Life)
		}
	}
	f.Machines[1].Configure(f.Machines[1].Caddyfile(""))
	f.Finish([]int{79}, "a rolling restart, and a route that one machine serves alone", rounds)
}

// without removes the route that takes a type.
func without(caddyfile, typ string) string {
	from := strings.Index(caddyfile, "\t\ton "+typ+" {")
	end := strings.Index(caddyfile[from:], "\n\t\t}\n")
	return caddyfile[:from] + caddyfile[from+end+len("\n\t\t}\n"):]
}

// The program of a newer version, whose schema has one step more, takes the place of the
// present one, machine by machine, and the present one comes back.
func TestFaultRollingSchema(t *testing.T) {
	t.Parallel()
	const last = "\t\t{\"nexts\", `@.deliveries (key, route, number) WHERE state = 8`},\n\t}},\n"
	newer := rig.Overlay(t, []rig.Replacement{{
		File: "internal/spool/postgres/migrate.go", Old: last,
		New: last + "\t{sql: `ALTER TABLE @.events ADD COLUMN proof bigint NOT NULL DEFAULT 0; CREATE INDEX proof ON @.events (proof) WHERE proof<>0`},\n",
	}})
	present := rig.Binary(t)
	f := machines.New(t, machines.Options{})
	f.Start()
	stop := f.Background(0)
	rounds := rig.Rounds(1, 6)
	for range rounds {
		for _, binary := range []string{newer, present} {
			for _, m := range f.Machines {
				f.AwaitAcked(100 * rig.Rounds(1, 6))
				f.Replace(m, func() { m.Use(binary) })
			}
		}
	}
	f.AwaitAcked(100)
	stop()
	if version := f.Schema(); version != 3 {
		t.Errorf("the schema is of version %d, want 3", version)
	}
	f.Finish([]int{80}, "a rolling restart to a program with a further step of the schema, and back", rounds)
}
