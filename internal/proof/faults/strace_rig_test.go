//go:build linux && amd64

package faults

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// traced is a rig whose processes do only those system calls that the test lets
// them do.
type traced struct {
	*rig.Rig
	*control // of the present life

	t     *testing.T
	first order // of the next life
	died  int   // lives killed at a call
}

func newTraced(t *testing.T, o rig.Options) *traced {
	t.Helper()
	x := &traced{t: t}
	inner := o.Wrap
	o.Wrap = func(argv []string) []string {
		x.control, x.first = newControl(t, x.first), order{}
		if inner != nil {
			argv = inner(argv)
		}
		return x.control.wrap(argv)
	}
	x.Rig = rig.New(t, o)
	return x
}

// all is an order for every call on the store.
func (x *traced) all(from int, do deed) order {
	return order{Dir: x.Data, From: from, Do: do}
}

// quiet returns once the store has nothing more to write of what came before:
// a settle is synced within half a second. It is no fault if it has not.
func (x *traced) quiet() {
	x.AwaitAll()
	if !x.order(x.all(0, watchCall)) || x.Log.Arrivals(x.Life().N) == 0 {
		return
	}
	x.awaitFor(time.Second, func() bool {
		return slices.ContainsFunc(x.calls, func(s stopped) bool { return s.Call == "fdatasync" })
	})
}

// wantWhole opens a copy of the store's files as they are, and has SQLite look
// at every page. The store itself never does, and must not need to.
func wantWhole(t *testing.T, dir string) {
	t.Helper()
	to := t.TempDir()
	files, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, f := range files {
		if f.Name() == "lock" || strings.HasSuffix(f.Name(), "-shm") {
			continue
		}
		body, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		found = found || f.Name() == "spool.db"
		if err := os.WriteFile(filepath.Join(to, f.Name()), body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !found {
		return
	}
	c, err := sqlite3.Open(filepath.Join(to, "spool.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, _, err := c.Prepare("PRAGMA integrity_check")
	if err != nil {
		t.Errorf("looking at the store: %v", err)
		return
	}
	defer s.Close()
	for s.Step() {
		if said := s.ColumnText(0); said != "ok" {
			t.Errorf("the store is damaged: %s", said)
		}
	}
	if err := s.Err(); err != nil {
		t.Errorf("looking at the store: %v", err)
	}
}

// some are the numbers from 1 to n: all of them in the long form, else a sample
// by the seed.
func (x *traced) some(n, sample int) []int {
	var all []int
	for i := 1; i <= n; i++ {
		all = append(all, i)
	}
	if rig.Long() {
		return all
	}
	x.Random.Shuffle(n, func(i, j int) { all[i], all[j] = all[j], all[i] })
	all = all[:min(n, sample)]
	slices.Sort(all)
	return all
}
