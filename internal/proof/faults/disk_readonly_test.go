//go:build linux

package faults

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// TestFaultReadOnly takes the right to write away under load: for a while from
// the log alone, which the process must survive, and then from the whole file
// system for good, as ext4 does after an error.
func TestFaultReadOnly(t *testing.T) {
	t.Parallel()
	proctest.Needs(t, append(onWeakDisk, "chattr", "e2fsck")...)
	d := newWeakDisk(t)
	d.off()
	r := rig.New(t, rig.Options{Data: d.spool(), Rate: 200})
	rounds := rig.Rounds(1, 5)
	for range rounds {
		d.do("mount", "-o", "errors=remount-ro", d.loop, d.at)
		d.up = true
		readOnlyRound(t, r, d)
		d.off()
		// 1: errors were found and put right.
		d.do("sh", "-c", "e2fsck -p "+d.loop+" || [ $? -le 1 ]")
	}
	d.mount()
	r.Start()
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	r.Books()
	r.Report([]int{9}, "the log, then the file system turns read-only", rounds)
}

func readOnlyRound(t *testing.T, r *rig.Rig, d *weakDisk) {
	t.Helper()
	l := r.Start()
	stop := r.Background(16)
	r.AwaitAcked(50)
	log := filepath.Join(d.spool(), "spool.db-wal")
	d.do("chattr", "+i", log)
	refused(t, r, "with a log that nobody may write to")
	refusesAll(t, r)
	d.do("chattr", "-i", log)
	r.AwaitAcked(20)
	// No fsync is under way when the journal ends: one that is may return success
	// for what never gets into it, and then nothing can be known.
	stop()
	name := strings.TrimPrefix(d.loop, "/dev/")
	if err := os.WriteFile("/sys/fs/ext4/"+name+"/trigger_fs_error", []byte("by the test"), 0o200); err != nil {
		t.Fatal(err)
	}
	stop = r.Background(16)
	refused(t, r, "on a read-only file system")
	refusesAll(t, r)
	stop()
	if out := l.Output(); !strings.Contains(out, "store failed; reopening it") {
		t.Error("the process does not tell that its store failed")
	}
	r.Kill() // It has nothing that it could write down.
}

// refusesAll sends events that must all get a 503, from a living process.
func refusesAll(t *testing.T, r *rig.Rig) {
	t.Helper()
	from := time.Now()
	for range 20 {
		if a := r.Send(t.Context(), r.Event(event.TypeMessageRead)); a.Status != http.StatusServiceUnavailable {
			t.Errorf("while nothing can be written: %d %v", a.Status, a.Err)
		}
	}
	r.Log.Refusing(from, time.Now())
}
