package rig

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// Long says that the long form of the tests is asked for.
func Long() bool { return os.Getenv("INBOXGATE_LONG") != "" }

// Rounds is long in the long form, a quarter of short (at least 2) under
// -short, and short otherwise.
func Rounds(short, long int) int {
	switch {
	case Long():
		return long
	case testing.Short():
		return max(2, short/4)
	}
	return short
}

// Needs skips the test where a thing is missing that it is about: "root", "loop"
// for loop devices, or else a program. With CI set, or when the thing is named
// in INBOXGATE_REQUIRE, that fails the test instead.
func Needs(t testing.TB, things ...string) {
	t.Helper()
	var missing []string
	required := os.Getenv("CI") != ""
	for _, thing := range things {
		if present(thing) {
			continue
		}
		missing = append(missing, thing)
		required = required || strings.Contains(os.Getenv("INBOXGATE_REQUIRE"), thing)
	}
	switch {
	case len(missing) == 0:
	case required:
		t.Fatalf("this test needs %s, which this machine does not have", strings.Join(missing, ", "))
	default:
		t.Skipf("this test needs %s, which this machine does not have", strings.Join(missing, ", "))
	}
}

func present(thing string) bool {
	switch thing {
	case "root":
		return os.Geteuid() == 0
	case "loop":
		f, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
		if err != nil {
			return false
		}
		_ = f.Close()
		_, err = exec.LookPath("losetup")
		return err == nil
	}
	_, err := exec.LookPath(thing)
	return err == nil
}

// Seed is INBOXGATE_SEED, or else a random one. It tells the test's log how to
// repeat it.
func Seed(t testing.TB) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("INBOXGATE_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("INBOXGATE_SEED: %v", err)
		}
	}
	t.Logf("repeat with INBOXGATE_SEED=%d", seed)
	return seed
}
