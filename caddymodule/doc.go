// Package caddymodule puts inboxgate into Caddy: the app "inbox", which owns
// the store and the dispatcher, and the handler "inbox_webhook", which takes
// the events of the Inbox platform.
//
// Where to read: handler.go and accept.go have the way of an event in (pass.go where
// nothing is stored), upstream*.go its way to an app, app*.go and storage.go the lives,
// source*.go what belongs to one webhook. caddyfile*.go parse; reach*.go and guard.go
// find webhooks that the platform would not reach; metrics.go and
// emitter.go report; admin.go, operator.go, dashboard.go and health.go serve the operator. What needs
// no Caddy is in packages of its own below internal.
//
// Lives: the store is shared by all configurations of the process that name its
// directory (storage.go); the dispatcher belongs to one configuration (app.go); the
// handler only asks. A handler of a replaced configuration goes on accepting until its
// last request is answered.
//
// Limits: one process a data directory. Two nodes each accept an event id once.
package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

const (
	appID         = "inbox"
	directiveName = "inbox_webhook"
)

func init() {
	caddy.RegisterModule(new(App))
	caddy.RegisterModule(Webhook{})
	caddy.RegisterModule(Admin{})
	caddy.RegisterModule(Health{})
	caddy.RegisterModule(Operator{})
	caddy.RegisterModule(new(Dashboard))
	caddy.RegisterModule(new(InTurn))
	httpcaddyfile.RegisterGlobalOption(appID, parseApp)
	httpcaddyfile.RegisterHandlerDirective(directiveName, parseWebhook)
	// Behind request_body, basic_auth and encode, and ahead of a catch-all
	// `handle`, which must not swallow the hook.
	httpcaddyfile.RegisterDirectiveOrder(directiveName, httpcaddyfile.Before, "handle")
	httpcaddyfile.RegisterHandlerDirective(healthDirective, parseHealth)
	httpcaddyfile.RegisterDirectiveOrder(healthDirective, httpcaddyfile.Before, "handle")
	httpcaddyfile.RegisterHandlerDirective(operatorDirective, parseOperator)
	httpcaddyfile.RegisterDirectiveOrder(operatorDirective, httpcaddyfile.Before, "handle")
	// Behind basic_auth and forward_auth as well, which say who the user is.
	httpcaddyfile.RegisterDirective(dashboardDirective, parseDashboard)
	httpcaddyfile.RegisterDirectiveOrder(dashboardDirective, httpcaddyfile.Before, "handle")
}
