package env

import (
	"fmt"
	"os"
	"path/filepath"
)

// AdminSocket is the name of the sidecar's admin socket in its data directory.
const AdminSocket = "admin.sock"

// DefaultDataDir returns where the store is unless something else is configured: in
// Caddy's data directory, which the caller knows.
func DefaultDataDir(caddy string) string { return filepath.Join(caddy, "inbox") }

// DataDirOr returns the data directory that the environment names, or else the
// default.
func DataDirOr(byDefault string) string {
	if dir := os.Getenv(DataDir); dir != "" {
		return dir
	}
	return byDefault
}

// CanonicalDir returns the one name of a directory, whatever links lead to it and
// whether or not it exists yet.
func CanonicalDir(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("finding %s: %w", dir, err)
	}
	rest := ""
	for p := abs; ; p = filepath.Dir(p) {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			return filepath.Join(real, rest), nil
		}
		if p == filepath.Dir(p) {
			return abs, nil
		}
		rest = filepath.Join(filepath.Base(p), rest)
	}
}
