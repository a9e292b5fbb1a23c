// Package proctest builds the real inboxgate binary and runs it, and the
// programs beside it, as processes of a test.
//
// Guarantee: what a test has started has ended when the test ends, and each
// wait ends with the process, with its condition, or after Patience.
//
// Limit: a free port is free when it is asked for; another process may take it
// before its user does.
package proctest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience is how long a wait lasts at most. It is long because the machine may
// be busy; no test passes because of it.
const Patience = 90 * time.Second

// Mounted is where a binary of Build looks for the Caddyfile that replaces the
// built-in one, relative to its working directory.
const Mounted = "mounted/Caddyfile"

// Build puts the binary into dir and returns its path.
func Build(dir string) (string, error) {
	bin := filepath.Join(dir, "inboxgate")
	cmd := exec.Command("go", "build", "-o", bin,
		"-ldflags", "-s -w -X main.mountedCaddyfile="+Mounted+" -X github.com/inboxgate/inboxgate/internal/instance.shared=run/inboxgate",
		"github.com/inboxgate/inboxgate/sidecar")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building inboxgate: %w\n%s", err, out)
	}
	return bin, nil
}

// Env is an environment with nothing in it but what a process needs to run in
// dir, and the given pairs. Unless a pair says otherwise there is neither the
// ops listener, whose port is the same for every process, nor an admin endpoint.
func Env(dir string, pairs ...string) []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + dir,
		"XDG_DATA_HOME=" + filepath.Join(dir, "data"),
		"XDG_CONFIG_HOME=" + filepath.Join(dir, "config"),
		"XDG_RUNTIME_DIR=" + dir,
		"INBOX_OPS_LISTEN=off",
		"INBOX_ADMIN=off",
	}, pairs...)
}

// given holds the addresses that FreeAddress has returned in this process. An app that
// is stopped keeps its own, though nobody listens there.
var given sync.Map

// FreeAddress returns a port of 127.0.0.1 that nobody listens on, each one once. It
// stays free: below 32768 no connection is given it as its own end.
func FreeAddress(t testing.TB) string {
	t.Helper()
	for range 1000 {
		addr := fmt.Sprintf("127.0.0.1:%d", 12000+rand.N(20000))
		if _, taken := given.LoadOrStore(addr, true); taken {
			continue
		}
		if l, err := net.Listen("tcp", addr); err == nil {
			_ = l.Close()
			return addr
		}
	}
	t.Fatal("no free port between 12000 and 32000")
	return ""
}

// Process is a program that runs.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu      sync.Mutex
	output  strings.Builder
	changed chan struct{} // Closed and replaced with each output.
}

// Start runs cmd and keeps what it writes. The process is killed at the end of
// the test if it is still there.
func Start(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{cmd: cmd, done: make(chan struct{}), changed: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p, p
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // The exit code tells.
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("%s wrote:\n%s", filepath.Base(cmd.Path), p.Output())
		}
	})
	return p
}

// Write takes what the process writes.
func (p *Process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.changed)
	p.changed = make(chan struct{})
	return p.output.Write(b)
}

// Output is what the process has written so far, to both outputs.
func (p *Process) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// Await returns once the process has written text n times, and fails the test
// if it ends without.
func (p *Process) Await(t testing.TB, text string, n int) {
	t.Helper()
	timeout := time.NewTimer(Patience)
	defer timeout.Stop()
	for ended := false; ; {
		p.mu.Lock()
		found, changed := strings.Count(p.output.String(), text) >= n, p.changed
		p.mu.Unlock()
		switch {
		case found:
			return
		case ended:
			t.Fatalf("the process ended without writing %q", text)
		}
		select {
		case <-changed:
		case <-p.done:
			ended = true
		case <-timeout.C:
			t.Fatalf("no %q after %s", text, Patience)
		}
	}
}

// PID is the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Until waits until done is true of what the process has written, and says
// whether it became so before the process ended or patience ran out.
func (p *Process) Until(patience time.Duration, done func(output string) bool) bool {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for ended := false; ; {
		p.mu.Lock()
		ok, changed := done(p.output.String()), p.changed
		p.mu.Unlock()
		if ok || ended {
			return ok
		}
		select {
		case <-changed:
		case <-p.done:
			ended = true
		case <-timeout.C:
			return false
		}
	}
}

// Signal sends a signal to the process.
func (p *Process) Signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// Stop sends SIGTERM and returns the exit code.
func (p *Process) Stop(t testing.TB) int {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	return p.Wait(t)
}

// Wait returns the exit code of a process that ends by itself.
func (p *Process) Wait(t testing.TB) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(Patience):
		t.Fatalf("the process still runs after %s", Patience)
	}
	return p.cmd.ProcessState.ExitCode()
}
