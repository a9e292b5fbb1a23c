// Command inboxgate is Caddy with inboxgate's modules. With no arguments and
// nothing but environment variables it takes the webhooks of the Inbox platform
// and brings each event to the app beside it; a Caddyfile in /etc/caddy
// replaces the built-in one. Every command of Caddy works as it does there.
//
// Guarantee: a wrong environment never starts half. Every mistake is told at
// once, and nothing has been opened, bound or written by then.
//
// Limits: the environment describes one webhook. What it cannot say (several
// sources, own handlers, `pass`) is said in a Caddyfile.
package main

import (
	"os"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	_ "time/tzdata" // An image without a zone database has one here.

	_ "github.com/inboxgate/inboxgate/caddymodule"
)

func main() {
	caddy.CustomBinaryName = "inboxgate"
	caddy.CustomLongDescription = description()
	suggest(os.Stdout, os.Args)
	os.Args = arguments(os.Args)
	refuseUnknownCommand(os.Args)
	refuseWrongEnvironment(os.Args)
	caddycmd.Main()
}
