package control

import (
	"fmt"
	"slices"
	"strings"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Types returns the types and patterns of a word type: several stand with commas
// between them.
func Types(text string) []string { return strings.Split(text, ",") }

// checkTypes returns an error for a text that no type can match. A pattern is one of
// the Caddyfile's `on`.
func checkTypes(text string) error {
	for _, t := range Types(text) {
		prefix, pattern := strings.CutSuffix(t, "*")
		switch {
		case t == "":
			return fmt.Errorf("%q has an empty type: separate several by one comma, without spaces", text)
		case strings.Contains(prefix, "*"), pattern && prefix != "" && !strings.HasSuffix(prefix, "."):
			return fmt.Errorf("%q is no type and no pattern: write 'message.*', or '*' for all", t)
		}
	}
	return nil
}

// narrowTypes puts the types into a query. One that is no pattern is what a store
// finds with the least work.
func narrowTypes(f *Filter, q *spool.Query) {
	all := Types(f.Type)
	switch {
	case slices.Contains(all, "*"):
	case len(all) == 1 && !strings.HasSuffix(f.Type, "*"):
		q.Type = f.Type
	default:
		q.Types = all
	}
}
