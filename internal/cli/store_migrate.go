package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/spool/postgres"
)

func (t *tree) storeMigrate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Makes or changes the tables of a store in a database",
		Long: `
Needed only where inboxgate itself may not: a role that owns the schema runs this
before a new version starts. It asks the database and no inboxgate; those that run
go on. Run again, it changes nothing.

The database is that of ` + env.DatabaseURL + `, or of the file that
` + env.DatabaseURLFile + ` names. With --to it is another, whose password is
in the file that PGPASSFILE names, or in PGPASSWORD.`,
		Example: `  ` + t.Program + ` store migrate
  ` + t.Program + ` store migrate --to postgres://inboxgate_owner@db.example.com/inboxgate`,
		Args: NoArgs,
		RunE: t.runStoreMigrate,
	}
	cmd.Flags().String("to", "", "the database, as a URL without a password")
	return cmd
}

// migrateWithin bounds a migration, with the wait for the database.
const migrateWithin = 10 * time.Minute

func (t *tree) runStoreMigrate(cmd *cobra.Command, _ []string) error {
	o, err := t.newOutput(cmd)
	if err != nil {
		return err
	}
	dsn, err := databaseOf(cmd)
	if err != nil {
		return err
	}
	target, err := postgres.ParseTarget(dsn)
	if err != nil {
		return usageError{err}
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, migrateWithin)
	defer cancel()
	from, to, err := postgres.Migrate(ctx, dsn, postgres.Options{})
	if err != nil {
		return err
	}
	if o.json != nil {
		return o.encode(struct {
			Database string `json:"database"`
			From     int    `json:"from"`
			To       int    `json:"to"`
		}{target.String(), from, to})
	}
	switch from {
	case to:
		return o.say("The tables in %s have schema %d already.", target, to)
	case 0:
		return o.say("The tables were made in %s, with schema %d.", target, to)
	}
	return o.say("The tables in %s have schema %d now, and had %d.", target, to, from)
}

// databaseOf returns the address of the database that --to or the environment names.
func databaseOf(cmd *cobra.Command) (string, error) {
	dsn, err := wordOf(cmd, "to")
	if err != nil {
		return "", err
	}
	if dsn != "" {
		if env.HoldsPassword(dsn) {
			return "", usage("--to has a password in it, which the list of processes shows to everybody on the machine: leave it out, and put it into PGPASSWORD or the file that PGPASSFILE names, or use " + env.DatabaseURL)
		}
		return dsn, nil
	}
	if dsn, err = env.ReadDatabaseURL(); err != nil {
		if _, twice := errors.AsType[env.BothSetError](err); twice {
			return "", usageError{err}
		}
		return "", err
	}
	if dsn == "" {
		return "", usage(fmt.Sprintf("no database is named: set %s, or %s to a file that holds it, or give --to postgres://user@host/database", env.DatabaseURL, env.DatabaseURLFile))
	}
	return dsn, nil
}
