//go:build linux

package shared

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/machines"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// faketime is where Debian and Ubuntu have the library that gives a program a clock.
const faketime = "/usr/lib/*/faketime/libfaketime.so.1"

// The clock of the database is set by hours, ahead and back, while attempts run and
// others wait for their next time. No lease runs out by that, and no id is forgotten.
func TestFaultClockOfTheDatabase(t *testing.T) {
	t.Parallel()
	proctest.Needs(t, "faketime")
	clock := newServerClock(t)
	f := machines.New(t, machines.Options{
		Rate:    100, // No more than the app can take, or events wait for that.
		Cluster: pgtest.Options{Env: clock.env()},
		Routes:  []rig.Route{{Name: "all", Types: "message.*", Work: 300 * time.Millisecond}},
	})
	f.Start()
	stop := f.Background(0)
	rounds := rig.Rounds(1, 4)
	for range rounds {
		for _, shift := range []string{"+7h", "-7h", "+0", "+49h", "-49h", "+0"} {
			from := time.Now()
			clock.set(shift)
			if at := f.Clock(); shift == "+49h" && time.Until(at) < 48*time.Hour {
				t.Fatalf("the database's clock is at %v", at)
			}
			f.AwaitAcked(100 * rig.Rounds(1, 4))
			if n := f.Log.Answers(http.StatusServiceUnavailable, from); n > 0 {
				f.Log.Fault("%d events were refused because a clock was set", n)
			}
		}
	}
	stop()
	f.Finish([]int{84}, "the clock of the database is set by hours, ahead and back", rounds)
}

// serverClock is the clock of one cluster.
type serverClock struct {
	t             *testing.T
	library, file string
}

func newServerClock(t *testing.T) *serverClock {
	t.Helper()
	found, err := filepath.Glob(faketime)
	if err != nil || len(found) == 0 {
		t.Fatalf("%s: nothing there: %v", faketime, err)
	}
	dir, err := os.MkdirTemp("/tmp", "ig-clock-") //nolint:usetesting // The other user reads in it.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c := &serverClock{t: t, library: found[0], file: filepath.Join(dir, "clock")}
	c.set("+0")
	return c
}

// set sets the clock off, from the next reading on.
func (c *serverClock) set(shift string) {
	c.t.Helper()
	next := c.file + ".next"
	if err := os.WriteFile(next, []byte(shift+"\n"), 0o644); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Rename(next, c.file); err != nil {
		c.t.Fatal(err)
	}
}

// env is what the server needs to know.
func (c *serverClock) env() []string {
	return []string{"LD_PRELOAD=" + c.library, "FAKETIME_TIMESTAMP_FILE=" + c.file, "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1"}
}
