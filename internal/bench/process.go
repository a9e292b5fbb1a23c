//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// command is a program to start.
type command struct {
	path string
	args []string
	env  []string
	dir  string
	// cpus are the cores that it may use. None: as this process.
	cpus []int
}

// process is a program that runs. It ends with this one, whatever happens.
type process struct {
	cmd  *exec.Cmd
	name string
	done chan struct{}

	mu  sync.Mutex
	out bytes.Buffer
}

// maxOutput bounds what is kept of a process's words.
const maxOutput = 1 << 20

// Write takes what the process writes.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out.Write(b[:min(len(b), maxOutput-p.out.Len())])
	return len(b), nil
}

func (p *process) says(text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Contains(p.out.Bytes(), []byte(text))
}

// words are the last that the process has written.
func (p *process) words() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.out.Bytes()
	return string(all[max(0, len(all)-2000):])
}

// start runs a command on its cores. A child has the cores of the thread that
// forks it, so this thread borrows them.
func start(ctx context.Context, name string, c command) (*process, error) {
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	cmd.Dir, cmd.Env = c.dir, append([]string{"PATH=" + os.Getenv("PATH")}, c.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if len(c.cpus) > 0 {
		cmd.Env = append(cmd.Env, "GOMAXPROCS="+strconv.Itoa(len(c.cpus)))
	}
	p := &process{cmd: cmd, name: name, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p, p
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if len(c.cpus) > 0 {
		old, err := affinity()
		if err != nil {
			return nil, err
		}
		if err := setAffinity(0, c.cpus); err != nil {
			return nil, err
		}
		defer func() { _ = setAffinity(0, old) }()
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // How it ended is no part of a measurement.
	}()
	return p, nil
}

// stop asks the process to end, and makes it.
func (p *process) stop() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// until polls for a condition of the process.
func (p *process) until(ctx context.Context, what string, patience time.Duration, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-p.done:
			return fmt.Errorf("%s ended before it %s:\n%s", p.name, what, p.words())
		case <-ctx.Done():
			return fmt.Errorf("%s has not %s within %s:\n%s", p.name, what, patience, p.words())
		}
	}
	return nil
}

// listening returns once addr takes connections.
func (p *process) listening(ctx context.Context, addr string) error {
	return p.until(ctx, "listened on "+addr, time.Minute, func() bool {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
}

// freeAddress is a port of loopback that nobody listens on now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// cpuSet is the kernel's mask of cores.
type cpuSet [16]uint64

// affinity lists the cores that this thread may use.
func affinity() (cpus []int, err error) {
	var set cpuSet
	if _, _, no := syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0, unsafe.Sizeof(set), uintptr(unsafe.Pointer(&set))); no != 0 {
		return nil, fmt.Errorf("reading the cores of this process: %w", no)
	}
	for i := range len(set) * 64 {
		if set[i/64]&(1<<(i%64)) != 0 {
			cpus = append(cpus, i)
		}
	}
	return cpus, nil
}

// setAffinity gives a thread its cores; 0 is the calling one.
func setAffinity(thread int, cpus []int) error {
	var set cpuSet
	for _, c := range cpus {
		set[c/64] |= 1 << (c % 64)
	}
	if _, _, no := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, uintptr(thread), unsafe.Sizeof(set), uintptr(unsafe.Pointer(&set))); no != 0 {
		return fmt.Errorf("choosing cores %v: %w", cpus, no)
	}
	return nil
}

// confine moves every thread of this process, and so those they will make, to
// some cores. A second pass finds those made during the first.
func confine(cpus []int) error {
	for range 2 {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("listing threads: %w", err)
		}
		for _, t := range threads {
			id, err := strconv.Atoi(t.Name())
			if err != nil {
				return fmt.Errorf("listing threads: %w", err)
			}
			if err := setAffinity(id, cpus); err != nil && !errors.Is(err, syscall.ESRCH) {
				return err
			}
		}
	}
	runtime.GOMAXPROCS(len(cpus))
	return nil
}
