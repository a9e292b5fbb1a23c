package gate

import (
	"context"
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

// Patience is how long a wait lasts at most. It is long because the machine may be
// busy; no test passes because of it.
const Patience = 90 * time.Second

// binary builds the program once, unless INBOXGATE_BINARY names one.
var binary = sync.OnceValues(func() (string, error) {
	if named := os.Getenv("INBOXGATE_BINARY"); named != "" {
		return named, nil
	}
	dir, err := os.MkdirTemp("", "inboxgate-browser-")
	if err != nil {
		return "", fmt.Errorf("making a directory for the program: %w", err)
	}
	built = dir
	bin := filepath.Join(dir, "inboxgate")
	root, err := root()
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", bin, "./sidecar")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building inboxgate: %w\n%s", err, out)
	}
	return bin, nil
})

// built is the directory of the program that this process has built. It is set by
// binary, and read when all tests have ended.
var built string

// Clean removes what all tests have shared. TestMain calls it after them.
func Clean() {
	if built != "" {
		_ = os.RemoveAll(built) // What is left lies in the system's temporary directory.
	}
}

// root returns the directory of the module that holds the program.
func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the program's source: %w", err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "sidecar", "main.go")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("finding the program's source: run the tests inside of the repository")
		}
	}
}

// Process is a program that runs.
type Process struct {
	Bin  string // The file that was started.
	cmd  *exec.Cmd
	done chan struct{} // Closed when it has ended.
	dir  string        // Its home, and that of its files.

	// Env is given to each Command.
	Env []string

	mu     sync.Mutex
	output strings.Builder
}

// Run runs a command of the program until the test ends, with a home of its own.
func Run(t testing.TB, args ...string) *Process {
	t.Helper()
	dir, err := os.MkdirTemp("", "ig")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := &Process{dir: dir}
	p.run(t, []string{"TMPDIR=" + dir}, args...)
	return p
}

// command returns a command of the program, with an environment of its own.
func (p *Process) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.Bin, args...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir, "XDG_DATA_HOME=" + p.dir,
		"XDG_CONFIG_HOME=" + p.dir, "XDG_RUNTIME_DIR=" + p.dir,
	}
	return cmd
}

// Command runs a command of the program beside the one that runs, and returns what it
// printed.
func (p *Process) Command(t testing.TB, args ...string) string {
	t.Helper()
	cmd := p.command(t.Context(), args...)
	cmd.Env = append(cmd.Env, p.Env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("inboxgate %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// run starts the program. It is asked to end when the test ends, and killed if it is
// still there after a while.
func (p *Process) run(t testing.TB, env []string, args ...string) {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	p.Bin = bin
	p.cmd = p.command(context.WithoutCancel(t.Context()), args...)
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.done = make(chan struct{})
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // Its output has what went wrong.
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(20 * time.Second):
			_ = p.cmd.Process.Kill()
			<-p.done
			t.Error("inboxgate did not end within 20 s of SIGTERM")
		}
		if t.Failed() {
			t.Logf("inboxgate wrote:\n%s", p.Output())
		}
	})
}

// Write takes what the process writes.
func (p *Process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.Write(b)
}

// Output returns what the process has written so far.
func (p *Process) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// PID returns the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Await returns once the process has written a text, and returns all of its output.
func (p *Process) Await(t testing.TB, text string) string {
	t.Helper()
	p.await(t, func() bool { return strings.Contains(p.Output(), text) })
	return p.Output()
}

func (p *Process) await(t testing.TB, reached func() bool) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !reached() {
		select {
		case <-p.done:
			t.Fatal("inboxgate has ended")
		case <-tick.C:
		}
		if time.Now().After(deadline) {
			t.Fatalf("inboxgate did not get there within %s", Patience)
		}
	}
}

// given holds the addresses that FreeAddress has returned in this process.
var given sync.Map

// FreeAddress returns a port of 127.0.0.1 that nobody listens on, each one once. Below
// 32768 no connection is given it as its own end.
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
