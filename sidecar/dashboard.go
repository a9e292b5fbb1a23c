package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/nearest"
)

// defaultDashboard is the address that messages recommend for the dashboard.
const defaultDashboard = "127.0.0.1:9181"

// pages are where the operator's pages are, and for whom.
type pages struct {
	Site string // Of the pages; empty for none.
	Bind string // The interface or socket that it listens on; all when empty.
	// Near reports whether only this machine reaches them.
	Near bool
	// User may open them with the password whose hash Caddy finds at Hash, a placeholder.
	// Without a user, this machine may.
	User, Hash, Algorithm string
	rights                []string // As they were given; empty for the default.
}

// Kinds of hashes that `inboxgate hash-password` makes.
var (
	bcryptHash   = regexp.MustCompile(`^\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}$`)
	argon2idHash = regexp.MustCompile(`^\$argon2id\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+$`)
)

const (
	mayRead    = "read"
	mayOperate = "operate"
	mayReveal  = "reveal"
)

// Actions returns what may be done with the pages. Without other words, this machine may
// do what it may with the commands, and others may look.
func (p pages) Actions() string {
	if p.has(mayOperate) || len(p.rights) == 0 && p.Near {
		return mayOperate
	}
	return mayRead
}

// Reveal reports whether phone numbers may be shown.
func (p pages) Reveal() bool { return p.has(mayReveal) || len(p.rights) == 0 && p.Near }

func (p pages) has(right string) bool { return slices.Contains(p.rights, right) }

// Unix reports whether the pages are on a Unix socket.
func (p pages) Unix() bool { return strings.HasPrefix(p.Bind, "unix/") }

// dashboard turns INBOX_DASHBOARD into the site of the operator's pages.
func (s *settings) dashboard(value string) error {
	p := &s.Dashboard
	if value == off {
		p.Site = ""
		return nil
	}
	if path, ok := strings.CutPrefix(value, "unix/"); ok {
		if !filepath.IsAbs(path) {
			return fmt.Errorf("'%s' has no absolute path: write it as unix//run/inboxgate-dashboard.sock", value)
		}
		if !strings.Contains(path, "|") {
			value += "|0600"
		}
		_, port, _ := net.SplitHostPort(defaultDashboard)
		p.Site, p.Bind, p.Near = "http://:"+port, value, true
		return nil
	}
	if scheme, rest, ok := strings.Cut(value, "://"); ok {
		return fmt.Errorf("'%s' has the scheme %s: leave it out, as in %s; for HTTPS mount a Caddyfile with inbox_dashboard", value, scheme, rest)
	}
	host, port, err := splitAddress(value, "9181")
	if err != nil {
		return err
	}
	if port == "" || !onMachine(host) {
		return fmt.Errorf("'%s' is no address of this machine with a port: write it as %s, or mount a Caddyfile with inbox_dashboard", value, defaultDashboard)
	}
	p.Site, p.Bind, p.Near = "http://:"+port, host, env.Loopback(host)
	return nil
}

func (s *settings) dashboardUser(value string) error {
	if strings.ContainsAny(value, ": ") {
		return errors.New("it holds a colon or a space, which the name of a user cannot: choose another")
	}
	s.Dashboard.User = value
	return nil
}

// errNoHash is the error of a value that is no hash. It does not show the value, which may
// be a password.
var errNoHash = errors.New("it is no hash of a password: set it to the output of `inboxgate hash-password`, and not to the password; in a compose file write each $ of it as $$")

// dashboardHash has Caddy read the hash from the environment itself: the configuration
// does not show it.
func dashboardHash(s *settings, value string) error {
	return s.passwordHash(value, "{env."+env.DashboardPasswordHash+"}")
}

