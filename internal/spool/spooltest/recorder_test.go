package spooltest

import (
	"strings"
	"testing"
	"time"
)

// TestOutcomes: a case may end in any way without ending the test around it.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	cleaned := 0
	for _, c := range []struct {
		name            string
		run             func(testing.TB, Make)
		failed, skipped bool
		says            string
	}{
		{"passes", func(testing.TB, Make) {}, false, false, ""},
		{"is fatal", func(t testing.TB, _ Make) { t.Fatalf("no %s", "way") }, true, false, "recorder_test.go:20: no way"},
		{"goes on after an error", func(t testing.TB, _ Make) { t.Error("one"); t.Error("two") }, true, false, "two"},
		{"panics", func(testing.TB, Make) { panic("oh") }, true, false, "panic: oh"},
		{"is skipped", func(t testing.TB, _ Make) { t.Skip("cannot") }, false, true, "cannot"},
		{"fails in a clean-up", func(t testing.TB, _ Make) {
			t.Cleanup(func() { cleaned++ })
			t.Cleanup(func() { t.Fatal("late") })
		}, true, false, "late"},
	} {
		got := runFor(t, testCase{c.name, c.run}, nil, time.Minute)
		if got.failed != c.failed || got.skipped != c.skipped || !strings.Contains(got.text(), c.says) {
			t.Errorf("a case that %s: %+v", c.name, got)
		}
	}
	if cleaned != 1 {
		t.Errorf("%d clean-ups ran, want the one behind the failed one", cleaned)
	}
}

func TestCaseThatHangs(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	hangs := testCase{"hangs", func(testing.TB, Make) { <-release }}
	if got := runFor(t, hangs, nil, time.Millisecond); !got.failed || !strings.Contains(got.text(), "no end within") {
		t.Errorf("a case that hangs: %+v, want it failed", got)
	}
}

func TestNamesOfCases(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, name := range Cases() {
		if seen[name] {
			t.Errorf("two cases are named %q", name)
		}
		seen[name] = true
	}
}
