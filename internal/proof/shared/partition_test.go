//go:build linux

package shared

import (
	"net"
	"slices"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/machines"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// way is a direction in which a link is cut, as its first end sees it.
type way struct {
	name string
	ways machines.Ways
}

// theWays are all of them in the long form, and those that are named otherwise.
func theWays(short ...string) []way {
	all := []way{{"there", machines.There}, {"back", machines.Back}, {"both", machines.Both}}
	if rig.Long() {
		return all
	}
	return slices.DeleteFunc(all, func(w way) bool { return !slices.Contains(short, w.name) })
}

// One machine is cut off from the database, one way and both: it answers 503, the others
// go on, and what it had leased is taken over. When it is back it works as before.
func TestFaultPartitionOfTheDatabase(t *testing.T) {
	t.Parallel()
	for _, w := range theWays("back", "both") {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			n := machines.NewNet(t)
			f := machines.New(t, machines.Options{Net: n})
			f.Start()
			stop := f.Background(0)
			rounds := rig.Rounds(1, 4)
			for range rounds {
				f.AwaitAcked(150 * rig.Rounds(1, 10))
				host, port, _ := net.SplitHostPort(f.Primary.Address())
				from := time.Now()
				mend := f.Places[1].Cut(w.ways, host, port)
				apart := time.Now()
				f.AwaitAcked(150)
				// For as long as a connection is trusted that nothing comes from.
				<-time.After(time.Until(from.Add(12 * time.Second)))
				life := f.Machines[1].Life().N
				f.Log.Trouble(history.Cut, life, apart, time.Now())
				mend()
				f.Log.Trouble(history.Shaken, life, from, time.Now().Add(10*time.Second))
			}
			f.AwaitAcked(100)
			stop()
			f.Finish([]int{62, 63, 64}, "a machine is cut off from the database ("+w.name+")", rounds)
		})
	}
}

// The standby that commits wait for is cut off from the primary, one way and both.
// Nothing is acknowledged until it is back.
func TestFaultPartitionOfTheStandby(t *testing.T) {
	t.Parallel()
	for _, w := range theWays("both") {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			n := machines.NewNet(t)
			f := machines.New(t, machines.Options{Net: n, Standby: "sync", Replica: true})
			f.Start()
			stop := f.Background(0)
			rounds := rig.Rounds(1, 4)
			for range rounds {
				f.AwaitAcked(150 * rig.Rounds(1, 10))
				host, port, _ := net.SplitHostPort(f.Primary.Address())
				// As the standby sees it, which connects.
				mend := f.StandbyPlace.Cut(w.ways, host, port)
				f.Drained()
				from := time.Now()
				f.AwaitWaiting()
				<-time.After(2 * time.Second)
				f.Log.Trouble(history.Cut, 0, from, time.Now())
				mend()
				f.AwaitAcked(100)
			}
			stop()
			f.Finish([]int{62, 82}, "the standby is cut off from the primary ("+w.name+")", rounds)
		})
	}
}

// One machine is cut off from the app, one way and both. The other delivers.
func TestFaultPartitionOfTheApp(t *testing.T) {
	t.Parallel()
	for _, w := range theWays("there") {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			n := machines.NewNet(t)
			f := machines.New(t, machines.Options{Net: n, Rate: 150, Routes: []rig.Route{{Name: "all", Types: "message.*", Lines: "timeout 2s"}}})
			f.Start()
			stop := f.Background(0)
			rounds := rig.Rounds(1, 4)
			for range rounds {
				f.AwaitAcked(150 * rig.Rounds(1, 10))
				host, port, _ := net.SplitHostPort(f.App("all").Addr)
				from := time.Now()
				mend := f.Places[1].Cut(w.ways, host, port)
				f.AwaitAcked(600)
				<-time.After(time.Until(from.Add(6 * time.Second)))
				mend()
				// What was under way is sent again, in pauses that have grown meanwhile.
				f.Log.Trouble(history.Unseen, f.Machines[1].Life().N, from, time.Now().Add(15*time.Second))
			}
			f.AwaitAcked(100)
			stop()
			f.Finish([]int{83}, "a machine is cut off from the app ("+w.name+")", rounds)
		})
	}
}
