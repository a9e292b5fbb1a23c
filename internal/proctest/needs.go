package proctest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

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
