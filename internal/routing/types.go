package routing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/nearest"
)

// CheckType refuses a word in `on` that no event of the platform, and none of
// the types listed in `types`, could ever match.
func CheckType(pattern string, own []string) error {
	if pattern == "*" || slices.Contains(event.Types(), pattern) || slices.Contains(own, pattern) {
		return nil
	}
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		for _, t := range slices.Concat(event.Types(), own) {
			if strings.HasSuffix(prefix, ".") && strings.HasPrefix(t, prefix) {
				return nil
			}
		}
		return fmt.Errorf("no known event type matches '%s'; use 'message.*' or '*', or list your own in 'types'", pattern)
	}
	if near := nearest.Word(pattern, slices.Concat(event.Types(), own)); near != "" {
		return fmt.Errorf("unknown event type '%s'; did you mean '%s'? (list types of your own in 'types')", pattern, near)
	}
	return fmt.Errorf("unknown event type '%s'; the platform has %s (list types of your own in 'types')", pattern, strings.Join(event.Types(), ", "))
}

// takes reports whether a pattern of `on` takes that type.
func takes(pattern, typ string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(typ, prefix)
	}
	return pattern == typ
}
