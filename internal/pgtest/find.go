//go:build linux

package pgtest

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// installed is where Debian and Ubuntu put each version.
const installed = "/usr/lib/postgresql"

// A tool runs the programs of one PostgreSQL, as a user that it accepts.
type tool struct {
	// bin is the directory of initdb and postgres.
	bin string
	// as is who runs them. Nil: whoever this process runs as.
	as *syscall.Credential
}

// find returns the newest PostgreSQL of this machine, or an error whose text says what
// is missing.
func find() (tool, error) {
	bin, err := newest(installed)
	if err != nil {
		initdb, lookErr := exec.LookPath("initdb")
		if lookErr != nil {
			return tool{}, errors.New("PostgreSQL, neither in " + installed + " nor in PATH (Debian: apt-get install postgresql)")
		}
		bin = filepath.Dir(initdb)
	}
	if os.Geteuid() != 0 {
		return tool{bin: bin}, nil
	}
	as, err := account("postgres")
	if err != nil {
		return tool{}, fmt.Errorf("the user postgres, since PostgreSQL does not run as root: %w", err)
	}
	return tool{bin: bin, as: as}, nil
}

// newest returns the directory of programs with the highest version below dir.
func newest(dir string) (string, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*", "bin", "initdb"))
	if err != nil {
		return "", fmt.Errorf("looking for PostgreSQL: %w", err)
	}
	version := func(initdb string) float64 {
		v, _ := strconv.ParseFloat(filepath.Base(filepath.Dir(filepath.Dir(initdb))), 64)
		return v // 0 for what is no version.
	}
	if len(found) == 0 {
		return "", os.ErrNotExist
	}
	best := slices.MaxFunc(found, func(a, b string) int { return cmp.Compare(version(a), version(b)) })
	return filepath.Dir(best), nil
}

// account returns what makes a process run as the named user.
func account(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("reading the number of %s: %w", name, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("reading the group of %s: %w", name, err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// command makes a program of PostgreSQL, or any other, ready to run as the tool's user.
func (t tool) command(name string, args ...string) *exec.Cmd {
	if !filepath.IsAbs(name) {
		if in := filepath.Join(t.bin, name); exists(in) {
			name = in
		}
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = "/" // The user may not enter the directory of the test.
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: t.as, Setpgid: true}
	return cmd
}

// commandIn is command in a network namespace, if one is named. Only root may enter it, so
// that the user changes behind that.
func (t tool) commandIn(namespace, name string, args ...string) *exec.Cmd {
	cmd := t.command(name, args...)
	if namespace == "" {
		return cmd
	}
	enter := []string{"--net=" + namespace}
	if t.as != nil {
		enter = append(enter, "-S", fmt.Sprint(t.as.Uid), "-G", fmt.Sprint(t.as.Gid))
	}
	in := t.command("nsenter", append(append(enter, "--", cmd.Path), args...)...)
	in.SysProcAttr.Credential = nil
	return in
}

// run runs a program to its end.
func (t tool) run(name string, args ...string) error {
	if out, err := t.command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("running %s: %w\n%s", name, err, out)
	}
	return nil
}

// mkdir makes a directory that belongs to the tool's user alone.
func (t tool) mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return t.own(dir)
}

// write writes a file that belongs to the tool's user.
func (t tool) write(file, text string) error {
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	return t.own(file)
}

func (t tool) own(path string) error {
	if t.as == nil {
		return nil
	}
	return os.Chown(path, int(t.as.Uid), int(t.as.Gid))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
