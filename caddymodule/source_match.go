package caddymodule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/nearest"
)

// checkType refuses a word in `on` that no event of the platform, and none of
// the types listed in `types`, could ever match.
func checkType(pattern string, own []string) error {
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

// table finds the routes of an event type.
type table struct {
	routes   []Route
	known    map[string][]int // Indices of the routes of each type that is known beforehand.
	fallback []int            // Of what no other route takes.
}

func newTable(routes []Route, own []string) *table {
	t := &table{routes: routes, known: make(map[string][]int)}
	for i, r := range routes {
		if len(r.Types) == 0 {
			t.fallback = append(t.fallback, i)
		}
	}
	for _, typ := range slices.Concat(event.Types(), own) {
		t.known[typ] = t.search(typ)
	}
	return t
}

// match returns the indices of the routes that get a copy; none means the
// event is unrouted.
func (t *table) match(typ string) []int {
	if m, ok := t.known[typ]; ok {
		return m
	}
	return t.search(typ)
}

func (t *table) search(typ string) []int {
	var m []int
	for i, r := range t.routes {
		if slices.ContainsFunc(r.Types, func(p string) bool { return matches(p, typ) }) {
			m = append(m, i)
		}
	}
	if m == nil {
		return t.fallback
	}
	return m
}

func matches(pattern, typ string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(typ, prefix)
	}
	return pattern == typ
}
