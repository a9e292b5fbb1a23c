//go:build linux && amd64

package faults

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

const (
	largeBodies = 400
	largeBody   = 1000 << 10 // bytes sent of each, nearly max_body
	// memoryBound is what the process may have at most meanwhile: its budgets for
	// bodies (64 and 128 MiB), as much again that is not yet collected, and
	// itself. The slow bodies alone would be 390 MiB, and twice that collected late.
	memoryBound = 512 << 20
	// memoryLeft is what it may still take when memory is short.
	memoryLeft = 8 << 20
)

// TestFaultOutOfMemory sends more large, slow bodies than are good for memory,
// beside a load of events. What the process takes is bounded; and where even
// that is not to be had, it ends as by kill -9, and nothing is lost.
func TestFaultOutOfMemory(t *testing.T) {
	t.Parallel()
	r := rig.New(t, rig.Options{Rate: 50})
	l := r.Start()
	stop := r.Background(0)
	r.AwaitAcked(10)
	leave := hog(t, r.Listen, largeBodies)
	r.AwaitAcked(50) // Events go on beside them.
	most := peak(t, l.PID)
	stop()
	leave()
	t.Logf("%d slow bodies of %d KiB: at most %d MiB of memory", largeBodies, largeBody>>10, most>>20)
	if most > memoryBound {
		t.Errorf("the process took %d MiB of memory", most>>20)
	}
	rounds := rig.Rounds(2, 20)
	for range rounds {
		stop := r.Background(0)
		r.AwaitAcked(20)
		starve(t, r.Life().PID)
		leave := hog(t, r.Listen, 4*memoryLeft/largeBody)
		r.Died(history.Killed)
		stop()
		leave()
		r.Start()
		r.Again(0.5, 0.5)
	}
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	wantWhole(t, r.Data)
	r.Books()
	r.Report([]int{12}, "more large slow bodies than memory, and killed for want of memory", rounds+1)
}

// hog begins n requests whose bodies come nearly to their ends. The returned
// function closes them.
func hog(t *testing.T, addr string, n int) (leave func()) {
	t.Helper()
	var all []net.Conn
	leave = func() {
		for _, c := range all {
			_ = c.Close()
		}
		all = nil
	}
	t.Cleanup(leave)
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nX-Inbox-Signature: %s\r\nContent-Length: %d\r\n\r\n",
		rig.Path, addr, strings.Repeat("0", 64), largeBody+1)
	text := append([]byte(head), make([]byte, largeBody)...)
	for range n {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			break // It is gone.
		}
		all = append(all, c)
		_ = c.SetWriteDeadline(time.Now().Add(proctest.Patience))
		if _, err := c.Write(text); err != nil {
			continue // Refused, or gone.
		}
	}
	return leave
}

// peak is the most memory that a process has had, in bytes.
func peak(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmHWM:" {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("no peak is told")
	return 0
}

// starve lets a process take no more than memoryLeft: by a group of the kernel's
// memory controller, whose end is the OOM killer, or else by a limit of its
// address space, whose end is Go's own.
func starve(t *testing.T, pid int) {
	t.Helper()
	if group(t, pid) {
		return
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	var pages uint64
	if _, err := fmt.Sscan(string(text), &pages); err != nil {
		t.Fatal(err)
	}
	size := pages*uint64(os.Getpagesize()) + memoryLeft
	if err := unix.Prlimit(pid, syscall.RLIMIT_AS, &unix.Rlimit{Cur: size, Max: size}, nil); err != nil {
		t.Fatal(err)
	}
}

// group puts a process into a new group with little memory, if it may. What the
// process has already stays with its old group.
func group(t *testing.T, pid int) bool {
	t.Helper()
	for root, limit := range map[string]string{"/sys/fs/cgroup/memory": "memory.limit_in_bytes", "/sys/fs/cgroup": "memory.max"} {
		dir, err := os.MkdirTemp(root, "inboxgate-") //nolint:usetesting // It is a group of the kernel.
		if err != nil {
			continue
		}
		t.Cleanup(func() {
			// A process that the test failed to starve is still there.
			_ = os.WriteFile(filepath.Join(root, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0)
			if err := syscall.Rmdir(dir); err != nil {
				t.Errorf("removing memory group: %v", err)
			}
		})
		// Without O_CREATE: below the first version's root is no group, but a
		// directory like any other.
		set := func(file string, value int) error {
			f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteString(strconv.Itoa(value))
			return errors.Join(err, f.Close())
		}
		if set(limit, memoryLeft) == nil && set("cgroup.procs", pid) == nil {
			t.Logf("short of memory by %s", filepath.Join(root, limit))
			return true
		}
	}
	return false
}
