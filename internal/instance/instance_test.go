package instance

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

func TestAnnounced(t *testing.T) {
	t.Parallel()
	closed := filepath.Join(t.TempDir(), "missing", "inboxgate")
	dir := filepath.Join(t.TempDir(), "inboxgate")
	want := Pointer{Admin: "unix//data/admin.sock", DataDir: "/data", Started: time.Now().UTC().Round(time.Second)}
	withdraw, err := Announce(want, []string{closed, dir})
	if err != nil {
		t.Fatal(err)
	}
	want.PID = os.Getpid()
	got := Running([]string{closed, dir, dir})
	if len(got) != 1 || got[0] != want {
		t.Errorf("running: %+v, want %+v", got, want)
	}
	if info, err := os.Stat(filepath.Join(dir, strconv.Itoa(want.PID)+suffix)); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the pointer: %v, %v; others must be able to read it", info, err)
	}
	withdraw()
	if got := Running([]string{dir}); len(got) != 0 {
		t.Errorf("withdrawn, and listed: %+v", got)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A process that was killed leaves its pointer: it is passed over, and the next
// process removes it.
func TestStalePointers(t *testing.T) {
	t.Parallel()
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(dir, strconv.Itoa(ended.Process.Pid)+suffix)
	for name, text := range map[string]string{
		stale: `{"admin":"unix//gone.sock"}`, filepath.Join(dir, "note.txt"): "hello",
		filepath.Join(dir, "1"+suffix): "broken", filepath.Join(dir, "-1"+suffix): `{"admin":"x"}`,
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := Running([]string{dir}); len(got) != 0 {
		t.Errorf("listed: %+v", got)
	}
	withdraw, err := Announce(Pointer{Admin: "unix//here.sock"}, []string{dir})
	if err != nil {
		t.Fatal(err)
	}
	defer withdraw()
	if _, err := os.Stat(stale); !os.IsNotExist(err) {
		t.Errorf("the pointer of a process that has ended is still there: %v", err)
	}
}

// A directory that others may write to could lead an operator to a stranger's
// socket.
func TestPointersOfStrangers(t *testing.T) {
	t.Parallel()
	open := t.TempDir()
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(open, strconv.Itoa(os.Getpid())+suffix), []byte(`{"admin":"unix//evil.sock"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "inboxgate")
	if err := os.Symlink(open, link); err != nil {
		t.Fatal(err)
	}
	if got := Running([]string{open, link}); len(got) != 0 {
		t.Errorf("believed: %+v", got)
	}
	if _, err := Announce(Pointer{Admin: "unix//x.sock"}, []string{open, link}); err == nil {
		t.Error("a pointer was left where others may write")
	}
}
