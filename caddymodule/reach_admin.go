package caddymodule

import (
	"os"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
)

// EnvAdmin holds the address of the operator's API: unix//path, host:port, or
// off.
const EnvAdmin = "INBOX_ADMIN"

// AdminSocket is the name of the sidecar's admin socket in its data directory.
const AdminSocket = "admin.sock"

// DefaultDataDir is where the store is unless `data_dir` says otherwise.
func DefaultDataDir() string { return filepath.Join(caddy.AppDataDir(), appID) }

// adminAddress is where commands look for a running instance: where EnvAdmin
// says, at the socket in the data directory, or where Caddy listens by default.
func adminAddress() string {
	if address := os.Getenv(EnvAdmin); address != "" && address != "off" {
		return address
	}
	socket := filepath.Join(dataDir(), AdminSocket)
	if _, err := os.Stat(socket); err == nil {
		return "unix/" + socket
	}
	return caddy.DefaultAdminListen
}
