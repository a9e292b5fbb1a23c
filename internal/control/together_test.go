package control

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Events are sent again at the same time, so that the store can commit them together:
// the disk is not waited for once an event.
func TestReplaySharesCommits(t *testing.T) {
	t.Parallel()
	var begun atomic.Int32
	all := make(chan struct{})
	var step Step
	err := together(make([]spool.Record, atOnce), func(spool.Record, *Step) (int, error) {
		if begun.Add(1) == atOnce {
			close(all)
		}
		select {
		case <-all:
			return 1, nil
		case <-time.After(30 * time.Second):
			return 0, errors.New("one waits for another")
		}
	}, &step)
	if err != nil || step.Matched != atOnce || step.Changed != atOnce {
		t.Errorf("%+v, %v, want %d events and deliveries", step, err, atOnce)
	}
}
