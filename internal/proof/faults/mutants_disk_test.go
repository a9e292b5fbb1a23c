//go:build linux

package faults

import (
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

var onWeakDisk = []string{"root", "loop", "mkfs.ext4", "fstrim"}

// cutPower cuts the power of the present life and mounts its disk again.
func cutPower(t *testing.T, r *rig.Rig, d *weakDisk) {
	t.Helper()
	d.powerCut()
	if err := syscall.Kill(r.Find(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.Died(history.PowerCut)
	d.back()
}

// startAfterError starts the next life on files whose last error nobody has seen:
// the kernel tells it to the first fsync of any process, which must not go on as
// if nothing had been. The next start finds it told.
func startAfterError(t *testing.T, r *rig.Rig) {
	t.Helper()
	for range 3 {
		if comesUp(r, proctest.Patience) {
			return
		}
		if code := r.Gone(); code == 0 {
			t.Fatal("it ended with exit code 0, and had not begun to serve")
		}
	}
	t.Fatal("the store does not open with room on the disk")
}

// untilRefused sends events to a medium without room until one does not fit into
// blocks that the medium has already. From then on every fsync fails.
func untilRefused(t *testing.T, r *rig.Rig) history.Event {
	t.Helper()
	for range 1000 {
		e := r.Event(event.TypeMessageFailed)
		if r.Send(t.Context(), e).Status == http.StatusServiceUnavailable {
			return e
		}
	}
	t.Fatal("1,000 events were taken by a medium without room")
	return history.Event{}
}

// powerCutAtAnswer cuts the power the moment the process has answered.
var powerCutAtAnswer = scenario{name: "power cut at the answer", needs: onWeakDisk, run: func(t *testing.T, binary string, patience time.Duration) history.Report {
	d := newWeakDisk(t)
	r := oneRoute(t, binary, rig.Options{Data: d.spool()}, rig.Route{})
	r.StopApps()
	r.Start()
	sends(t, r, 10)
	cutPower(t, r, d)
	r.StartApps()
	if comesUp(r, patience) {
		r.Log.AwaitAll(patience)
	}
	return r.Log.Check(history.Rules{})
}}

// refusedAndSentAgain sends an event twice while no fsync succeeds, and then
// cuts the power.
var refusedAndSentAgain = scenario{name: "refused, and sent again", needs: onWeakDisk, run: func(t *testing.T, binary string, patience time.Duration) history.Report {
	d := newWeakDisk(t)
	r := oneRoute(t, binary, rig.Options{Data: d.spool()}, rig.Route{})
	r.StopApps()
	r.Start()
	sends(t, r, 1)
	d.full()
	e := untilRefused(t, r)
	from := time.Now()
	r.Send(t.Context(), e)
	r.Log.Refusing(from, time.Now())
	cutPower(t, r, d)
	d.room()
	r.StartApps()
	if comesUp(r, patience) {
		r.Log.AwaitAll(patience)
	}
	return r.Log.Check(history.Rules{})
}}

// failedFsyncThenPowerCut is the case of DESIGN §6: an fsync fails and the
// process dies. The next one finds in the page cache what the disk lacks, and
// the kernel calls it clean. It is sent again; then the power goes.
var failedFsyncThenPowerCut = scenario{name: "failed fsync, then power cut", needs: onWeakDisk, run: failedFsync}

func failedFsync(t *testing.T, binary string, patience time.Duration) history.Report {
	d := newWeakDisk(t)
	r := oneRoute(t, binary, rig.Options{Data: d.spool()}, rig.Route{})
	r.StopApps()
	r.Start()
	sends(t, r, 3)
	d.full()
	e := untilRefused(t, r)
	r.Kill()
	d.room()
	startAfterError(t, r)
	if a := r.Send(t.Context(), e); a.Status != http.StatusOK {
		t.Errorf("sent again to the next life: %d", a.Status)
	}
	sends(t, r, 3)
	cutPower(t, r, d)
	r.StartApps()
	if comesUp(r, patience) {
		r.Log.AwaitAll(patience)
	}
	return r.Log.Check(history.Rules{})
}
