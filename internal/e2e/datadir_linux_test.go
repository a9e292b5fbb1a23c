package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/testapp"
)

// tmpfs mounts one with these options.
func tmpfs(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

const stranger = 65532 // The user of the image.

// A directory that cannot be used is named in one sentence, with what to do, and
// nothing has been started.
func TestUnusableDataDirectories(t *testing.T) {
	t.Parallel()
	proctest.Needs(t, "root")
	locked := t.TempDir()
	if err := os.Chmod(filepath.Dir(locked), 0o755); err != nil { //nolint:gosec // Another user must get there.
		t.Fatal(err)
	}
	readOnly := tmpfs(t, "mode=0700")
	if err := unix.Mount("", readOnly, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	full := tmpfs(t, "mode=0700,size=64k")
	if err := os.WriteFile(filepath.Join(full, ".ballast"), make([]byte, 64<<10), 0o600); err == nil {
		if err := os.WriteFile(filepath.Join(full, ".more"), make([]byte, 1), 0o600); err == nil {
			t.Fatal("the file system takes more than it has room for")
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		dir, want string
		user      uint32
	}{
		"not ours":           {locked, "cannot be made or written by user 65532: give it to that user with chown", stranger},
		"below not ours":     {filepath.Join(locked, "a", "b"), "cannot be made or written by user 65532", stranger},
		"read-only":          {readOnly, "is on a read-only file system", 0},
		"below read-only":    {filepath.Join(readOnly, "d"), "is on a read-only file system", 0},
		"no room":            {full, "has no room for another file", 0},
		"no inodes":          {tmpfs(t, "mode=0700,nr_inodes=1"), "has no room for another file", 0},
		"a file":             {file, "is a file: name a directory", 0},
		"below a file":       {filepath.Join(file, "d"), "is a file: choose another directory", 0},
		"the whole system's": {"/var/lib", "belongs to the whole system: use a directory of its own, such as /var/lib/inboxgate", 0},
	} {
		work := t.TempDir()
		cmd := command(t, work, []string{"INBOX_ADMIN=", "INBOX_WEBHOOK_SECRET=" + newSecret, "INBOX_UPSTREAM=app:3000", "INBOX_LISTEN=" + proctest.FreeAddress(t), "INBOX_DATA_DIR=" + c.dir})
		asUser(t, cmd.Path, work, c.user)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: c.user, Gid: c.user}}
		code, out := run(t, cmd)
		said := ""
		for line := range strings.Lines(out) {
			if strings.Contains(line, c.want) {
				said = line
			}
		}
		if code != 1 || !strings.HasPrefix(said, "  - INBOX_DATA_DIR: the data directory "+c.dir+" ") && !strings.Contains(said, " the data directory "+c.dir+" ") || strings.Contains(out, "admin.sock") {
			t.Errorf("%s: exit code %d:\n%s", name, code, out)
		}
	}
}

// asUser lets another user run the binary in dir.
func asUser(t *testing.T, bin, dir string, user uint32) {
	t.Helper()
	if user == 0 {
		return
	}
	for _, d := range []string{filepath.Dir(bin), filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil { //nolint:gosec // As above.
			t.Fatal(err)
		}
	}
	if err := os.Chown(dir, int(user), int(user)); err != nil {
		t.Fatal(err)
	}
}

// The root of a volume that its group may write, as fsGroup makes it, is taken as
// it is.
func TestDataDirectoryOfAGroup(t *testing.T) {
	t.Parallel()
	proctest.Needs(t, "root")
	app := testapp.New(t, nil)
	listen, work, data := proctest.FreeAddress(t), t.TempDir(), t.TempDir()
	if err := os.Chown(data, 0, stranger); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(data, 0o770|os.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(data), 0o755); err != nil { //nolint:gosec // As above.
		t.Fatal(err)
	}
	cmd := command(t, work, []string{"INBOX_ADMIN=", "INBOX_WEBHOOK_SECRET=" + newSecret, "INBOX_UPSTREAM=" + app.Addr, "INBOX_LISTEN=" + listen, "INBOX_DATA_DIR=" + data})
	asUser(t, cmd.Path, work, stranger)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: stranger, Gid: stranger}}
	p := proctest.Start(t, cmd)
	p.Await(t, started, 1)
	wantPost(t, "http://"+listen+"/webhooks/inbox", sample(t), newSecret, http.StatusOK, "accepted")
	app.Next(t)
	if code := p.Stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, name := range []string{"spool.db", "lock"} {
		if info, err := os.Stat(filepath.Join(data, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

// Whatever the umask that a process is given, what the built-in configuration makes
// is for its owner alone from the first moment on.
func TestNothingIsMadeForOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := command(t, dir, []string{"INBOX_ADMIN=", "INBOX_WEBHOOK_SECRET=" + newSecret, "INBOX_UPSTREAM=app:3000", "INBOX_LISTEN=" + proctest.FreeAddress(t), "INBOX_DATA_DIR=" + filepath.Join(dir, "d")})
	cmd.Args = append([]string{"sh", "-c", `umask 000 && exec "$0"`, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	p := proctest.Start(t, cmd)
	p.Await(t, started, 1)
	status, err := os.ReadFile("/proc/" + strconv.Itoa(p.PID()) + "/status")
	if err != nil || !strings.Contains(string(status), "Umask:\t0077\n") {
		t.Errorf("its umask is not 0077: %v", err)
	}
	if code := p.Stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
