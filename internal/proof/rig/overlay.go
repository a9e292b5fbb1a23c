package rig

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/inboxgate/inboxgate/internal/proctest"
)

// Replacement is one change of the product's source for one build: Old, which
// must occur exactly once in File, becomes New. File is relative to the root
// of the module, with slashes. Several replacements of one file are made in
// turn.
type Replacement struct {
	File, Old, New string
}

// overlays are the binaries that this process has built, by what they replace.
var overlays = struct {
	sync.Mutex
	dir   string
	built map[string]func() (string, error)
}{built: make(map[string]func() (string, error))}

// Overlay builds the real binary from the present source with some
// replacements, and returns its path. Each set is built once a process; the
// tree itself is not touched. A replacement that does not match the source any
// more, or does not compile, fails the test: it would prove nothing.
// RemoveOverlays deletes what it has built.
func Overlay(t testing.TB, replacements []Replacement) string {
	t.Helper()
	if len(replacements) == 0 {
		t.Fatal("an overlay without replacements is the plain binary")
	}
	key := fmt.Sprintf("%q", replacements)
	overlays.Lock()
	build, ok := overlays.built[key]
	if !ok {
		build = sync.OnceValues(func() (string, error) { return buildOverlay(replacements) })
		overlays.built[key] = build
	}
	overlays.Unlock()
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// RemoveOverlays deletes every binary of Overlay. It belongs at the end of
// TestMain, when no test runs any more.
func RemoveOverlays() error {
	overlays.Lock()
	defer overlays.Unlock()
	dir := overlays.dir
	overlays.dir = ""
	clear(overlays.built)
	if dir == "" {
		return nil
	}
	return os.RemoveAll(dir)
}

func buildOverlay(replacements []Replacement) (string, error) {
	dir, err := overlayDir()
	if err != nil {
		return "", err
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	texts, err := replace(root, replacements)
	if err != nil {
		return "", err
	}
	var list struct{ Replace map[string]string }
	list.Replace = make(map[string]string, len(texts))
	for file, text := range texts {
		// The folder keeps files of one name apart.
		to := filepath.Join(dir, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return "", fmt.Errorf("making room for an overlay: %w", err)
		}
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			return "", fmt.Errorf("writing an overlay: %w", err)
		}
		list.Replace[filepath.Join(root, filepath.FromSlash(file))] = to
	}
	b, err := json.Marshal(list)
	if err != nil {
		return "", fmt.Errorf("listing an overlay: %w", err)
	}
	listed, bin := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "inboxgate")
	if err := os.WriteFile(listed, b, 0o600); err != nil {
		return "", fmt.Errorf("listing an overlay: %w", err)
	}
	cmd := exec.Command("go", "build", "-overlay", listed, "-o", bin,
		"-ldflags", "-s -w -X main.mountedCaddyfile="+proctest.Mounted,
		"github.com/inboxgate/inboxgate/sidecar")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building inboxgate with an overlay: %w\n%s", err, out)
	}
	return bin, nil
}

// overlayDir is a new directory for one overlay.
func overlayDir() (string, error) {
	overlays.Lock()
	defer overlays.Unlock()
	if overlays.dir == "" {
		dir, err := os.MkdirTemp("", "inboxgate-overlay-")
		if err != nil {
			return "", fmt.Errorf("making room for overlays: %w", err)
		}
		overlays.dir = dir
	}
	dir, err := os.MkdirTemp(overlays.dir, "")
	if err != nil {
		return "", fmt.Errorf("making room for an overlay: %w", err)
	}
	return dir, nil
}

// moduleRoot is where go.mod lies.
func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("finding the module: %w", err)
	}
	mod := strings.TrimSpace(string(out))
	if filepath.Base(mod) != "go.mod" {
		return "", fmt.Errorf("finding the module: go env GOMOD says %q", mod)
	}
	return filepath.Dir(mod), nil
}

// replace returns the changed text of each file that is named.
func replace(root string, replacements []Replacement) (map[string]string, error) {
	texts := make(map[string]string)
	for _, r := range replacements {
		text, ok := texts[r.File]
		if !ok {
			b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(r.File)))
			if err != nil {
				return nil, fmt.Errorf("reading what an overlay replaces: %w", err)
			}
			text = string(b)
		}
		if n := strings.Count(text, r.Old); r.Old == "" || n != 1 {
			return nil, fmt.Errorf("%s: %q occurs %d times, want once: the source has changed, and the replacement must follow", r.File, r.Old, n)
		}
		texts[r.File] = strings.Replace(text, r.Old, r.New, 1)
	}
	return texts, nil
}
