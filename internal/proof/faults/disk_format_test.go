package faults

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// Places in the header of the database: the last bytes of two numbers.
const (
	userVersion   = 60 + 3
	applicationID = 68 + 3
)

// TestFaultFormat: the program does not start on files of a newer version or of
// another program, says why, and leaves every byte as it was.
func TestFaultFormat(t *testing.T) {
	t.Parallel()
	x := newBroken(t, true)
	x.refuses("a newer version", "spool.db", userVersion, "use the newer program")
	x.refuses("another program", "spool.db", applicationID, "another program")
	x.goesOn([]int{70}, "file of a newer version, or of another program", 2)
}

// TestFaultDamageIsTold: the program does not start on a store whose log lacks
// what was acknowledged, or whose database is broken, and says so. With the
// bytes put right it goes on.
func TestFaultDamageIsTold(t *testing.T) {
	t.Parallel()
	x := newBroken(t, false)
	x.refuses("a bit of the log", "spool.db-wal", logHead+2*logFrame+30, "store is damaged")
	x.refuses("a bit of the log's head", "spool.db-wal", 20, "store is damaged")
	x.Start()
	if code := x.Stop(); code != 0 { // Now the log is empty, and the database has it all.
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	x.refuses("the kind of the database's first page", "spool.db", 100, "store is damaged")
	x.goesOn([]int{5}, "bits flipped before a start", 3)
}

// broken is a store with events that wait, and no process.
type broken struct {
	*rig.Rig
	t *testing.T
}

func newBroken(t *testing.T, clean bool) *broken {
	t.Helper()
	x := &broken{Rig: rig.New(t, rig.Options{}), t: t}
	x.StopApps()
	x.Start()
	stop := x.Background(16)
	x.AwaitAcked(30)
	stop()
	if !clean {
		x.Kill()
	} else if code := x.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	return x
}

// refuses starts a process with one byte of a file changed.
func (x *broken) refuses(what, file string, at int, words string) {
	x.t.Helper()
	path := filepath.Join(x.Data, file)
	whole, err := os.ReadFile(path)
	if err != nil {
		x.t.Fatal(err)
	}
	before := bytes.Clone(whole)
	before[at] ^= 0x40
	if err := os.WriteFile(path, before, 0o600); err != nil {
		x.t.Fatal(err)
	}
	l := x.Begin()
	if code := x.Gone(); code == 0 || !strings.Contains(l.Output(), words) {
		x.t.Errorf("%s: exit code %d\n%s", what, code, l.Output())
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(after, before) {
		x.t.Errorf("%s: the file has changed, %v", what, err)
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		x.t.Fatal(err)
	}
}

func (x *broken) goesOn(rows []int, fault string, rounds int) {
	x.t.Helper()
	x.Start()
	x.Settle()
	if code := x.Stop(); code != 0 {
		x.t.Errorf("SIGTERM ends with exit code %d", code)
	}
	x.Books()
	x.Report(rows, fault, rounds)
}
