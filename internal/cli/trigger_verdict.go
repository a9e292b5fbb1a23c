package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/env"
)

// verdict returns the error of a run with wrong answers, which names the usual
// mistake behind them, and nil without any.
func (t *trigger) verdict(ctx context.Context) error {
	wrong := fmt.Sprintf("%d of %d answers were not the expected %d", t.wrong, t.sent, t.expected())
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("stopped after %d posts", t.sent)
	case t.alone > 0 && t.alone == t.sent:
		return unreachableError{fmt.Errorf("%s: nobody answers at %s", wrong, t.to)}
	case t.strange > 0:
		return fmt.Errorf("%d of %d answers came from something else than inboxgate, and no event was stored: does the path fit the one of inbox_webhook (handle_path takes its prefix off), is the Host that of the site, does something answer before it? (--direct if the URL is an app's own)", t.strange, t.sent)
	case t.refused > 0:
		return fmt.Errorf("%s: 401 says that the signature is wrong: is the secret of %s the one that is configured there?", wrong, t.secretFrom)
	case t.missed > 0 && t.direct:
		return fmt.Errorf("%s: 404 says that no webhook is at the path %s: give the app's own with --to", wrong, pathOf(t.to))
	case t.missed > 0:
		return fmt.Errorf("%s: 404 says that no webhook is at the path %s: give that of inbox_webhook (of %s for the sidecar) with --to", wrong, pathOf(t.to), env.Path)
	case t.wrong > 0:
		return errors.New(wrong)
	}
	return nil
}

// pathOf returns the path of a checked URL.
func pathOf(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Path == "" {
		return "/"
	}
	return u.Path
}

// checkTarget refuses what is no URL.
func checkTarget(to string) error {
	if isTarget(to) {
		return nil
	}
	host, _, _ := strings.Cut(strings.TrimPrefix(defaultTarget, "http://"), ":")
	guess := defaultTarget
	switch {
	case strings.Contains(to, "://"), to == "":
	case strings.HasPrefix(to, "/"):
		guess = strings.TrimSuffix(defaultTarget, pathOf(defaultTarget)) + to
	case strings.HasPrefix(to, ":"):
		guess = "http://" + host + to
	default:
		guess = "http://" + to
	}
	if !isTarget(guess) {
		guess = defaultTarget
	}
	return Usagef("--to %q is no URL: write it as %s", to, guess)
}

// isTarget reports whether to is a URL to post to.
func isTarget(to string) bool {
	u, err := url.Parse(to)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// oneType accepts the type of an event, or none.
func oneType(_ *cobra.Command, args []string) error {
	if len(args) < 2 {
		return nil
	}
	for _, a := range args {
		if isTarget(a) {
			return fmt.Errorf("unexpected %q: write --to %s", a, a)
		}
	}
	return fmt.Errorf("unexpected %q: give one type, or %s", args[1], allTypes)
}
