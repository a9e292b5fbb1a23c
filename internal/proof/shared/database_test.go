//go:build linux

package shared

import (
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/machines"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// PostgreSQL is killed with all its processes under load, and starts again on its files.
// What was acknowledged is there, and a copy of it is a duplicate.
func TestFaultDatabaseKilled(t *testing.T) {
	t.Parallel()
	f := machines.New(t, machines.Options{})
	f.Start()
	stop := f.Background(0)
	rounds := rig.Rounds(2, 20)
	for range rounds {
		f.AwaitAcked(200 * rig.Rounds(1, 4))
		f.Crash()
	}
	f.AwaitAcked(100)
	stop()
	f.Finish([]int{62, 65}, "kill -9 of PostgreSQL under load; it starts again on its files", rounds)
}

// Everything is killed at once, the machines and their database.
func TestFaultEverythingKilled(t *testing.T) {
	t.Parallel()
	f := machines.New(t, machines.Options{})
	rounds := rig.Rounds(1, 10)
	for range rounds {
		f.Start()
		stop := f.Background(0)
		f.AwaitAcked(200 * rig.Rounds(1, 4))
		f.Shake(func() error {
			for _, m := range f.Machines {
				m.Kill()
			}
			return f.Primary.Kill()
		})
		stop()
		f.Shake(f.Primary.Start)
	}
	f.Finish([]int{69}, "kill -9 of all machines and of PostgreSQL at once", rounds)
}

// The primary and all its sessions are killed under load while commits wait for the
// standby, which is promoted.
func TestFaultPromotion(t *testing.T) {
	t.Parallel()
	for range rig.Rounds(1, 3) {
		f := machines.New(t, machines.Options{Standby: "sync", Replica: true})
		f.Start()
		stop := f.Background(0)
		f.AwaitAcked(300 * rig.Rounds(1, 20))
		f.Failover(300 * time.Millisecond)
		// The new primary has no standby of its own yet.
		f.AddStandby()
		f.AwaitAcked(300 * rig.Rounds(1, 10))
		stop()
		f.Finish([]int{62, 73}, "the primary is killed under load, and its synchronous standby promoted", 1)
	}
}

// The standby is stopped while durability asks for it: nothing is acknowledged until it
// goes on, and then everything is.
func TestFaultStandbyStopped(t *testing.T) {
	t.Parallel()
	f := machines.New(t, machines.Options{Standby: "sync", Replica: true})
	f.Start()
	stop := f.Background(0)
	rounds := rig.Rounds(1, 5)
	for round := range rounds {
		f.AwaitAcked(200 * rig.Rounds(1, 5))
		f.StandbyStopped(func() {
			f.AwaitWaiting()
			// Longer than a sender waits, once in the long form.
			if rig.Long() && round == 0 {
				<-time.After(12 * time.Second)
			}
			<-time.After(2 * time.Second)
		})
		f.AwaitAcked(100)
	}
	stop()
	f.Finish([]int{62, 75}, "SIGSTOP of the standby that commits wait for, and SIGCONT", rounds)
}

// Somebody cancels the sessions whose commits wait for the standby: the database says
// success, with a warning. Such a commit is unknown, and when the primary is lost then,
// so is what it stored.
func TestFaultCommitsCancelled(t *testing.T) {
	t.Parallel()
	for range rig.Rounds(1, 5) {
		f := machines.New(t, machines.Options{Standby: "sync", Replica: true})
		f.Start()
		stop := f.Background(0)
		f.AwaitAcked(200 * rig.Rounds(1, 10))
		f.Shake(func() error {
			f.StandbyStopped(func() {
				for until := time.Now().Add(1500 * time.Millisecond); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
					f.CancelWaiting()
				}
			})
			return nil
		})
		f.Shake(func() error {
			f.StandbyLost(func() {
				for until := time.Now().Add(time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
					f.CancelWaiting()
				}
			})
			return nil
		})
		f.AddStandby()
		f.AwaitAcked(200)
		stop()
		f.Finish([]int{64, 74}, "pg_cancel_backend of commits that wait for the standby, then the loss of the primary", 1)
	}
}

// A session is killed while its commit waits for the standby. The server starts again
// and shows what no standby has. A copy to another machine must not be called a
// duplicate then: the primary is lost, and so is what it showed. So is the first machine.
func TestFaultYoungDuplicate(t *testing.T) {
	t.Parallel()
	for range rig.Rounds(1, 10) {
		f := machines.New(t, machines.Options{Standby: "sync", Replica: true})
		f.Start()
		youngDuplicate(t, f)
		f.AddStandby()
		f.Start()
		stop := f.Background(0)
		f.AwaitAcked(50 * rig.Rounds(1, 20))
		stop()
		f.Finish([]int{64, 72}, "SIGKILL of a session whose commit waits for the standby; copies; the loss of the primary", 1)
	}
}

// youngDuplicate brings that about. It is one event, because another in the batch would be
// new, and a new one waits for the standby.
func youngDuplicate(t *testing.T, f *machines.Fleet) {
	t.Helper()
	e := f.Event(event.TypeMessageRead)
	f.Shake(func() error {
		f.StandbyLost(func() {
			first := f.InBackground(func() { f.Machines[0].Send(t.Context(), e) })
			if err := f.Primary.KillBackend(f.AwaitWaiting()); err != nil {
				t.Fatal(err)
			}
			f.Await("the server shows what no standby has", func() bool { return f.Shown() > 0 })
			f.AwaitWaiting() // The first machine asks what became of its commit.
			second := f.InBackground(func() { f.Machines[1].Send(t.Context(), e) })
			<-time.After(2 * time.Second)
			if n := f.Log.Acked(); n > 0 {
				f.Log.Fault("an event was acknowledged although no standby has it")
			}
			f.Machines[0].Kill() // Or it would send the event to the new primary.
			f.After(first, second)
		})
		return nil
	})
}
