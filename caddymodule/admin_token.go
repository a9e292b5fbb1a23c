package caddymodule

import (
	"fmt"

	"github.com/caddyserver/caddy/v2"

	"github.com/inboxgate/inboxgate/internal/env"
)

// adminToken resolves the configured token, or else that of the environment.
// None is no error. literal says that the configuration itself shows it.
func adminToken(configured string) (token string, literal bool, err error) {
	if configured == "" {
		token, err = env.ReadAdminToken()
		return token, false, err
	}
	token, err = caddy.NewReplacer().ReplaceOrErr(configured, true, true)
	if err != nil {
		return "", false, fmt.Errorf("admin_token: %w: set what the placeholder names", err)
	}
	literal = token == configured
	token, err = env.CheckToken("admin_token", token)
	return token, literal, err
}
