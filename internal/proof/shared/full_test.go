//go:build linux

package shared

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/machines"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// The database's disk fills up: events are refused, and none is half stored. With room
// again they are taken; where the server has ended meanwhile, somebody starts it.
func TestFaultDatabaseFull(t *testing.T) {
	t.Parallel()
	proctest.Needs(t, "root", "mount", "umount")
	pgtest.Need(t)
	disk := smallDisk(t, "160m")
	f := machines.New(t, machines.Options{
		Cluster: pgtest.Options{Dir: filepath.Join(disk, "data"), Settings: map[string]string{"max_wal_size": "8MB", "wal_keep_size": "0"}},
	})
	f.Start()
	stop := f.Background(64)
	rounds := rig.Rounds(1, 6)
	for range rounds {
		f.AwaitAcked(200 * rig.Rounds(1, 4))
		from := time.Now()
		ballast := fill(t, disk)
		f.Await("an event is refused", func() bool { return f.Log.Answers(http.StatusServiceUnavailable, from) > 20 })
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		f.Revive(from)
		f.AwaitAcked(100)
	}
	stop()
	f.Finish([]int{66}, "the database's disk is full", rounds)
}

// smallDisk is a file system of a size, in memory.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "ig-small-") //nolint:usetesting // The other user passes through it.
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "mode=755,size="+size, "small", dir).CombinedOutput(); err != nil {
		t.Fatalf("mounting: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("unmounting: %v\n%s", err, out)
		}
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill writes a file until the disk takes no more, and returns its path.
func fill(t *testing.T, disk string) string {
	t.Helper()
	path := filepath.Join(disk, "ballast")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for size := 1 << 20; size >= 4096; size /= 2 {
		for err == nil {
			_, err = file.Write(make([]byte, size))
		}
		err = nil
	}
	return path
}
