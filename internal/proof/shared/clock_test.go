//go:build linux

package shared

import (
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/proof/machines"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// The clock of one machine is set by hours, ahead and back, while its attempts run. Time
// is the database's: no lease runs out early, and none is kept for longer.
func TestFaultClockOfOneMachine(t *testing.T) {
	t.Parallel()
	clock := rig.NewWallClock(t)
	shifted := rig.ClockBinary(t)
	f := machines.New(t, machines.Options{
		Rate:   100, // No more than the app can take, or events wait for that.
		Routes: []rig.Route{{Name: "all", Types: "message.*", Work: 300 * time.Millisecond}},
		Each: func(machine int, o *rig.Options) {
			if machine == 1 {
				o.Binary, o.Env = shifted, append(o.Env, clock.Env())
			}
		},
	})
	f.Start()
	stop := f.Background(0)
	shifts := []time.Duration{7 * time.Hour, -7 * time.Hour, 0, 49 * time.Hour, -49 * time.Hour, 0}
	rounds := rig.Rounds(1, 5)
	for range rounds {
		for _, shift := range shifts {
			clock.Set(shift)
			f.AwaitAcked(100 * rig.Rounds(1, 3))
		}
		clock.Set(7 * time.Hour)
		f.AwaitAcked(100)
		f.Machines[1].Kill() // What it leased while ahead is taken over when it would be otherwise.
		f.AwaitAcked(100)
		f.Start()
	}
	stop()
	f.Finish([]int{76}, "the clock of one machine is set by hours, ahead and back; it is killed while ahead", rounds)
}
