package e2e

import (
	"regexp"
	"testing"
)

// variable is one of the environment, as the program's help lists it.
type variable struct{ name, use, byDefault string }

var helpLine = regexp.MustCompile(`(?m)^  (INBOX_[A-Z_]+) +(.*?)(?: \(([^()]*)\))?$`)

// variables returns those that the help lists, in its order.
func variables(t *testing.T) (all []variable) {
	t.Helper()
	_, help := run(t, command(t, t.TempDir(), nil, "help"))
	for _, m := range helpLine.FindAllStringSubmatch(help, -1) {
		all = append(all, variable{m[1], m[2], m[3]})
	}
	if len(all) < 20 {
		t.Fatalf("the help lists only %d variables:\n%s", len(all), help)
	}
	return all
}
