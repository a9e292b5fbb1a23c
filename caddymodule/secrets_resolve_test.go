package caddymodule

import (
	"time"

	"github.com/inboxgate/inboxgate/internal/secrets"
	"github.com/inboxgate/inboxgate/verify"
)

// resolveSecrets turns configured secrets into keys, with Caddy's placeholders.
func resolveSecrets(configured []Secret, now time.Time) (keys []verify.Secret, warnings []string, err error) {
	return secrets.Resolve(configsOf(configured), replacePlaceholders, now)
}
