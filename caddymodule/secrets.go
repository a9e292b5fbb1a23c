package caddymodule

import (
	"github.com/caddyserver/caddy/v2"

	"github.com/inboxgate/inboxgate/internal/secrets"
)

// replacePlaceholders is Caddy's way to fill in {env.NAME} and {file./path}.
func replacePlaceholders(text string, errOnEmpty bool) (string, error) {
	return caddy.NewReplacer().ReplaceOrErr(text, errOnEmpty, true)
}

func configsOf(configured []Secret) (all []secrets.Config) {
	for _, s := range configured {
		all = append(all, secrets.Config(s))
	}
	return all
}
