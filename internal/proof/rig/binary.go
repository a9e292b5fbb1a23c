package rig

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/inboxgate/inboxgate/internal/proctest"
)

// built is the binary of this process, made when the first test asks for it.
var built = sync.OnceValues(func() (string, error) {
	if bin := os.Getenv("INBOXGATE_BINARY"); bin != "" {
		path, err := filepath.Abs(bin)
		if err != nil {
			return "", fmt.Errorf("finding INBOXGATE_BINARY: %w", err)
		}
		return path, nil
	}
	dir, err := os.MkdirTemp("", "inboxgate-proof-")
	if err != nil {
		return "", fmt.Errorf("building inboxgate: %w", err)
	}
	builtDir = dir
	return proctest.Build(dir)
})

var builtDir string

// Binary is the real binary: INBOXGATE_BINARY where that is set, else one built
// once a process from the present source.
func Binary(t testing.TB) string {
	t.Helper()
	bin, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// Main runs the tests of a package and removes the binaries that they built. It
// returns the exit code. With INBOXGATE_FAULTS=later it runs none and says so:
// a script that runs the proof afterwards has them once that way.
func Main(m *testing.M) int {
	if os.Getenv("INBOXGATE_FAULTS") == "later" {
		fmt.Println("no fault is tried: INBOXGATE_FAULTS=later leaves that to the proof")
		return 0
	}
	code := m.Run()
	err := RemoveOverlays()
	if builtDir != "" {
		err = errors.Join(err, os.RemoveAll(builtDir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}
