// Package inboxgate is here for builds of Caddy: with it,
//
//	xcaddy build --with github.com/inboxgate/inboxgate
//
// works as well as --with github.com/inboxgate/inboxgate/caddymodule, and
// xcaddy's own `--with <module>=.` finds the module in a checkout. It has no
// names of its own. Go programs import verify, dedupe or event instead.
package inboxgate

import _ "github.com/inboxgate/inboxgate/caddymodule" // Puts the modules into Caddy.
