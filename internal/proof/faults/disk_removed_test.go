//go:build linux

package faults

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// TestFaultUnmounted unmounts the disk lazily below a running process, whose
// files stay open and would take writes that nobody finds again. Mounted again,
// the store goes on with all that it held.
func TestFaultUnmounted(t *testing.T) {
	t.Parallel()
	proctest.Needs(t, onWeakDisk...)
	d := newWeakDisk(t)
	r := rig.New(t, rig.Options{Data: d.spool(), Rate: 200})
	r.Start()
	rounds := rig.Rounds(1, 10)
	for range rounds {
		stop := r.Background(16)
		r.AwaitAcked(50)
		d.do("umount", "-l", d.at)
		d.up = false
		refused(t, r, "without its disk")
		refusesAll(t, r)
		d.mount()
		accepted(t, r, "with the disk back")
		r.AwaitAcked(20)
		stop()
	}
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	r.Books()
	r.Report([]int{13}, "disk unmounted below a running process, and back", rounds)
}

// TestFaultFilesRemoved removes files below a running process. A removed log is
// no loss while its store is open. A removed directory is, and no 200 is given
// on its account; the next process begins anew.
func TestFaultFilesRemoved(t *testing.T) {
	t.Parallel()
	r := rig.New(t, rig.Options{Rate: 200})
	rounds := rig.Rounds(2, 10)
	for range rounds {
		r.StopApps() // What is lost must not have been delivered by then.
		r.Start()
		stop := r.Background(16)
		r.AwaitAcked(50)
		if err := os.Remove(filepath.Join(r.Data, "spool.db-wal")); err != nil {
			t.Fatal(err)
		}
		r.AwaitAcked(50)
		r.Kill() // The next process knows what the disk has, and nothing else.
		stop()
	}
	r.Settle()
	if err := os.RemoveAll(r.Data); err != nil {
		t.Fatal(err)
	}
	refusesAll(t, r)
	if err := os.Mkdir(r.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	refusesAll(t, r)
	if code := r.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	r.Start()
	r.Sentinel()
	if code := r.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	r.Report([]int{13}, "log, then data directory removed under a running process", rounds)
}
