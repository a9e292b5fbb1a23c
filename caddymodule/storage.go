package caddymodule

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/caddyserver/caddy/v2"

	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/storage"
)

// storages holds what outlives a configuration: one storage a place. Keyed by where
// it is and not by settings, because a reload that changes a setting must meet the
// open store and not its lock.
var storages = caddy.NewUsagePool()

// openStorage takes a reference to the storage of the app, opening it if needed, and
// waits for a database until ctx ends. Each success must be paired with one
// closeStorage.
func (a *App) openStorage(ctx context.Context) (*storage.Storage, error) {
	v, _, err := storages.LoadOrNew(a.place.Key(), func() (caddy.Destructor, error) {
		a.place.WarnLeft(ctx, a.log)
		return storage.Open(ctx, a.place, a.settings(), a.log)
	})
	if err != nil {
		return nil, fmt.Errorf("opening the store in %s: %w", a.place, err)
	}
	st := v.(*storage.Storage)
	if _, shared := st.Store.(spool.Shared); shared {
		a.audit = a.audit.With("member", a.place.Database.Name)
	}
	return st, nil
}

func closeStorage(p storage.Place) error {
	_, err := storages.Delete(p.Key())
	return err
}

// provisionDatabase finds out where the database is, without connecting to it.
func (a *App) provisionDatabase() (err error) {
	if a.Database == nil {
		if os.Getenv(env.DatabaseURL)+os.Getenv(env.DatabaseURLFile) != "" {
			a.log.Warn("the environment names a database, and the configuration does not use it: write `storage postgres` into the global option "+appID, "store", a.place.Dir)
		}
		return nil
	}
	replacer := caddy.NewReplacer()
	fill := func(text string) (string, error) { return replacer.ReplaceOrErr(text, true, true) }
	if a.place.Database, err = storage.Config(*a.Database).Resolve(fill, version()); err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	if why := a.place.Database.Insecure(); why != "" {
		a.log.Warn("the way to the database is not safe", "database", a.place.String(), "why", why)
	}
	return nil
}

// storageUser is an app as the storage knows it.
type storageUser struct{ *App }

// Settings implements storage.User.
func (u storageUser) Settings() spool.Settings { return u.settings() }

// Place implements storage.User.
func (u storageUser) Place() storage.Place { return u.place }

// Log implements storage.User.
func (u storageUser) Log() *slog.Logger { return u.log }

// Expired implements storage.User.
func (u storageUser) Expired(d spool.Delivery, reason string) { u.observer.Expired(d, reason) }
