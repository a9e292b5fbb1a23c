//go:build linux

package faults

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// TestFaultFsyncFailsForReal: the kernel fails an fsync because the medium takes
// nothing, calls the pages clean, and reports no error again. Nothing may be
// acknowledged meanwhile, and what is acknowledged afterwards, by this process
// or by the next, must be on the medium when the power goes.
func TestFaultFsyncFailsForReal(t *testing.T) { //nolint:tparallel // Its subtests go one by one: each has a disk.
	proctest.Needs(t, onWeakDisk...)
	t.Parallel()
	for n := range rig.Rounds(4, 60) {
		t.Run(strconv.Itoa(n), func(t *testing.T) { fsyncFails(t, n%2 == 0) })
	}
}

func fsyncFails(t *testing.T, kill bool) {
	d := newWeakDisk(t)
	r := rig.New(t, rig.Options{Data: d.spool()})
	if r.Random.IntN(2) == 0 {
		r.StopApps()
	}
	r.Start()
	r.SendAll(t.Context(), weakEvents(r, 1+r.Random.IntN(40)))
	refused := whileFull(t, r, d, kill)
	awaitStore(t, r)
	for i, a := range r.SendAll(t.Context(), refused) {
		if a.Status != http.StatusOK {
			t.Errorf("%s, sent again with room on the disk: %d %v", refused[i].ID, a.Status, a.Err)
		}
	}
	r.SendAll(t.Context(), weakEvents(r, r.Random.IntN(10)))
	cutPower(t, r, d)
	r.Start()
	r.Again(1, 1)
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	r.Books()
	r.Report([]int{3, 6}, "fsync fails, the kernel forgets it, power cut", 1)
}

// weakEvents makes n events.
func weakEvents(r *rig.Rig, n int) []history.Event {
	events := make([]history.Event, n)
	for i := range events {
		events[i] = r.Event(event.TypeMessageFailed)
	}
	return events
}

// whileFull sends events that cannot be stored and returns them. With kill, the
// process dies before there is room, and another finds what it left.
func whileFull(t *testing.T, r *rig.Rig, d *weakDisk, kill bool) []history.Event {
	t.Helper()
	d.full()
	events := []history.Event{untilRefused(t, r)}
	from := time.Now()
	for _, e := range weakEvents(r, r.Random.IntN(4)) {
		r.Send(t.Context(), e)
		events = append(events, e)
	}
	r.Log.Refusing(from, time.Now())
	if r.Random.IntN(2) == 0 { // The attempts to open the store again fail too.
		r.Life().Until(proctest.Patience, func(output string) bool {
			return strings.Count(output, "reopening store failed") > 2
		})
	}
	if kill {
		r.Kill()
	}
	d.room()
	if kill {
		startAfterError(t, r)
	}
	return events
}

// awaitStore sends until the store takes an event again.
func awaitStore(t *testing.T, r *rig.Rig) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for patience := time.After(proctest.Patience); ; {
		if r.Send(t.Context(), r.Event(event.TypeMessageRead)).Status == http.StatusOK {
			return
		}
		select {
		case <-tick.C:
		case <-patience:
			t.Fatalf("the store takes nothing %s after there is room", proctest.Patience)
		}
	}
}
