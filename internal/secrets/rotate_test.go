package secrets

import (
	"bytes"
	"errors"
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

// rotating are the secrets of a source that lie in a file.
type rotating struct {
	*testing.T
	Secrets
	path string
	log  bytes.Buffer
}

// uncounted counts nothing.
type uncounted struct{}

func (uncounted) Inc() {}

// fromFile is for values that are nothing but {file./path}.
func fromFile(text string, errOnEmpty bool) (string, error) {
	path, ok := strings.CutPrefix(text, "{file.")
	if !ok {
		return text, nil
	}
	raw, _ := os.ReadFile(strings.TrimSuffix(path, "}"))
	if len(raw) == 0 && errOnEmpty {
		return "", errors.New("empty")
	}
	return string(raw), nil
}

func newRotating(t *testing.T, text string) *rotating {
	t.Helper()
	r := &rotating{T: t, path: filepath.Join(t.TempDir(), "secret")}
	r.write(text)
	configured := []Config{{Value: "{file." + r.path + "}"}}
	if _, err := r.Open("rotate", configured, fromFile, func(string) Counter { return uncounted{} }); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rotating) write(text string) {
	r.Helper()
	if err := os.WriteFile(r.path, []byte(text), 0o600); err != nil {
		r.Fatal(err)
	}
}

func (r *rotating) tick() {
	r.Refresh(slog.New(slog.NewTextHandler(&r.log, nil)), time.Now())
}

// takes checks which secrets are valid.
func (r *rotating) takes(when string, first, second bool) {
	r.Helper()
	body := []byte("body")
	for key, want := range map[string]bool{firstSecret: first, secondSecret: second} {
		_, err := r.Set().Verify(body, verify.Sign([]byte(key), body))
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
