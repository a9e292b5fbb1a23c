package caddymodule

import (
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/inboxgate/inboxgate/internal/secrets"
	"github.com/inboxgate/inboxgate/verify"
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

// resolveSecrets turns the configured secrets into keys.
func resolveSecrets(configured []Secret, now time.Time) (keys []verify.Secret, warnings []string, err error) {
	return secrets.Resolve(configsOf(configured), replacePlaceholders, now)
}
