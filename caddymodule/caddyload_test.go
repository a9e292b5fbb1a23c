package caddymodule_test

import (
	"github.com/caddyserver/caddy/v2"

	"github.com/inboxgate/inboxgate/caddymodule"
)

// caddyLoad is held by each test that runs Caddy in this process: there is one
// configuration at a time.
var caddyLoad = &caddymodule.CaddyState

func loadRaw(config string) error { return caddy.Load([]byte(config), true) }
