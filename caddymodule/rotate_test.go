package caddymodule

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/verify"
)

const (
	firstSecret  = "the-first-secret-of-the-test"
	secondSecret = "the-other-secret-of-the-test"
)

// rotating is a source whose secrets lie in a file.
type rotating struct {
	*testing.T
	*source
	path string
	log  bytes.Buffer
}

func newRotating(t *testing.T, text string) *rotating {
	t.Helper()
	r := &rotating{T: t, path: filepath.Join(t.TempDir(), "secret")}
	r.write(text)
	r.source = &source{Source: Source{Name: "rotate", Secrets: []Secret{{Value: "{file." + r.path + "}"}}}}
	files := r.look()
	keys, _, err := resolveSecrets(r.Secrets, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c, err := newChecker(r.source.Name, keys)
	if err != nil {
		t.Fatal(err)
	}
	r.verifier.Store(c)
	r.rotation = rotation{taken: files, seen: files, keys: digestOf(keys)}
	return r
}

func (r *rotating) write(text string) {
	r.Helper()
	if err := os.WriteFile(r.path, []byte(text), 0o600); err != nil {
		r.Fatal(err)
	}
}

func (r *rotating) tick() {
	r.refreshSecrets(slog.New(slog.NewTextHandler(&r.log, nil)), time.Now())
}

// takes checks which secrets are valid.
func (r *rotating) takes(when string, first, second bool) {
	r.Helper()
	body := []byte("body")
	for key, want := range map[string]bool{firstSecret: first, secondSecret: second} {
		_, err := r.verifier.Load().Verify(body, verify.Sign([]byte(key), body))
		if (err == nil) != want {
			r.Errorf("%s: %s is taken: %t, want %t", when, key, err == nil, want)
		}
	}
	if text := r.log.String(); strings.Contains(text, firstSecret) || strings.Contains(text, secondSecret) {
		r.Error("a secret was logged")
	}
}

// A rotation by a file: both, then the new one alone.
func TestSecretFileRotates(t *testing.T) {
	r := newRotating(t, firstSecret)
	r.takes("at first", true, false)
	r.write(secondSecret + "\n" + firstSecret + "\n")
	r.tick()
	r.takes("after one look", true, false)
	r.tick()
	r.takes("after two looks", true, true)
	r.write(secondSecret)
	r.tick()
	r.tick()
	r.takes("at the end", false, true)
	if n := strings.Count(r.log.String(), "level=INFO"); n != 2 {
		t.Errorf("told %d times:\n%s", n, r.log.String())
	}
}

// Size and time of the file say nothing: a file system may keep seconds only.
func TestSecretFileOfTheSameSizeAndTime(t *testing.T) {
	r := newRotating(t, firstSecret)
	then := time.Unix(1e9, 0)
	for _, text := range []string{firstSecret, secondSecret} {
		r.write(text)
		if err := os.Chtimes(r.path, then, then); err != nil {
			t.Fatal(err)
		}
		r.tick()
		r.tick()
	}
	r.takes("after the change", false, true)
}

// A file that cannot be used changes nothing, and is told once, until it can.
func TestSecretFileBroken(t *testing.T) {
	for name, breaks := range map[string]func(r *rotating){
		"empty":     func(r *rotating) { r.write("") },
		"too short": func(r *rotating) { r.write("short") },
		"removed":   func(r *rotating) { _ = os.Remove(r.path) },
		"directory": func(r *rotating) { _ = os.Remove(r.path); _ = os.Mkdir(r.path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRotating(t, firstSecret)
			breaks(r)
			for range 5 {
				r.tick()
			}
			r.takes("while it is broken", true, false)
			if n := strings.Count(r.log.String(), "level=ERROR"); n != 1 {
				t.Errorf("told %d times:\n%s", n, r.log.String())
			}
			_ = os.Remove(r.path)
			r.write(firstSecret)
			r.tick()
			r.tick()
			r.takes("when it is back", true, false)
			if n := strings.Count(r.log.String(), "level=INFO"); n != 1 {
				t.Errorf("the end was told %d times:\n%s", n, r.log.String())
			}
			r.write(secondSecret)
			r.tick()
			r.tick()
			r.takes("after a change", false, true)
		})
	}
}

// A file that changes at each look is being written.
func TestSecretFileHalfWritten(t *testing.T) {
	r := newRotating(t, firstSecret)
	for n := range 5 {
		r.write(secondSecret[:20+n])
		r.tick()
	}
	r.takes("while it is written", true, false)
	r.write(secondSecret)
	r.tick()
	r.tick()
	r.takes("after that", false, true)
}

func TestTrend(t *testing.T) {
	t.Parallel()
	at := time.Unix(1e9, 0)
	var tr trend
	full := func(room, want float64) {
		t.Helper()
		if got := tr.full(room); got != want {
			t.Errorf("full in %v, want %v", got, want)
		}
	}
	inf := 1 / zero
	full(100, inf)
	tr.add(at, 1000)
	full(100, inf)
	tr.add(at.Add(time.Second), 5000) // Too soon to count.
	tr.add(at.Add(10*time.Second), 1100)
	full(100, 10)
	full(0, 0)
	tr.add(at.Add(20*time.Second), 900)
	full(100, inf)
	for n := range 100 {
		tr.add(at.Add(time.Duration(30+10*n)*time.Second), 1000)
	}
	if len(tr.seen) != trendKept {
		t.Errorf("%d sights are kept", len(tr.seen))
	}
}

var zero float64

func TestBurst(t *testing.T) {
	t.Parallel()
	at := time.Unix(1e9, 0)
	var b burst
	count := func(n int, at time.Time) (told int) {
		for range n {
			if b.add(at) {
				told++
			}
		}
		return told
	}
	for i, c := range []struct {
		n     int
		after time.Duration
		told  int
	}{
		{burstSize - 1, 0, 0},
		{burstSize - 1, burstWithin + 1, 0},        // Too slow.
		{1, burstWithin + 2, 1},                    // The fiftieth.
		{1000, burstWithin + 3, 0},                 // Told already.
		{burstSize - 1, 2*burstWithin + 5, 0},      // Within the quiet.
		{burstSize, 2*burstWithin + burstQuiet, 1}, // After it.
	} {
		if got := count(c.n, at.Add(c.after)); got != c.told {
			t.Errorf("step %d: told %d times, want %d", i, got, c.told)
		}
	}
}
