//go:build linux

package faults

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// weakDisk is an ext4 file system whose medium can be made to have no room
// below it. Then the file system takes writes, and the kernel fails to bring
// them to the medium: fdatasync fails once, says so, and is content ever after,
// while the page cache shows what the medium does not have. That is a real
// failed fsync; an injected one leaves the pages to be written by the next.
type weakDisk struct {
	t         *testing.T
	below, at string // mount points of the medium and of the file system
	loop      string
	up        bool
}

// A store refuses accepts with less than 192 MiB free.
const (
	weakMiB    = 256
	mediumRoom = weakMiB + 64
)

// newWeakDisk needs root and loop devices.
func newWeakDisk(t *testing.T) *weakDisk {
	t.Helper()
	dir := t.TempDir()
	d := &weakDisk{t: t, below: filepath.Join(dir, "below"), at: filepath.Join(dir, "at")}
	for _, p := range []string{d.below, d.at} {
		if err := os.Mkdir(p, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	d.do("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", mediumRoom), "tmpfs", d.below)
	t.Cleanup(func() {
		d.off()
		if d.loop != "" {
			d.try("losetup", "-d", d.loop)
		}
		d.try("umount", d.below)
	})
	image, dense := filepath.Join(d.below, "sparse"), filepath.Join(d.below, "disk")
	d.do("truncate", "-s", fmt.Sprintf("%dM", weakMiB), image)
	d.do("mkfs.ext4", "-q", "-F", "-m", "0", "-b", "4096", image)
	// What the file system needs for itself must have its room: every block is
	// written, and then the free ones are given back.
	d.do("cp", "--sparse=never", image, dense)
	if err := os.Remove(image); err != nil {
		t.Fatal(err)
	}
	d.loop = strings.TrimSpace(d.do("losetup", "-f", "--show", dense))
	// Of a request whose first block has room and whose others have none the loop
	// driver writes the first, and calls all of it written: a medium that lies. With
	// one block a request it tells the truth.
	limit := filepath.Join("/sys/block", filepath.Base(d.loop), "queue/max_sectors_kb")
	was, err := os.ReadFile(limit)
	if err == nil {
		err = os.WriteFile(limit, []byte("4"), 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.WriteFile(limit, was, 0) })
	d.mount()
	d.do("fstrim", d.at)
	return d
}

func (d *weakDisk) mount() {
	d.t.Helper()
	d.do("mount", "-o", "errors=continue", d.loop, d.at)
	d.up = true
}

// off unmounts the file system.
func (d *weakDisk) off() {
	if !d.up {
		return
	}
	d.up = false
	d.try("umount", d.at)
}

// full leaves the medium no room for any block that was never in use.
func (d *weakDisk) full() {
	d.t.Helper()
	f, err := os.Open(d.at)
	if err != nil {
		d.t.Fatal(err)
	}
	if err := errors.Join(unix.Syncfs(int(f.Fd())), f.Close()); err != nil {
		d.t.Fatal(err)
	}
	for try := range 10 {
		var s syscall.Statfs_t
		if err := syscall.Statfs(d.below, &s); err != nil {
			d.t.Fatal(err)
		}
		size := fmt.Sprintf("remount,size=%d", int64(s.Blocks-s.Bfree)*s.Bsize)
		// The kernel writes on: by now more may be used than there is to be.
		if err := exec.Command("mount", "-o", size, d.below).Run(); err == nil {
			return
		} else if try == 9 {
			d.t.Fatal(err)
		}
	}
}

// room gives it back.
func (d *weakDisk) room() {
	d.t.Helper()
	d.do("mount", "-o", fmt.Sprintf("remount,size=%dm", mediumRoom), d.below)
}

// powerCut ends all writing to the medium at once, and loses what was not
// flushed. The process on it must then be ended, and back called.
func (d *weakDisk) powerCut() {
	d.t.Helper()
	f, err := os.Open(d.at)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	const shutdown, noLogFlush = 0x8004587d, uint32(2) // FS_IOC_SHUTDOWN
	flags := noLogFlush
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), shutdown, uintptr(unsafe.Pointer(&flags))); errno != 0 {
		d.t.Fatalf("cutting the power: %v", errno)
	}
}

// back mounts the file system again after a power cut.
func (d *weakDisk) back() {
	d.t.Helper()
	d.up = false
	d.do("umount", d.at)
	d.mount()
}

// spool is where the store is.
func (d *weakDisk) spool() string { return filepath.Join(d.at, "spool") }

func (d *weakDisk) do(name string, args ...string) string {
	d.t.Helper()
	var out, bad bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &bad
	if err := cmd.Run(); err != nil {
		d.t.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args, " "), err, out.Bytes(), bad.Bytes())
	}
	return out.String()
}

func (d *weakDisk) try(name string, args ...string) {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		d.t.Errorf("%s %v: %v\n%s", name, args, err, out)
	}
}
