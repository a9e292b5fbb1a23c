package faults

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// Fifty copies of one event come at the same moment: one is accepted, and all
// are answered 200.
func TestFaultCopiesAtOnce(t *testing.T) {
	t.Parallel()
	const copies = 50
	r := rig.New(t, rig.Options{})
	r.Start()
	ids := rig.Rounds(60, 3000)
	for range ids {
		e := r.Event(event.Types()[r.Random.IntN(4)])
		answers := make([]history.Answer, copies)
		begin, senders := make(chan struct{}), sync.WaitGroup{}
		for i := range copies {
			senders.Go(func() {
				<-begin
				answers[i] = r.Send(t.Context(), e)
			})
		}
		close(begin)
		senders.Wait()
		accepted := 0
		for _, a := range answers {
			if a.Status != http.StatusOK {
				t.Errorf("%s: a copy was answered %d %v", e.ID, a.Status, a.Err)
			}
			if a.Result == "accepted" {
				accepted++
			}
		}
		if accepted != 1 {
			t.Errorf("%s: accepted %d times", e.ID, accepted)
		}
	}
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Report([]int{24}, "50 copies of one id at the same moment", ids)
}

// The sender gives up while the first copy is still being stored, and repeats at
// once: the copies wait for the outcome of the first, and it is taken once.
func TestFaultRepeatWhileInFlight(t *testing.T) {
	t.Parallel()
	proctest.Needs(t, "strace")
	const stall, senderWaits = 300 * time.Millisecond, 30 * time.Millisecond
	r := rig.New(t, rig.Options{Wrap: func(argv []string) []string {
		return append([]string{
			"strace", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null",
			"-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=300000",
		}, argv...)
	}})
	r.Start()
	rounds, gaveUp := rig.Rounds(3, 100), 0
	for range rounds {
		e := r.Event(event.TypeMessageRead)
		var senders sync.WaitGroup
		begun := time.Now()
		for range 4 {
			ctx, cancel := context.WithTimeout(t.Context(), senderWaits)
			if a := r.Send(ctx, e); a.Status == 0 {
				gaveUp++
			}
			cancel()
		}
		for range 4 {
			senders.Go(func() {
				a := r.Send(t.Context(), e)
				if a.Status != http.StatusOK {
					t.Errorf("%s: the repeat was answered %d %v", e.ID, a.Status, a.Err)
				}
				if took := a.At.Sub(begun); took < stall {
					t.Errorf("%s: a copy was answered after %v, while no flush can have ended before %v", e.ID, took, stall)
				}
			})
		}
		senders.Wait()
	}
	if gaveUp < rounds {
		t.Errorf("the sender gave up %d times in %d rounds: the first was never in flight", gaveUp, rounds)
	}
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Report([]int{23}, "the sender repeats while the first is being stored", rounds)
}
