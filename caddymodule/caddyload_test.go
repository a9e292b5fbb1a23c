package caddymodule_test

import "github.com/inboxgate/inboxgate/caddymodule"

// caddyLoad is held by each test that runs Caddy in this process: there is one
// configuration at a time.
var caddyLoad = &caddymodule.CaddyState
