//go:build linux

package main

import (
	"context"
	"time"
)

const (
	restLook  = 300 * time.Millisecond
	restUsage = 30 * time.Millisecond // of CPU in such a time
	restWait  = 20 * time.Second
)

// rest waits until the processes of a side have done what they do at their
// start, such as reading the ids of a large store. What a start costs is not
// the cost of an event.
func rest(ctx context.Context, procs []*process) error {
	used := func() (all time.Duration, err error) {
		for _, p := range procs {
			u, err := readUsage(p.cmd.Process.Pid)
			if err != nil {
				return 0, err
			}
			all += u.cpu
		}
		return all, nil
	}
	before, err := used()
	for end := time.Now().Add(restWait); err == nil && time.Now().Before(end); {
		timer := time.NewTimer(restLook)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		var now time.Duration
		if now, err = used(); now-before < restUsage {
			return err
		}
		before = now
	}
	return err
}
