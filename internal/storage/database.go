package storage

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/nearest"
	"github.com/inboxgate/inboxgate/internal/spool/postgres"
)

// Words of a database's configuration.
const (
	Postgres = "postgres" // The only engine that is configured; SQLite is the default.
	Local    = "local"
	Replica  = "replica"
)

// Config is a database as it is configured: see the fields of the same name in
// caddymodule's Database.
type Config struct {
	Engine, DSN, Durability string
	Batches                 int
	Name                    string
}

// Database is a database that is to hold the store, and what this process is there.
type Database struct {
	postgres.Target
	// DSN returns the address with the password, as it is at present: a file may have
	// changed. Its errors have no password in them.
	DSN        func() (string, error)
	Durability postgres.Durability
	Batches    int
	// Name is this process's among the members, and Version that of its program.
	Name, Version string
}

// maxName is how many bytes a member's name has at most: PostgreSQL cuts
// application_name, in which it is, after 63.
const maxName = 63 - len("inboxgate/")

var (
	// halfPlaceholder is what is left of {env.NAME} without one of its braces.
	halfPlaceholder = regexp.MustCompile(`^(env|file)\.|\{(env|file)\.[^}]*$`)
	// anyPlaceholder is what Caddy would fill in.
	anyPlaceholder = regexp.MustCompile(`\{[a-z]+\.[^{}]*\}`)
)

// Check refuses what is wrong whatever the placeholders lead to.
func (c Config) Check() error {
	if c.Engine != Postgres {
		return unknown("storage", c.Engine, "write storage "+Postgres+", or leave storage out, which keeps the store in data_dir", Postgres)
	}
	switch {
	case env.HoldsPassword(c.DSN):
		return fmt.Errorf("the database's password is written into the configuration, where `adapt`, logs and the admin API show it: write storage %s {env.%s} or {file./run/secrets/database_url}, or leave the address out for what %s or %s holds",
			Postgres, env.DatabaseURL, env.DatabaseURL, env.DatabaseURLFile)
	case halfPlaceholder.MatchString(c.DSN):
		return errors.New("a placeholder in the database's address lacks a brace: write it as {env.NAME} or {file./path}")
	case c.DSN != "" && !anyPlaceholder.MatchString(c.DSN):
		if _, err := postgres.ParseTarget(c.DSN); err != nil {
			return fmt.Errorf("the database's address: %w", err)
		}
	}
	if _, err := c.durability(); err != nil {
		return err
	}
	if c.Batches < 0 || c.Batches > 2 {
		return fmt.Errorf("batches is %d: write 1, or 2 where commits wait for a network", c.Batches)
	}
	if !anyPlaceholder.MatchString(c.Name) {
		return checkName(c.Name)
	}
	return nil
}

func (c Config) durability() (postgres.Durability, error) {
	switch c.Durability {
	case "", Local:
		return postgres.Local, nil
	case Replica:
		return postgres.Replica, nil
	}
	return 0, unknown("durability", c.Durability, "write "+Local+", or "+Replica+" for a database with a synchronous standby", Local, Replica)
}

// unknown returns the error of a word's value, with the one of known that was probably
// meant, or else with the fix.
func unknown(word, value, fix string, known ...string) error {
	if near := nearest.Word(value, known); near != "" {
		return fmt.Errorf("%s '%s' is unknown; did you mean '%s'?", word, value, near)
	}
	return fmt.Errorf("%s '%s' is unknown: %s", word, value, fix)
}

func checkName(name string) error {
	if len(name) > maxName {
		return fmt.Errorf("name has %d bytes: a member's name has at most %d", len(name), maxName)
	}
	for i := range len(name) {
		if name[i] <= ' ' || name[i] > '~' {
			return fmt.Errorf("name %q holds a space or a byte that is no ASCII: use letters, digits, `-` and `.`", name)
		}
	}
	return nil
}

// Resolve fills the placeholders in, and finds out where they lead. It connects to
// nothing. No error has the address or its password in it.
func (c Config) Resolve(replace func(string) (string, error), version string) (*Database, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	d := &Database{Batches: max(c.Batches, 1), Version: version}
	d.Durability, _ = c.durability() // Checked.
	read := env.ReadDatabaseURL
	if c.DSN != "" {
		read = func() (string, error) {
			dsn, err := replace(c.DSN)
			if err != nil {
				return "", fmt.Errorf("the database's address: %w: set what the placeholder names", err)
			}
			return strings.TrimSpace(dsn), nil
		}
	}
	dsn, err := read()
	if err != nil {
		return nil, err
	}
	if dsn == "" {
		return nil, fmt.Errorf("the database has no address: set %s to one such as postgres://inboxgate@db.example.com/inboxgate, or %s to a file that holds it", env.DatabaseURL, env.DatabaseURLFile)
	}
	if d.Target, err = postgres.ParseTarget(dsn); err != nil {
		return nil, fmt.Errorf("the database's address: %w", err)
	}
	d.DSN = func() (string, error) {
		dsn, err := read()
		if err != nil {
			return "", err
		}
		now, err := postgres.ParseTarget(dsn)
		if err != nil {
			return "", fmt.Errorf("the database's address has changed: %w", err)
		}
		if now.Key() != d.Key() {
			return "", fmt.Errorf("the database's address has changed from %s to %s, which is another store: reload the configuration, or set it back", d.Target, now)
		}
		return dsn, nil
	}
	if d.Name, err = c.name(replace); err != nil {
		return nil, err
	}
	return d, nil
}

// name returns the member's name: by default that of the machine.
func (c Config) name(replace func(string) (string, error)) (string, error) {
	if c.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			return "", fmt.Errorf("finding the machine's name: %w: give the storage a name", err)
		}
		return host[:min(len(host), maxName)], nil
	}
	name, err := replace(c.Name)
	if err != nil {
		return "", fmt.Errorf("name: %w: set what the placeholder names", err)
	}
	return name, checkName(name)
}
