package caddymodule

import (
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/inboxgate/inboxgate/internal/storage"
)

// meantWords are words of other programs, and what they are called here.
var meantWords = map[string]string{
	"upstream": "to app:3000", "upstreams": "to app:3000", "backend": "to app:3000", "target": "to app:3000", "forward": "to app:3000",
	"proxy": "to app:3000", "reverse_proxy": "to app:3000", "url": "to app:3000", "route": "on message.failed app:3000", "event": "on message.failed app:3000",
	"secret_file": "secret {file./run/secrets/inbox}", "secret_env": "secret {env.INBOX_WEBHOOK_SECRET}", "signing_secret": "secret {env.INBOX_WEBHOOK_SECRET}",
	"database": "storage postgres {env.INBOX_DATABASE_URL}", "postgres": "storage postgres {env.INBOX_DATABASE_URL}", "dsn": "storage postgres {env.INBOX_DATABASE_URL}",
	"max_size_body": "max_body 1MiB", "body_limit": "max_body 1MiB", "retries": "retry 30s 2m 8m", "backoff": "retry 30s 2m 8m",
	"order_by": "order message_id", "ordered": "order message_id", "order_key": "order message_id", "group_by": "order message_id", "partition_by": "order message_id",
	"filter": exampleIf, "when": exampleIf, "where": exampleIf, "condition": exampleIf, "expression": exampleIf,
}

const exampleIf = `if data.error_code == "expired"`

// inItsBlock says where a word of a route belongs.
func inItsBlock(word string) string {
	return "'" + word + "' belongs into the block of an `on` or of `to`: move it there, as in to app:3000 { " + word + " … }"
}

// misplaced returns where a word of ours belongs that stands in the wrong block, or
// how a word of other programs is written here, and nothing if that is not known.
func misplaced(word string, here []string) string {
	switch {
	case slices.Contains(here, word):
		return ""
	case slices.Contains(webhookWords, word) && word != "name":
		return "'" + word + "' belongs into the block of " + directiveName + " in a site: move it there"
	case slices.Contains(routeWords, word) && word != "name":
		return inItsBlock(word)
	case slices.Contains(storageWords, word) && word != "name":
		return "'" + word + "' belongs into the block of storage: move it there, as in storage " + storage.Postgres + " { " + word + " … }"
	case slices.Contains(dashboardWords, word):
		return "'" + word + "' belongs into the block of " + dashboardDirective + " in a site: move it there"
	case slices.Contains(appWords, word):
		return "'" + word + "' belongs into the global option at the top of the Caddyfile: { " + appID + " { " + word + " … } }"
	}
	if meant, ok := meantWords[word]; ok {
		return "unknown word '" + word + "': write it as " + meant
	}
	return ""
}

// misnamed are directives that are none, and what is meant.
var misnamed = map[string]string{
	appID:                    appID + " is a global option, and stands at the top of the Caddyfile: { " + appID + " { … } }; in a site it is " + directiveName + " <path> <app>",
	directiveName + "s":      "did you mean " + directiveName + "?",
	appID + "_hook":          "did you mean " + directiveName + "?",
	appID + "gate":           "did you mean " + directiveName + "?",
	healthDirective + "z":    "did you mean " + healthDirective + "?",
	dashboardDirective + "s": "did you mean " + dashboardDirective + "?",
	appID + "_dash":          "did you mean " + dashboardDirective + "?",
	appID + "_ui":            "did you mean " + dashboardDirective + "?",
	appID + "gate_dashboard": "did you mean " + dashboardDirective + "?",
}

func init() {
	for word, meant := range misnamed {
		httpcaddyfile.RegisterDirective(word, func(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
			h.Next()
			return nil, h.Errf("%s", meant)
		})
	}
	for _, name := range []string{directiveName, dashboardDirective} {
		httpcaddyfile.RegisterGlobalOption(name, func(d *caddyfile.Dispenser, _ any) (any, error) {
			d.Next()
			return nil, d.Errf("%s is a directive and stands in a site; the global option is %s", name, appID)
		})
	}
}
