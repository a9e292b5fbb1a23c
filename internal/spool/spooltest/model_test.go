package spooltest

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// Games end in time on a slow engine, and one that is lost is told though its repeats are
// beyond that time.
func TestGamesEndInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		games(&recorder{TB: t, name: "games"}, 3*time.Minute, func(*rapid.T) { n++; time.Sleep(time.Minute) })
		if n != 3 {
			t.Errorf("%d games of a minute in three", n)
		}
	})
	r := &recorder{TB: t, name: "games"}
	done := make(chan struct{})
	go func() {
		defer close(done)
		games(r, time.Hour, func(rt *rapid.T) {
			if rapid.IntRange(0, 1000).Draw(rt, "n") > 500 {
				rt.Fatal("lost at more than 500")
			}
		})
	}()
	<-done
	if text := r.text(); !r.failed || !strings.Contains(text, "lost at more than 500") || strings.Contains(text, "flaky") {
		t.Errorf("a lost game: %v, %s", r.failed, text)
	}
}