func dashboardHashFile(s *settings, path string) error {
	if err := checkPlain(path); err != nil {
		return err
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%w: set it to the path of a file that inboxgate may read", err)
	}
	// Caddy takes off one end of a line and nothing else.
	text := strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r")
	if strings.TrimSpace(text) != text {
		return fmt.Errorf("%s holds more than one line, or spaces around the hash: leave only the output of `inboxgate hash-password`", path)
	}
	return s.passwordHash(text, "{file."+path+"}")
}

func (s *settings) passwordHash(hash, from string) error {
	switch {
	case bcryptHash.MatchString(hash):
		s.Dashboard.Algorithm = "bcrypt"
	case argon2idHash.MatchString(hash):
		s.Dashboard.Algorithm = "argon2id"
	default:
		return errNoHash
	}
	s.Dashboard.Hash = from
	return nil
}

func dashboardActions(s *settings, value string) error {
	words, err := list(value)
	if err != nil {
		return err
	}
	known := []string{mayRead, mayOperate, mayReveal}
	for _, w := range words {
		if !slices.Contains(known, w) {
			if near := nearest.Word(w, known); near != "" {
				return fmt.Errorf("unknown word '%s'; did you mean '%s'?", w, near)
			}
			return fmt.Errorf("unknown word '%s': write read, operate, or operate,reveal", w)
		}
	}
	s.Dashboard.rights = words
	switch {
	case s.Dashboard.has(mayReveal) && !s.Dashboard.has(mayOperate):
		return errors.New("reveal is for users who may operate: write operate,reveal")
	case s.Dashboard.has(mayRead) && s.Dashboard.has(mayOperate):
		return errors.New("read means to look only: write either read or operate")
	}
	return nil
}

// checkDashboard returns what is wrong with the variables of the dashboard together.
// values has those that are set, and raw the hash as it is written.
func (s settings) checkDashboard(values map[string]string, raw string) (errs []error) {
	p := s.Dashboard
	for name, site := range map[string]string{env.Listen: s.Site, env.OpsListen: s.Ops, env.Admin: s.Operator} {
		if p.Site != "" && p.Site == site {
			errs = append(errs, fmt.Errorf("%s: its port is that of %s too: choose another, for example %s", env.Dashboard, name, defaultDashboard))
		}
	}
	hash := values[env.DashboardPasswordHash] + values[env.DashboardPasswordHashFile]
	switch user := values[env.DashboardUser]; {
	case p.Site == "" && (values[env.Dashboard] == "" || values[env.Dashboard] == off):
		for _, name := range []string{env.DashboardUser, env.DashboardPasswordHash, env.DashboardPasswordHashFile, env.DashboardActions} {
			if values[name] != "" {
				errs = append(errs, fmt.Errorf("%s: it is for the dashboard, which is off: set %s to, for example, %s, or unset it", name, env.Dashboard, defaultDashboard))
			}
		}
	case values[env.DashboardPasswordHash] != "" && values[env.DashboardPasswordHashFile] != "":
		errs = append(errs, env.BothSetError{Value: env.DashboardPasswordHash, File: env.DashboardPasswordHashFile})
	case user != "" && hash == "":
		errs = append(errs, fmt.Errorf("%s: the user has no password: set %s to the output of `inboxgate hash-password`", env.DashboardUser, env.DashboardPasswordHash))
	case user == "" && hash != "":
		errs = append(errs, fmt.Errorf("%s: the password belongs to nobody: set %s to a name, for example operator", env.DashboardPasswordHash, env.DashboardUser))
	case p.Site != "" && !p.Near && user == "":
		errs = append(errs, fmt.Errorf("%s: other machines reach '%s', and nobody is asked who they are: set %s to a name and %s to the output of `inboxgate hash-password`, or choose %s or a socket",
			env.Dashboard, values[env.Dashboard], env.DashboardUser, env.DashboardPasswordHash, defaultDashboard))
	}
	if strings.TrimSpace(raw) != raw {
		errs = append(errs, fmt.Errorf("%s: spaces are around the hash: remove them", env.DashboardPasswordHash))
	}
	return errs
}
