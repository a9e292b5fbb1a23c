//go:build linux && amd64

package faults

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// stall is how long an fsync takes in TestFaultFsyncStalls.
const stall = 9 * time.Second

// TestFaultFsyncStalls has one fsync take 9 s. The platform waits 10 s for an
// answer; it gets 503 before, and 200 for a later copy.
func TestFaultFsyncStalls(t *testing.T) {
	t.Parallel()
	x := newTraced(t, rig.Options{})
	x.Start()
	rounds := 1
	if rig.Long() {
		rounds = 5
	}
	for range rounds {
		x.quiet()
		e := x.Event(event.TypeMessageRead)
		over := time.NewTimer(stall)
		answers := x.sendStalled(e, 10)
		behind := x.events(5)
		var late sync.WaitGroup
		late.Go(func() { x.wantInTime(x.SendAll(t.Context(), behind)) })
		x.wantInTime(answers())
		late.Wait()
		<-over.C
		x.order(order{})
		x.wantTaken(e, "duplicate")
		for _, e := range behind {
			x.wantTaken(e, "")
		}
	}
	if strings.Contains(x.Life().Output(), "store failed") {
		t.Error("a slow disk is no failure, and the store was opened anew")
	}
	x.Settle()
	if code := x.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	x.Books()
	x.Report([]int{10}, "an fsync takes 9 s", rounds)
}

// wantInTime checks answers to what waits for the disk.
func (x *traced) wantInTime(answers []history.Answer) {
	for _, a := range answers {
		took := a.At.Sub(a.Begun)
		if a.Status != http.StatusServiceUnavailable || took >= 10*time.Second {
			x.t.Errorf("answered %d %v after %s while an fsync took %s", a.Status, a.Err, took, stall)
		}
	}
}

// wantTaken sends an event; with a result it must be that one.
func (x *traced) wantTaken(e history.Event, result string) {
	x.t.Helper()
	if a := x.Send(x.t.Context(), e); a.Status != http.StatusOK || result != "" && a.Result != result {
		x.t.Errorf("%s is answered %d %q %v, want 200 %s", e.ID, a.Status, a.Result, a.Err, result)
	}
}
