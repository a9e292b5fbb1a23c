package spool_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

func TestClockNeverRunsBackwards(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	machine := start
	c := spool.NewClock(func() time.Time { return machine }, start.Add(time.Hour))
	for i, step := range []struct{ set, want time.Duration }{
		{0, time.Hour},                                // the last time persisted is ahead of the machine's
		{10 * time.Minute, 70 * time.Minute},          // it goes on at its own pace
		{-24 * time.Hour, 70 * time.Minute},           // set back: it stands,
		{-23 * time.Hour, 130 * time.Minute},          // and goes on
		{48 * time.Hour, (130 + 71*60) * time.Minute}, // set forward: that time has passed, for all it can know
		{47 * time.Hour, (130 + 71*60) * time.Minute},
	} {
		machine = start.Add(step.set)
		if got := c.Now().Sub(start); got != step.want {
			t.Errorf("step %d: %s after the start, want %s", i, got, step.want)
		}
	}
}

func TestClockFollowsTheMachine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := spool.NewClock(nil, time.Time{})
		for range 3 {
			time.Sleep(time.Hour)
			if got := c.Now(); !got.Equal(time.Now()) {
				t.Errorf("got %s at %s", got, time.Now())
			}
		}
	})
}
