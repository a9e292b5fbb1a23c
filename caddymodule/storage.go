package caddymodule

import (
	"fmt"
	"log/slog"

	"github.com/caddyserver/caddy/v2"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/storage"
)

// storages holds what outlives a configuration: one storage a data directory.
// Keyed by path and not by settings, because a reload that changes a setting
// must meet the open store and not its lock.
var storages = caddy.NewUsagePool()

// openStorage takes a reference to the storage of dir, opening it if needed.
// Each success must be paired with one closeStorage.
func openStorage(dir string, settings spool.Settings, log *slog.Logger) (*storage.Storage, error) {
	v, _, err := storages.LoadOrNew(dir, func() (caddy.Destructor, error) { return storage.Open(dir, settings, log) })
	if err != nil {
		return nil, fmt.Errorf("opening the store in %s: %w", dir, err)
	}
	return v.(*storage.Storage), nil
}

func closeStorage(dir string) error {
	_, err := storages.Delete(dir)
	return err
}

// storageUser is an app as the storage knows it.
type storageUser struct{ *App }

// Settings implements storage.User.
func (u storageUser) Settings() spool.Settings { return u.settings() }

// Log implements storage.User.
func (u storageUser) Log() *slog.Logger { return u.log }

// Expired implements storage.User.
func (u storageUser) Expired(d spool.Delivery, reason string) { u.observer.expired(d, reason) }
