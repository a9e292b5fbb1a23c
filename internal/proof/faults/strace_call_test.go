//go:build linux && amd64

package faults

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// call is a system call that changes files, as one thread of the process is
// about to make it.
type call struct {
	name string
	path string // absolute; that of the descriptor, or the name that is given
	size int    // bytes to write, 0 for what writes none
	end  int64  // offset behind the last of them
}

// Kinds of calls, by where they say which file they mean.
const (
	byDescriptor = iota // the first argument
	byName              // the second argument, relative to the first
	byOpening           // byName, and only if it may create or cut the file
)

// tracedCalls are all by which the engine changes what is on the disk. The
// shared memory of its log is mapped, and holds nothing that must last.
var tracedCalls = map[uint64]struct {
	name string
	kind int
}{
	unix.SYS_PWRITE64:  {"pwrite64", byDescriptor},
	unix.SYS_PWRITEV:   {"pwritev", byDescriptor},
	unix.SYS_FSYNC:     {"fsync", byDescriptor},
	unix.SYS_FDATASYNC: {"fdatasync", byDescriptor},
	unix.SYS_FTRUNCATE: {"ftruncate", byDescriptor},
	unix.SYS_FALLOCATE: {"fallocate", byDescriptor},
	unix.SYS_FCHMOD:    {"fchmod", byDescriptor},
	unix.SYS_FCHMODAT:  {"fchmodat", byName},
	unix.SYS_MKDIRAT:   {"mkdirat", byName},
	unix.SYS_UNLINKAT:  {"unlinkat", byName},
	unix.SYS_RENAMEAT:  {"renameat", byName},
	unix.SYS_RENAMEAT2: {"renameat2", byName},
	unix.SYS_LINKAT:    {"linkat", byName},
	unix.SYS_OPENAT:    {"openat", byOpening},
}

// readCall says what the stopped thread is about to do, and false if that is
// none of the traced calls.
func readCall(tid int, r *unix.PtraceRegs) (call, bool) {
	known, ok := tracedCalls[r.Orig_rax]
	if !ok {
		return call{}, false
	}
	c := call{name: known.name}
	switch known.kind {
	case byDescriptor:
		c.path, _ = os.Readlink(threadFile(tid, r.Rdi))
	case byOpening:
		if r.Rdx&(unix.O_CREAT|unix.O_TRUNC) == 0 {
			return call{}, false
		}
		fallthrough
	case byName:
		c.path = readName(tid, r.Rsi)
	}
	switch c.name {
	case "pwrite64":
		c.size, c.end = int(r.Rdx), int64(r.R10+r.Rdx)
	case "fallocate":
		c.end = int64(r.Rdx + r.R10)
	}
	return c, true
}

// grows says whether the call needs room that the file does not have yet.
func (c call) grows(tid int, r *unix.PtraceRegs) bool {
	if c.end == 0 {
		return strings.HasPrefix(c.name, "open") || c.name == "mkdirat"
	}
	fi, err := os.Stat(threadFile(tid, r.Rdi))
	return err == nil && c.end > fi.Size()
}

func threadFile(tid int, fd uint64) string {
	return "/proc/" + strconv.Itoa(tid) + "/fd/" + strconv.Itoa(int(int32(fd)))
}

// readName reads a string that ends with a zero byte.
func readName(tid int, at uint64) string {
	var b [256]byte
	n, err := unix.PtracePeekData(tid, uintptr(at), b[:])
	if err != nil && n == 0 {
		return ""
	}
	text, _, _ := bytes.Cut(b[:n], []byte{0})
	return string(text)
}
