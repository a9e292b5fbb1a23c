package caddymodule_test

import "sync"

// caddyLoad is held by each test that runs Caddy in this process: there is one
// configuration at a time.
var caddyLoad sync.Mutex
