//go:build linux

package faults

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// TestFaultDiskFull fills a disk in two steps. Below the floor new events get
// 503 while what is stored is delivered. Then nothing at all can be written. With
// room again, accepts return, and nothing is missing.
func TestFaultDiskFull(t *testing.T) {
	t.Parallel()
	proctest.Needs(t, "root", "mount")
	at := smallDisk(t, "280m")
	r := rig.New(t, rig.Options{Data: filepath.Join(at, "spool"), Rate: 200})
	rounds := rig.Rounds(1, 5)
	for range rounds {
		fullRound(t, r, at)
	}
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	r.Books()
	r.Report([]int{7}, "disk full: below the floor, then to the last byte", rounds)
}

func fullRound(t *testing.T, r *rig.Rig, at string) {
	t.Helper()
	stop := loaded(r)
	filler := filepath.Join(at, "filler")
	leaveRoom(t, at, filler, 150<<20)
	refused(t, r, "with less room than the floor")
	stop()
	from := time.Now()
	r.StartApps()
	r.AwaitAll() // Deliveries go on.
	fillUp(t, filler)
	for range 20 {
		if a := r.Send(t.Context(), r.Event(event.TypeMessageRead)); a.Status != http.StatusServiceUnavailable {
			t.Errorf("with a full disk: %d %v", a.Status, a.Err)
		}
	}
	r.Log.Refusing(from, time.Now())
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	accepted(t, r, "with room again")
}

// loaded has a process that takes events while its apps are down, until stop.
func loaded(r *rig.Rig) (stop func()) {
	if r.Life() == nil {
		r.Start()
	}
	r.StopApps()
	stop = r.Background(16)
	r.AwaitAcked(50)
	return stop
}

// smallDisk is a mounted tmpfs.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	at := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", at).CombinedOutput(); err != nil {
		t.Fatalf("mounting: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", at).CombinedOutput(); err != nil {
			t.Errorf("unmounting: %v\n%s", err, out)
		}
	})
	return at
}

// leaveRoom fills the disk but for so many bytes.
func leaveRoom(t *testing.T, at, filler string, room uint64) {
	t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(at, &st); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filler)
	if err == nil {
		err = syscall.Fallocate(int(f.Fd()), 0, 0, int64(st.Bavail*uint64(st.Bsize)-room))
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// fillUp leaves no byte.
func fillUp(t *testing.T, filler string) {
	t.Helper()
	f, err := os.OpenFile(filler, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err = f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
}

// refused sends new events until one gets a 503.
func refused(t *testing.T, r *rig.Rig, when string) {
	t.Helper()
	until(t, "a 503 "+when, func() bool {
		return r.Send(t.Context(), r.Event(event.TypeMessageRead)).Status == http.StatusServiceUnavailable
	})
}

// accepted sends new events until one gets a 200.
func accepted(t *testing.T, r *rig.Rig, when string) {
	t.Helper()
	until(t, "a 200 "+when, func() bool {
		return r.Send(t.Context(), r.Event(event.TypeMessageRead)).Status == http.StatusOK
	})
}
