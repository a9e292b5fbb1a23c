//go:build linux && amd64

package faults

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What this program is to be instead of a test, and for the tracer the address
// of the test that gives it orders.
const (
	beTracer = "INBOXGATE_TEST_TRACER"
	beTraced = "INBOXGATE_TEST_TRACED"
)

func init() {
	switch {
	case os.Getenv(beTraced) != "":
		runtime.LockOSThread()
		_ = os.Unsetenv(beTraced)
		fmt.Fprintln(os.Stderr, execFiltered(os.Args[1:]))
		os.Exit(1)
	case os.Getenv(beTracer) != "":
		runtime.LockOSThread() // All calls of ptrace must come from one thread.
		code, err := traceProgram(os.Getenv(beTracer))
		if err != nil {
			fmt.Fprintln(os.Stderr, "tracing:", err)
			code = 1
		}
		os.Exit(code)
	}
}

// tracer stops each traced call of one process and does to it what the last
// order says.
type tracer struct {
	pid  int
	seen map[int]bool // threads that have reported

	mu    sync.Mutex // of all below
	out   *json.Encoder
	order order
	n     int
	fired bool
	over  bool  // The process is being killed.
	held  []int // threads whose call waits
	free  []int // threads whose call waits no longer
}

// traceProgram runs the program of the arguments until it ends, and returns its
// exit code. It ends as the program did, and the program ends with it.
func traceProgram(test string) (int, error) {
	conn, err := net.Dial("tcp", test)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	t := &tracer{seen: map[int]bool{}, out: json.NewEncoder(conn)}
	in := json.NewDecoder(conn)
	if err := in.Decode(&t.order); err != nil {
		return 0, fmt.Errorf("reading first order: %w", err)
	}
	if err := t.start(); err != nil {
		return 0, err
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGQUIT)
	go func() {
		for s := range signals {
			_ = unix.Kill(t.pid, s.(syscall.Signal))
		}
	}()
	go t.obey(in)
	return t.loop()
}

func (t *tracer) start() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.Unsetenv(beTracer); err != nil {
		return err
	}
	p, err := os.StartProcess(self, os.Args, &os.ProcAttr{
		Env:   append(os.Environ(), beTraced+"=1"),
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys:   &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return err
	}
	t.pid = p.Pid
	var ws unix.WaitStatus
	if _, err := unix.Wait4(t.pid, &ws, unix.WALL, nil); err != nil || !ws.Stopped() {
		return fmt.Errorf("%w: %w", errNoChild, err)
	}
	t.seen[t.pid] = true
	const options = unix.PTRACE_O_EXITKILL | unix.PTRACE_O_TRACESECCOMP | unix.PTRACE_O_TRACECLONE |
		unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACEEXEC
	if err := unix.PtraceSetOptions(t.pid, options); err != nil {
		return fmt.Errorf("setting options of tracing: %w", err)
	}
	t.tell(stopped{Pid: t.pid})
	return unix.PtraceCont(t.pid, 0)
}

func (t *tracer) tell(s stopped) {
	// A test that no longer listens is over, and kills us.
	_ = t.out.Encode(s)
}

// obey takes orders. Threads that are held may go on with each.
func (t *tracer) obey(in *json.Decoder) {
	for {
		var o order
		if err := in.Decode(&o); err != nil {
			return
		}
		t.mu.Lock()
		if t.over {
			t.mu.Unlock()
			return
		}
		t.order, t.n, t.fired = o, 0, false
		t.free = append(t.free, t.held...)
		t.held = nil
		t.tell(stopped{Ack: true})
		t.mu.Unlock()
	}
}

// loop is the life of the traced process. While threads are held it must look
// for orders too, so it does not block.
func (t *tracer) loop() (int, error) {
	for {
		flags := unix.WALL
		if t.release() {
			flags |= unix.WNOHANG
		}
		var ws unix.WaitStatus
		tid, err := unix.Wait4(-1, &ws, flags, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, fmt.Errorf("waiting: %w", err)
		case tid == 0:
			<-time.After(time.Millisecond)
		case ws.Exited() && tid == t.pid:
			return ws.ExitStatus(), nil
		case ws.Signaled() && tid == t.pid:
			_ = unix.Kill(os.Getpid(), ws.Signal())
			return 128 + int(ws.Signal()), nil
		case ws.Stopped():
			t.stop(tid, ws)
		}
	}
}

// release lets threads go on, and says whether some still have to wait.
func (t *tracer) release() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, tid := range t.free {
		if t.order.FailHeld {
			change(tid, func(r *unix.PtraceRegs) { fail(r, t.order.Errno) })
		}
		_ = unix.PtraceCont(tid, 0)
	}
	t.free = nil
	return len(t.held) > 0
}

// stop handles a stop of one thread. A thread that is gone meanwhile gives
// ESRCH, and is waited for as all others.
func (t *tracer) stop(tid int, ws unix.WaitStatus) {
	fresh := !t.seen[tid]
	t.seen[tid] = true
	deliver := 0
	switch sig := ws.StopSignal(); {
	case sig == unix.SIGTRAP && ws.TrapCause() == unix.PTRACE_EVENT_SECCOMP:
		if !t.decide(tid) {
			return
		}
	case sig == unix.SIGTRAP, sig == unix.SIGSTOP && fresh:
	default:
		deliver = int(sig)
	}
	_ = unix.PtraceCont(tid, deliver)
}

// decide does what is ordered to the call at which a thread has stopped, and
// says whether the thread may go on.
func (t *tracer) decide(tid int) bool {
	var r unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &r); err != nil {
		return true
	}
	c, ok := readCall(tid, &r)
	if !ok {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	did, ok := t.judge(tid, c, &r)
	if !ok {
		return true
	}
	t.tell(stopped{N: t.n, Call: c.name, Path: c.path, Size: c.size, Did: did})
	switch did {
	case killAt:
		t.over = true
		_ = unix.Kill(t.pid, unix.SIGKILL)
		return false
	case holdCall:
		t.held = append(t.held, tid)
		return false
	case failCall, failGrow:
		change(tid, func(r *unix.PtraceRegs) { fail(r, t.order.Errno) })
	case halveCall:
		change(tid, halve)
	}
	return true
}

// judge says what to do to a call, and false where it does not concern the
// order. The caller holds mu.
func (t *tracer) judge(tid int, c call, r *unix.PtraceRegs) (did deed, ok bool) {
	o := &t.order
	if t.fired && o.Then != watchCall {
		if !o.within(c) {
			return watchCall, false
		}
		t.n++
		return o.Then, true
	}
	if !o.takes(c) || o.Do == failGrow && !c.grows(tid, r) {
		return watchCall, false
	}
	if t.n++; !o.due(t.n) {
		return watchCall, true
	}
	t.fired = true
	return o.Do, true
}

// change changes the call at which a thread has stopped.
func change(tid int, how func(*unix.PtraceRegs)) {
	var r unix.PtraceRegs
	if unix.PtraceGetRegs(tid, &r) != nil {
		return // It is gone.
	}
	how(&r)
	if err := unix.PtraceSetRegs(tid, &r); err != nil {
		fmt.Fprintln(os.Stderr, "changing a call:", err)
	}
}
