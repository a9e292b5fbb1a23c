package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/proctest"
)

// Litestream is killed, and started again after the log has begun anew without it:
// its copy lacks nothing for that.
func TestLitestreamWasAway(t *testing.T) {
	t.Parallel()
	program := litestream(t)
	dir := t.TempDir()
	data, replica := filepath.Join(dir, "data"), "file://"+filepath.Join(dir, "replica")
	beside := func() *proctest.Process {
		tool := exec.Command(program, "replicate", "-log-level", "debug", filepath.Join(data, "spool.db"), replica)
		tool.Dir = dir
		return proctest.Start(t, tool)
	}
	address := proctest.FreeAddress(t)
	p := proctest.Start(t, gate(t, dir, "INBOX_UPSTREAM=127.0.0.1:1", "INBOX_LISTEN="+address, "INBOX_DATA_DIR="+data))
	p.Await(t, "serving initial configuration", 1)
	s := &senders{t: t, url: "http://" + address + "/webhooks/inbox", born: time.Now().UTC().Format(time.RFC3339), taken: map[string]string{}}
	first := beside()
	first.Await(t, "snapshot complete", 1)
	for range 2 { // The second time for what came while the first was copied.
		before := strings.Count(first.Output(), "ltx file uploaded")
		s.accepted(30)
		first.Await(t, "ltx file uploaded", before+1)
	}
	first.Signal(t, syscall.SIGKILL)
	first.Wait(t)

	for log, tries := s.log(data), 0; s.log(data) == log; tries++ {
		if tries == 10_000 {
			t.Fatal("the log does not begin anew")
		}
		s.accepted(1)
	}
	second := beside()
	second.Await(t, "ltx file uploaded", 1)
	s.accepted(1)
	if code := second.Stop(t); code != 0 {
		t.Errorf("litestream ends with exit code %d", code)
	}
	p.Stop(t)
	restored := filepath.Join(dir, "restored")
	if err := os.Mkdir(restored, 0o700); err != nil {
		t.Fatal(err)
	}
	restore := exec.Command(program, "restore", "-o", filepath.Join(restored, "spool.db"), replica)
	if out, err := restore.CombinedOutput(); err != nil {
		t.Fatalf("restoring: %v\n%s", err, out)
	}
	s.allStored("what was restored", restored)
	check := gate(t, dir)
	check.Args = append(check.Args, "store", "check", restored)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("store check: %v\n%s", err, out)
	}
	t.Logf("%d events", s.count())
}

// accepted posts n events one by one.
func (s *senders) accepted(n int) {
	s.t.Helper()
	for range n {
		id := fmt.Sprintf("evt_%d", s.next.Add(1))
		result, err := s.post(s.t.Context(), id)
		if err != nil || result != "accepted" {
			s.t.Fatalf("%s is %q, %v", id, result, err)
		}
		s.taken[id] = result
	}
}

// log is by what a store's log is told from the one before it: its salts.
func (s *senders) log(data string) string {
	s.t.Helper()
	f, err := os.Open(filepath.Join(data, "spool.db-wal"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	var salts [8]byte
	if _, err := f.ReadAt(salts[:], 16); err != nil {
		s.t.Fatal(err)
	}
	return string(salts[:])
}
