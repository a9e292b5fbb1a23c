package caddymodule

import (
	"runtime/debug"

	"github.com/caddyserver/caddy/v2"

	"github.com/inboxgate/inboxgate/internal/cli"
)

// version returns inboxgate's version, and the revision of its source if the build
// kept it.
func version() string {
	info, _ := debug.ReadBuildInfo()
	return cli.VersionOf(info, caddy.CustomVersion)
}

// versions returns a line for inboxgate and one for the Caddy that it runs in.
func versions() string {
	_, full := caddy.Version()
	return "inboxgate " + version() + "\ncaddy " + full
}
