package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/inboxgate/inboxgate/internal/address"
	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/spool/sqlite"
)

// off turns a listener off.
const off = "off"

// ops turns INBOX_OPS_LISTEN into the site of probes and metrics.
func (s *settings) ops(value string) error {
	if value == off {
		s.Ops, s.OpsBind = "", ""
		return nil
	}
	host, port, err := splitAddress(value, "9180")
	if err != nil {
		return err
	}
	if port == "" || !onMachine(host) {
		return fmt.Errorf("'%s' is no address of this machine with a port: write it as :9180 or 127.0.0.1:9180", value)
	}
	s.Ops, s.OpsBind = "http://:"+port, host
	return nil
}

// admin turns INBOX_ADMIN into the address of the operator's API. Caddy's own
// admin API, which asks for no token, is beside it only where no other machine
// gets to; else it stays on the socket in the data directory.
func (s *settings) admin(value string) error {
	if value == off {
		s.Admin = off
		return nil
	}
	if path, ok := strings.CutPrefix(value, "unix/"); ok {
		if !filepath.IsAbs(path) {
			return fmt.Errorf("'%s' has no absolute path: write it as unix//run/inboxgate.sock", value)
		}
		if !strings.Contains(path, "|") {
			value += "|0600"
		}
		s.Admin = value
		return nil
	}
	if what, write := address.Fix(value, "2019"); strings.HasPrefix(write, "unix/") {
		return fmt.Errorf("'%s' %s: write it as %s", value, what, write)
	}
	if scheme, rest, ok := strings.Cut(value, "://"); ok {
		return fmt.Errorf("'%s' has the scheme %s: leave it out, as in %s", value, scheme, rest)
	}
	host, port, err := splitAddress(value, "2019")
	if err != nil {
		return err
	}
	if port == "" || !onMachine(host) {
		return fmt.Errorf("'%s' is no address of this machine with a port: write it as unix//run/inboxgate.sock, 127.0.0.1:2019 or off", value)
	}
	if !env.Loopback(host) {
		s.Operator, s.OperatorBind = "http://:"+port, host
		return nil
	}
	s.Admin = value
	return nil
}

// socketPath is the file of the admin socket, empty where there is none.
func (s *settings) socketPath() string {
	path, ok := strings.CutPrefix(s.Admin, "unix/")
	if !ok {
		return ""
	}
	path, _, _ = strings.Cut(path, "|")
	return path
}

// maxSocket is what every Unix allows the path of a socket.
const maxSocket = 103

// makeRoom makes the directory of the admin socket, which Caddy binds before
// anything else makes one. It refuses where another process answers there:
// Caddy would take the socket's name from it before the store's lock is met.
func (s *settings) makeRoom() error {
	path := s.socketPath()
	if path == "" {
		return nil // The store tells the same of its directory.
	}
	if _, mode, _ := strings.Cut(s.Admin, "|"); strings.Contains(mode, "|") || strings.Contains(mode, "/") {
		return fmt.Errorf("%s holds a bar, which ends the path of the admin socket there: choose another %s, or set %s", filepath.Dir(path), env.DataDir, env.Admin)
	}
	if len(path) > maxSocket {
		return fmt.Errorf("the admin socket %s has a path of %d bytes, and %d are allowed: set %s to a shorter one such as unix//run/inboxgate.sock, or to off",
			path, len(path), maxSocket, env.Admin)
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = c.Close()
		return fmt.Errorf("another inboxgate answers at %s: stop it, or give this one an %s of its own", path, env.DataDir)
	}
	if err := prepareDataDir(s.dataDir()); err != nil {
		return fmt.Errorf("%s: %w", env.DataDir, err)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the directory of the admin socket: %w: set %s to a socket elsewhere, or to off", err, env.Admin)
	}
	f, err := os.CreateTemp(dir, ".try-*")
	if err != nil {
		return fmt.Errorf("no admin socket can be made in %s: %w: make room there, or set %s to a socket elsewhere, or to off", dir, err, env.Admin)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// prepareDataDir makes the directory of a store, or returns in one sentence why it
// can be none and what to do.
func prepareDataDir(dir string) error {
	dir, err := env.CanonicalDir(dir)
	if err != nil {
		return err
	}
	return sqlite.PrepareDir(dir)
}

// defaultAdmin is the socket in the data directory, which only its owner may
// enter.
func (s *settings) defaultAdmin() string {
	return "unix/" + filepath.Join(s.dataDir(), env.AdminSocket) + "|0600"
}

// dataDir is where the store is.
func (s *settings) dataDir() string {
	for _, o := range s.App {
		if o.Word == "data_dir" {
			return o.Value
		}
	}
	return env.DefaultDataDir(caddy.AppDataDir())
}
