//go:build linux

package shared

import (
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/machines"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// An operator holds a route by the command on one machine. The other obeys within a
// second: no attempt begins there after that, until the route is resumed.
func TestFaultHeldOnAnotherMachine(t *testing.T) {
	t.Parallel()
	f := machines.New(t, machines.Options{
		Rate: 100, Routes: []rig.Route{{Name: "all", Types: "message.*"}},
		Each: func(_ int, o *rig.Options) { o.Admin = true },
	})
	f.Start()
	stop := f.Background(0)
	rounds := rig.Rounds(2, 15)
	for round := range rounds {
		f.AwaitAcked(100)
		from := time.Now()
		operator := f.Machines[round%2]
		operate(t, operator, "routes", "hold", "all", "--reason", "the proof")
		held := time.Now()
		f.AwaitAcked(250) // Two and a half seconds of them.
		late := f.Log.Began(held.Add(time.Second), time.Now())
		if late > 0 {
			f.Log.Fault("%d attempts began more than a second after the route was held", late)
		}
		operate(t, operator, "routes", "resume", "all")
		f.Log.Trouble(history.Slow, 0, from, time.Now())
	}
	stop()
	f.Finish([]int{81}, "an operator holds and resumes a route on one machine", rounds)
}

// operate runs a command of an operator beside a process, and wants it to succeed.
func operate(t *testing.T, m *rig.Rig, args ...string) {
	t.Helper()
	args = append(args, "--admin", m.AdminAddr)
	if code, output := m.Command(args...); code != 0 {
		t.Fatalf("%v ends with %d:\n%s", args, code, output)
	}
}
