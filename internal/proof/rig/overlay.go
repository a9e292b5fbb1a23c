package rig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/inboxgate/inboxgate/internal/overlay"
	"github.com/inboxgate/inboxgate/internal/proctest"
)

// Replacement is one change of the product's source for one build.
type Replacement = overlay.Replacement

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
	list, err := overlay.Write(dir, replacements)
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "inboxgate")
	cmd := exec.Command("go", "build", "-overlay", list, "-o", bin,
		"-ldflags", "-s -w -X main.mountedCaddyfile="+proctest.Mounted,
		"github.com/inboxgate/inboxgate/sidecar")
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
