package caddymodule_test

import (
	"fmt"
	"os"
	"testing"
)

// TestMain keeps the pointers that configurations with an admin endpoint leave where
// no command of this machine looks.
func TestMain(m *testing.M) { os.Exit(apart(m)) }

func apart(m *testing.M) int {
	dir, err := os.MkdirTemp("", "inboxgate-test-")
	if err == nil {
		err = os.Setenv("XDG_RUNTIME_DIR", dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	return m.Run()
}
