package rig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/history"
)

// started is what Caddy logs once it serves.
const started = "serving initial configuration"

// Life is one process on the rig's data directory.
type Life struct {
	*proctest.Process
	// N counts from 1.
	N int
	// PID is the binary's, also below a wrapper.
	PID int
}

// Begin starts the next process and does not wait for it to serve. Its PID is 0.
func (r *Rig) Begin() *Life {
	r.t.Helper()
	if r.life != nil {
		r.t.Fatalf("life %d has not ended", r.life.N)
	}
	n := int(r.lives.Add(1))
	r.last.Store(int64(n))
	argv := r.argv("run", "--config", r.Config(), "--adapter", "caddyfile")
	if r.o.Wrap != nil {
		argv = r.o.Wrap(argv)
	}
	r.life = &Life{N: n, Process: proctest.Start(r.t, r.command(n, argv))}
	l := r.life
	r.t.Cleanup(func() { r.end(l) })
	return l
}

// argv is a command line of the binary.
func (r *Rig) argv(args ...string) []string { return append([]string{r.o.Binary}, args...) }

func (r *Rig) command(life int, argv []string) *exec.Cmd {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = r.Dir
	cmd.Env = proctest.Env(r.Dir, append([]string{
		"INBOX_WEBHOOK_SECRET=" + Secret, fmt.Sprintf("PROOF_LIFE=%d", life),
	}, r.o.Env...)...)
	return cmd
}

// Command runs the binary with other arguments beside the present life, in the
// same directory, until it ends by itself.
func (r *Rig) Command(args ...string) (code int, output string) {
	r.t.Helper()
	p := proctest.Start(r.t, r.command(r.number(), r.argv(args...)))
	code = p.Wait(r.t)
	return code, p.Output()
}

// Start starts the next process and waits until it serves.
func (r *Rig) Start() *Life {
	r.t.Helper()
	r.Begin()
	return r.Serves()
}

// Serves waits until the present process serves.
func (r *Rig) Serves() *Life {
	r.t.Helper()
	r.life.Await(r.t, started, 1)
	r.Find()
	return r.life
}

// Life is the present process, nil for none.
func (r *Rig) Life() *Life { return r.life }

// Find looks up the PID of the present life, which it must have by now.
func (r *Rig) Find() int {
	r.t.Helper()
	l := r.life
	if l.PID != 0 {
		return l.PID
	}
	l.PID = l.Process.PID()
	if r.o.Wrap != nil {
		l.PID = below(l.PID, r.o.Binary)
	}
	if l.PID == 0 {
		r.t.Fatalf("life %d: the binary does not run below its wrapper", l.N)
	}
	return l.PID
}

// below is the process of binary at or below pid, 0 for none.
func below(pid int, binary string) int {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	if exe, err := os.Readlink(proc + "/exe"); err == nil && exe == binary {
		return pid
	}
	lists, _ := filepath.Glob(proc + "/task/*/children") // The pattern is well-formed.
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // It has ended.
		}
		for child := range strings.FieldsSeq(string(text)) {
			n, err := strconv.Atoi(child)
			if err != nil {
				continue
			}
			if found := below(n, binary); found != 0 {
				return found
			}
		}
	}
	return 0
}

// Kill is kill -9, noted as a crash once the process is gone.
func (r *Rig) Kill() {
	r.t.Helper()
	r.signal(syscall.SIGKILL)
	r.Died(history.Killed)
}

// Died waits until the present process has ended, and notes how. Whatever cuts
// the power must have done so.
func (r *Rig) Died(how history.Crash) {
	r.t.Helper()
	l := r.life
	l.Wait(r.t)
	r.Log.Crash(l.N, how)
	r.gone()
}

// Stop is SIGTERM. It returns the exit code.
func (r *Rig) Stop() int {
	r.t.Helper()
	// A connection on which nothing was sent yet would hold the server for 5 s.
	r.client.CloseIdleConnections()
	r.signal(syscall.SIGTERM)
	code := r.life.Wait(r.t)
	r.gone()
	return code
}

// Gone waits for a process that ends by itself and cleanly, and returns its exit
// code.
func (r *Rig) Gone() int {
	r.t.Helper()
	code := r.life.Wait(r.t)
	r.gone()
	return code
}

func (r *Rig) gone() {
	r.client.CloseIdleConnections()
	r.life = nil
}

func (r *Rig) signal(s syscall.Signal) {
	r.t.Helper()
	if err := syscall.Kill(r.Find(), s); err != nil {
		r.t.Fatalf("signalling life %d: %v", r.life.N, err)
	}
}

// end kills what is left of a life below its wrapper.
func (r *Rig) end(l *Life) {
	pid := l.PID
	if pid == 0 {
		pid = below(l.Process.PID(), r.o.Binary)
	}
	if pid != 0 && pid == below(pid, r.o.Binary) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// Reload has the present process read the configuration text, and says whether
// it took it.
func (r *Rig) Reload(text string) bool {
	r.t.Helper()
	const took, refused = "successfully reloaded config from file", "failed to reload config from file"
	r.Configure(text)
	l := r.life
	before := strings.Count(l.Output(), took)
	failed := strings.Count(l.Output(), refused)
	r.signal(syscall.SIGUSR1)
	ok := l.Until(proctest.Patience, func(output string) bool {
		return strings.Count(output, took) > before || strings.Count(output, refused) > failed
	})
	if !ok {
		r.t.Fatalf("life %d: no answer to SIGUSR1 after %s", l.N, proctest.Patience)
	}
	return strings.Count(l.Output(), took) > before
}
