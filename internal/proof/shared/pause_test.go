//go:build linux

package shared

import (
	"syscall"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/machines"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// A machine is stopped for longer than a lease, with attempts running, and goes on then.
// What it had leased was taken over: what it did before is not undone, and what it says
// of a lease that it lost counts for nothing.
func TestFaultMachinePaused(t *testing.T) {
	t.Parallel()
	f := machines.New(t, machines.Options{
		Rate:   100, // No more than the app can take, or events wait for that.
		Routes: []rig.Route{{Name: "all", Types: "message.*", Work: 200 * time.Millisecond}},
	})
	f.Start()
	stop := f.Background(0)
	f.AwaitAcked(200 * rig.Rounds(1, 5))
	m := f.Machines[1]
	from := time.Now()
	if err := syscall.Kill(m.Find(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	<-time.After(35 * time.Second)
	if err := syscall.Kill(m.Find(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	f.Log.Trouble(history.Shaken, m.Life().N, from, time.Now().Add(time.Second))
	f.AwaitAcked(200)
	stop()
	f.Finish([]int{68}, "SIGSTOP of a machine for longer than a lease, and SIGCONT", 1)
}
