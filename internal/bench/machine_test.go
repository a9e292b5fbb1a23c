//go:build linux

package main

import (
	"strings"
	"testing"
	"time"
)

func TestQuietCountsOnlyOthers(t *testing.T) {
	t.Parallel()
	read := func(line string, own time.Duration) effort {
		busy, stolen, err := busyTime(line + "\ncpu0 1 1 1 1 1 1 1 1 0 0\n")
		if err != nil {
			t.Fatal(err)
		}
		return effort{busy, stolen, own}
	}
	// In ten seconds of two cores: 5 s busy, of them 4 s ours, and 2 s stolen.
	from := read("cpu  100 0 100 900 50 0 0 10 0 0", time.Second)
	to := read("cpu  300 100 250 1900 90 20 30 210 0 0", 5*time.Second)
	got := quiet(from, to, 10*time.Second, 2)
	if !strings.Contains(got, "used 5.0 %") || !strings.Contains(got, "kept 10.0 %") {
		t.Error(got)
	}
	for _, bad := range []string{"", "cpu  1 2 3", "intr 1 2 3 4 5 6 7 8", "cpu  a 2 3 4 5 6 7 8"} {
		if _, _, err := busyTime(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestStormFigures(t *testing.T) {
	t.Parallel()
	const text = "=== RUN   TestReloadStorm\n    lifecycle_test.go:147: 100 reloads in 8.002s, slowest 1.2s; 5601 events, 700/s, 3 sent again after a dropped connection\n--- PASS"
	f, words, err := stormFigures(text)
	if err != nil || f.Events != 5601 || f.Rate < 699 || f.Rate > 701 || !strings.Contains(words, "the slowest 1.2s") {
		t.Errorf("%+v, %s, %v", f, words, err)
	}
	if _, _, err := stormFigures("--- PASS\nok"); err == nil {
		t.Error("a test without figures was taken")
	}
}
