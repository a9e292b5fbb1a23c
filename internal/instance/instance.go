// Package instance lets commands find an inboxgate that runs on the same
// machine. A process leaves a pointer, a small file in a well-known directory,
// that says where its operator's API is.
//
// Guarantee: a pointer of a process that has ended is not listed, and one is
// believed only in a directory that belongs to root or to the caller: what a
// stranger has written could lead an operator, and the admin token, to a
// stranger's socket.
//
// Limits: a process that may write to none of the directories leaves no pointer.
// One in a container is seen in that container only.
package instance

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Pointer says where one process is operated.
type Pointer struct {
	PID int `json:"pid"`
	// Admin is the address of the API: unix//path or host:port.
	Admin string `json:"admin"`
	// Probes is where plain HTTP answers /healthz, as host:port with an empty host for
	// every interface. Empty where nothing does.
	Probes string `json:"probes,omitempty"`
	// DataDir holds its store, absolute.
	DataDir string    `json:"data_dir"`
	Started time.Time `json:"started"`
}

const suffix = ".json"

// shared is the directory of a system service. The linker may set another (-X),
// so that a test meets no other process of its machine.
var shared = "/run/inboxgate"

// Directories are those that hold pointers, the best first.
func Directories() (dirs []string) {
	if own := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(own) {
		dirs = append(dirs, filepath.Join(own, "inboxgate"))
	}
	dirs = append(dirs, shared)
	return append(dirs, filepath.Join(os.TempDir(), "inboxgate-"+strconv.Itoa(os.Getuid())))
}

// Announce writes the pointer of this process into the first of the directories
// that it may write to. withdraw removes it.
func Announce(p Pointer, dirs []string) (withdraw func(), err error) {
	p.PID = os.Getpid()
	raw, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("writing pointer: %w", err)
	}
	var errs []error
	for _, dir := range dirs {
		path := filepath.Join(dir, strconv.Itoa(p.PID)+suffix)
		if err := write(dir, path, raw); err != nil {
			errs = append(errs, err)
			continue
		}
		return func() { _ = os.Remove(path) }, nil
	}
	return nil, fmt.Errorf("leaving a pointer for commands: %w", errors.Join(errs...))
}

// Withdraw removes the pointer of this process, if one is left in dirs.
func Withdraw(dirs []string) {
	for _, dir := range dirs {
		if trusted(dir) == nil {
			_ = os.Remove(filepath.Join(dir, strconv.Itoa(os.Getpid())+suffix))
		}
	}
}

// write writes the file of a pointer. Other users may read it, so that the error of
// their command can name the user as which to run it; the socket itself stays closed
// to them.
func write(dir, path string, raw []byte) error {
	switch err := os.Mkdir(dir, 0o755); {
	case err == nil:
		err = os.Chmod(dir, 0o755) // Whatever the umask is.
		if err != nil {
			return err
		}
	case !errors.Is(err, os.ErrExist):
		return err
	}
	if err := trusted(dir); err != nil {
		return err
	}
	for _, p := range list(dir) {
		if !alive(p.PID) {
			_ = os.Remove(filepath.Join(dir, strconv.Itoa(p.PID)+suffix))
		}
	}
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(append(raw, '\n'))
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// trusted refuses a directory where somebody else may write.
func trusted(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is no directory", dir)
	}
	// /run belongs to root, so a directory there was made for its owner.
	if given := filepath.Dir(dir) == "/run"; info.Mode()&0o022 != 0 || !given && !ours(info) {
		return fmt.Errorf("%s belongs to somebody else, or others may write to it", dir)
	}
	return nil
}

// Running lists the pointers of processes that live, the newest last.
func Running(dirs []string) (all []Pointer) {
	for _, dir := range dirs {
		if trusted(dir) != nil {
			continue
		}
		for _, p := range list(dir) {
			known := slices.ContainsFunc(all, func(o Pointer) bool { return o.PID == p.PID })
			if alive(p.PID) && p.Admin != "" && !known {
				all = append(all, p)
			}
		}
	}
	slices.SortFunc(all, func(a, b Pointer) int { return a.Started.Compare(b.Started) })
	return all
}

func list(dir string) (all []Pointer) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		pid, err := strconv.Atoi(name)
		if !ok || err != nil || pid <= 0 {
			continue
		}
		p := Pointer{}
		if raw, err := os.ReadFile(filepath.Join(dir, e.Name())); err == nil && len(raw) < 1<<16 {
			_ = json.Unmarshal(raw, &p) // What is broken has no address.
		}
		p.PID = pid
		all = append(all, p)
	}
	return all
}
