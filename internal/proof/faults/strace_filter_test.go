//go:build linux && amd64

package faults

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// execFiltered becomes the program of args, each traced call of which stops it
// for its tracer. All other calls run at their full speed.
func execFiltered(args []string) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("giving up new privileges: %w", err)
	}
	filter := stopAtTracedCalls()
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		return fmt.Errorf("setting filter of system calls: %w", err)
	}
	return syscall.Exec(args[0], args, os.Environ())
}

// Offsets in the kernel's struct seccomp_data.
const (
	offsetOfNumber = 0
	offsetOfArch   = 4
)

func stopAtTracedCalls() []unix.SockFilter {
	var numbers []uint32
	for n := range tracedCalls {
		numbers = append(numbers, uint32(n))
	}
	slices.Sort(numbers)
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	end := func(verdict uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: verdict}
	}
	equal := func(k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: yes, Jf: no, K: k}
	}
	f := []unix.SockFilter{load(offsetOfArch), equal(unix.AUDIT_ARCH_X86_64, 1, 0), end(unix.SECCOMP_RET_ALLOW), load(offsetOfNumber)}
	for i, n := range numbers {
		f = append(f, equal(n, uint8(len(numbers)-i), 0))
	}
	return append(f, end(unix.SECCOMP_RET_ALLOW), end(unix.SECCOMP_RET_TRACE))
}

// fail makes the stopped call return an error without being made.
func fail(r *unix.PtraceRegs, errno syscall.Errno) {
	r.Orig_rax = math.MaxUint64
	r.Rax = uint64(-int64(errno))
}

// halve makes the stopped call write half of what it was to write. The caller
// is told so, as by a disk that is full.
func halve(r *unix.PtraceRegs) { r.Rdx /= 2 }

var errNoChild = errors.New("no process to trace")
