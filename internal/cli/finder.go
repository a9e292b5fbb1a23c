package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/instance"
)

// finder finds the instance that a command asks.
type finder struct {
	dirs      []string // that hold pointers of running instances
	dataDir   string   // where the store is unless the environment says otherwise
	byDefault string   // the address to ask where none is found

	// What find learned on the way, for the error of a command that none answers.
	tried  []string // the addresses where none answered, each with the reason
	denied []string // the sockets that this user may not open
}

// find returns the address of the one instance that the user can mean: the one that
// the environment names, by its address or its data directory, or the only one that
// runs here.
func (s *finder) find() (string, error) {
	if address := env.AdminAddress(); address != "" {
		return address, nil
	}
	dir, err := env.CanonicalDir(env.DataDirOr(s.dataDir))
	if err != nil {
		return "", err
	}
	socket, named := "unix/"+filepath.Join(dir, env.AdminSocket), os.Getenv(env.DataDir) != ""
	here := s.answers(socket)
	if here && named {
		return socket, nil
	}
	own := instance.Pointer{Admin: socket, DataDir: dir}
	var found []instance.Pointer
	for _, p := range instance.Running(s.dirs) {
		switch {
		case named && p.DataDir != dir:
		case p.Admin == socket:
			own = p
		case s.answers(p.Admin):
			found = append(found, p)
		}
	}
	if here {
		found = append([]instance.Pointer{own}, found...)
	}
	switch {
	case len(found) == 1:
		return found[0].Admin, nil
	case len(found) > 1:
		return "", severalRun(found, "admin", func(p instance.Pointer) string { return p.Admin })
	case len(s.denied) > 0:
		return "", unreachableError{notAllowed(s.denied[0])}
	}
	return s.byDefault, nil
}

// probes returns where the only instance that the user can mean answers probes, or ""
// where none is known to.
func (s *finder) probes() (string, error) {
	named := os.Getenv(env.DataDir) != ""
	dir, err := env.CanonicalDir(env.DataDirOr(s.dataDir))
	if named && err != nil {
		return "", nil //nolint:nilerr // Probes need no directory: the usual address is asked.
	}
	var found []instance.Pointer
	for _, p := range instance.Running(s.dirs) {
		if p.Probes == "" || named && p.DataDir != dir {
			continue
		}
		if at, err := probeAddress(p.Probes); err == nil && s.answers(at) {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 0:
		return "", nil
	case 1:
		return found[0].Probes, nil
	}
	return "", severalRun(found, "address", func(p instance.Pointer) string { return p.Probes })
}

// answers reports whether something listens at an address, and records why not.
func (s *finder) answers(address string) bool {
	network, at := "tcp", address
	if path, ok := strings.CutPrefix(address, "unix/"); ok {
		network, at = "unix", path
	}
	c, err := net.DialTimeout(network, at, 2*time.Second)
	if err == nil {
		_ = c.Close()
		return true
	}
	why := err
	if op, ok := errors.AsType[*net.OpError](err); ok {
		why = op.Err
	}
	if sys, ok := errors.AsType[*os.SyscallError](why); ok {
		why = sys.Err
	}
	if errors.Is(err, fs.ErrPermission) {
		s.denied = append(s.denied, at)
	}
	s.tried = append(s.tried, fmt.Sprintf("%s (%v)", at, why))
	return false
}

// severalRun returns the error of a user who has to choose one of several with the
// flag, whose value for an instance at returns.
func severalRun(found []instance.Pointer, flag string, at func(instance.Pointer) string) error {
	var b strings.Builder
	for _, p := range found {
		fmt.Fprintf(&b, "\n  --%s %s  (", flag, term.ShellWord(at(p)))
		if p.PID != 0 {
			fmt.Fprintf(&b, "process %d, ", p.PID)
		}
		fmt.Fprintf(&b, "store in %s)", p.DataDir)
	}
	return Usagef("%d inboxgates run here: say which one to ask:%s", len(found), b.String())
}

// notAllowed returns the error of a user who may not open the socket, with the name of
// the one who may.
func notAllowed(socket string) error {
	return fmt.Errorf("permission denied on %s: run it as %s", socket, allowed(ownerOf(socket)))
}

// allowed returns in words which users may open what belongs to owner.
func allowed(owner string) string {
	if owner == "root" || owner == "0" {
		return "root"
	}
	return "user " + owner + ", or as root"
}

// unreachable returns err with what to do if it says that no inboxgate answered.
func (s *finder) unreachable(err error) error {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "dial" {
		return err
	}
	if errors.Is(err, fs.ErrPermission) && op.Addr != nil && op.Addr.Network() == "unix" {
		return unreachableError{notAllowed(op.Addr.String())}
	}
	tried := ""
	if len(s.tried) > 0 {
		tried = " Tried before: " + strings.Join(s.tried, ", ") + "."
	}
	return unreachableError{fmt.Errorf("%w: is it running there?%s --admin or %s names another address, %s another data directory", err, tried, env.Admin, env.DataDir)}
}
