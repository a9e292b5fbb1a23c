//go:build linux

package pgtest

import (
	"fmt"
	"syscall"
)

// Freeze stops every process of the server, as a machine that hangs does: it answers
// nothing and closes nothing. Thaw lets it go on; Kill and Close work on a frozen one.
func (c *Cluster) Freeze() error { return c.signalAll(syscall.SIGSTOP) }

// Thaw ends a Freeze.
func (c *Cluster) Thaw() error { return c.signalAll(syscall.SIGCONT) }

func (c *Cluster) signalAll(s syscall.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pid == 0 {
		return fmt.Errorf("sending %v to the server: it does not run", s)
	}
	for _, pid := range append([]int{c.pid}, childrenOf(c.pid)...) {
		if err := syscall.Kill(pid, s); err != nil && err != syscall.ESRCH {
			return fmt.Errorf("sending %v to process %d: %w", s, pid, err)
		}
	}
	return nil
}
