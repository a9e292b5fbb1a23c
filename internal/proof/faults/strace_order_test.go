//go:build linux && amd64

package faults

import (
	"slices"
	"strings"
	"syscall"
)

// deed is what is done to a call.
type deed string

const (
	watchCall deed = ""      // only count it
	killAt    deed = "kill"  // SIGKILL instead of the call
	failCall  deed = "fail"  // an error instead of the call
	failGrow  deed = "full"  // the same, and calls that need no new room do not count
	halveCall deed = "halve" // write half, and say so
	holdCall  deed = "hold"  // wait with the call until the next order
)

// order says what to do to which calls. Calls are counted over all threads of
// the process, from 1 with each order; strace counts by thread and by call, so
// that its n-th call is another one in each run.
type order struct {
	Dir      string   // only calls on what is in it
	Calls    []string // only these; none: all
	File     string   // only files whose name ends so
	From, To int      // which of those; To 0: From alone, negative: all from From
	Do       deed
	Then     deed // to every later call in Dir, whatever its name and file
	Errno    syscall.Errno
	// FailHeld fails what the order before has held; else those calls are made.
	FailHeld bool
}

// takes says whether the order counts c.
func (o *order) takes(c call) bool {
	return o.within(c) && strings.HasSuffix(c.path, o.File) && (len(o.Calls) == 0 || slices.Contains(o.Calls, c.name))
}

func (o *order) within(c call) bool {
	return o.Dir != "" && (c.path == o.Dir || strings.HasPrefix(c.path, o.Dir+"/"))
}

// due says whether something is to be done to the n-th.
func (o *order) due(n int) bool {
	return n >= o.From && o.From > 0 && (n == o.From || n <= o.To || o.To < 0)
}

// stopped tells of one call that an order counted; or, with Ack, that a new
// order is in force; or, with Pid, which process is traced.
type stopped struct {
	Pid  int    `json:",omitempty"`
	Ack  bool   `json:",omitempty"`
	N    int    `json:",omitempty"`
	Call string `json:",omitempty"`
	Path string `json:",omitempty"`
	Size int    `json:",omitempty"`
	Did  deed   `json:",omitempty"`
}
