// Package e2e tests the whole as its users have it: the program that runs, its image
// and its documents, and programs beside it that are not ours: proxies in front of
// it, apps and proxies behind it, tools beside its store. The test of the imports
// between the packages is here too.
//
// Guarantee: each test starts inboxgate as a user would, and what it starts has
// ended when the test ends.
//
// Limits: a test skips, with the name of what is missing, where a program is not
// installed. With CI set that is a failure.
package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"testing"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/inboxgate/inboxgate/caddymodule" // Its directives and commands are read by these tests.
	"github.com/inboxgate/inboxgate/internal/proctest"
)

// binary is the inboxgate of these tests, built when the first one asks for it.
var binary = sync.OnceValues(func() (string, error) { return proctest.Build(buildDir) })

var buildDir string

const secret = "the-whole-has-a-key-of-its-own-7d1e"

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "inboxgate-e2e-")
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		buildDir = dir
		waitTogether()
		code = m.Run()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// waitTogether lets more tests run at a time than there are processors, unless the
// command says how many: most of them wait for processes and their clocks.
func waitTogether() {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", strconv.Itoa(3*runtime.GOMAXPROCS(0)))
	}
}

// gate returns the command that runs inboxgate in dir on its environment alone.
func gate(t *testing.T, dir string, pairs ...string) *exec.Cmd {
	t.Helper()
	return command(t, dir, append([]string{"INBOX_WEBHOOK_SECRET=" + secret}, pairs...))
}
