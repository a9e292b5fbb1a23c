package e2e

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// duration is how the story writes one, which differs from run to run.
var duration = regexp.MustCompile(`(< )?\d+(\.\d+)? (µs|ms|s)\b`)

// timeless is a text of the story as words, without its durations.
func timeless(text string) string {
	return strings.Join(strings.Fields(duration.ReplaceAllString(text, "TIME")), " ")
}

// What the README shows of the demonstration is what it prints; an ellipsis stands for
// what is left out.
func TestREADMEShowsTheStory(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, ok := strings.Cut(string(raw), "```text\n1. The platform")
	block, _, end := strings.Cut("1. The platform"+block, "\n```")
	if !ok || !end {
		t.Fatal("the README shows no story")
	}
	code, out := run(t, command(t, t.TempDir(), nil, "demo", "--once"))
	if code != 0 {
		t.Fatalf("exit code %d:\n%s", code, out)
	}
	rest := timeless(out)
	for _, part := range strings.Split(block, "…") {
		_, after, ok := strings.Cut(rest, timeless(part))
		if !ok {
			t.Fatalf("the story does not say, or not there:\n%s\nIt says:\n%s", part, out)
		}
		rest = after
	}
}
