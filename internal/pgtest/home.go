//go:build linux

package pgtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A home is what this process has of PostgreSQL: a directory with a short path, since a
// Unix socket's has at most 107 bytes, and in it the template that clusters are copies of.
type home struct {
	tool
	dir string
	// made counts the directories and databases, for their names.
	made atomic.Int64
}

// ours is made once, at the first use.
var ours = sync.OnceValues(newHome)

// caretaker ends and removes what is left in the home once its standard input ends, which
// is when this process has ended, however it did. A postmaster told to quit takes its own
// children with it, a stopped one after five seconds.
const caretaker = `
cat
for f in "$0"/*/data/postmaster.pid "$0"/*/bouncer.pid; do
	[ -f "$f" ] && read -r pid < "$f" && kill -QUIT "$pid"
done
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	ls "$0"/*/data/postmaster.pid || break
	sleep 0.5
done
rm -rf "$0"
`

func newHome() (*home, error) {
	tool, err := find()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(memory(), "ig-pg-")
	if err != nil {
		return nil, fmt.Errorf("making a directory for PostgreSQL: %w", err)
	}
	h := &home{tool: tool, dir: dir}
	if err := h.watch(); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // The other user passes through.
		return nil, fmt.Errorf("opening the directory for PostgreSQL: %w", err)
	}
	template := filepath.Join(dir, "template")
	if err := h.mkdir(template); err != nil {
		return nil, fmt.Errorf("making the template: %w", err)
	}
	// Small segments keep a copy small. Nothing in memory gains by a sync.
	err = h.run("initdb", "-A", "trust", "-N", "-U", user0, "-E", "UTF8", "--locale=C", "--wal-segsize=1", "-D", template)
	if err != nil {
		return nil, fmt.Errorf("making the template: %w", err)
	}
	return h, nil
}

// memory is a directory whose files lie in memory where the machine has one.
func memory() string {
	const shm = "/dev/shm"
	if probe, err := os.MkdirTemp(shm, "ig-pg-probe-"); err == nil {
		_ = os.Remove(probe)
		return shm
	}
	return "/tmp" // Not os.TempDir, whose path may be long.
}

// watch starts the caretaker. Nobody waits for it: it ends after this process.
func (h *home) watch() error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("making a pipe: %w", err)
	}
	defer r.Close()
	cmd := h.command("/bin/sh", "-c", caretaker, h.dir)
	cmd.SysProcAttr.Credential = nil // It removes what belongs to this user too.
	cmd.Stdin = r
	if err := cmd.Start(); err != nil {
		_ = w.Close()
		return fmt.Errorf("starting what removes %s: %w", h.dir, err)
	}
	// The descriptor stays open as long as this process: a duplicate, since the
	// collector of garbage closes a file that nobody refers to.
	defer w.Close()
	if _, err := unix.FcntlInt(w.Fd(), unix.F_DUPFD_CLOEXEC, 0); err != nil {
		return fmt.Errorf("keeping a pipe: %w", err)
	}
	return nil
}

// next returns a name that this process has not used.
func (h *home) next(prefix string) string {
	return prefix + strconv.FormatInt(h.made.Add(1), 10)
}
