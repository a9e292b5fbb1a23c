package spooltest

import (
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A case that hangs is a fault of the engine, not of the machine: no case
// needs a twentieth of this.
const caseLimit = 6 * time.Minute

// testCase is one duty.
type testCase struct {
	name string
	run  func(t testing.TB, mk Make)
}

// recorder is a testing.TB whose failures are only recorded, so that the
// suite can be run against an engine that is meant to fail.
type recorder struct {
	testing.TB
	name string

	mu sync.Mutex
	outcome
	cleanups []func()
}

// runCase runs one case in a goroutine of its own, because FailNow ends the
// goroutine that calls it.
func runCase(t testing.TB, c testCase, mk Make) outcome {
	return runFor(t, c, mk, caseLimit)
}

// outcome is what became of a case.
type outcome struct {
	failed, skipped bool
	log             []string
}

func (o outcome) text() string { return strings.Join(o.log, "\n") }

func runFor(t testing.TB, c testCase, mk Make, limit time.Duration) outcome {
	r := &recorder{TB: t, name: c.name}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer r.finish()
		defer r.recover()
		c.run(r, mk)
	}()
	over := time.NewTimer(limit)
	defer over.Stop()
	select {
	case <-done:
	case <-over.C:
		r.Errorf("no end within %v", limit)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.outcome
}

// finish runs the clean-ups, the last one first. One that fails does not keep
// the others from running.
func (r *recorder) finish() {
	for {
		r.mu.Lock()
		n := len(r.cleanups)
		if n == 0 {
			r.mu.Unlock()
			return
		}
		f := r.cleanups[n-1]
		r.cleanups = r.cleanups[:n-1]
		r.mu.Unlock()
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer r.recover()
			f()
		}()
		<-done
	}
}

func (r *recorder) recover() {
	if p := recover(); p != nil {
		r.Errorf("panic: %v\n%s", p, debug.Stack())
	}
}

func (r *recorder) write(fail bool, s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if fail {
		r.failed = true
	}
	r.log = append(r.log, place()+strings.TrimRight(s, "\n"))
}

// place returns the line of the case, not that of the rig which it stands on.
func place() string {
	for skip := 3; ; skip++ {
		_, path, line, ok := runtime.Caller(skip)
		if !ok {
			return ""
		}
		if file := filepath.Base(path); !slices.Contains([]string{"rig.go", "wants.go", "recorder.go", "modelcalls.go"}, file) {
			return fmt.Sprintf("%s:%d: ", file, line)
		}
	}
}

func (r *recorder) Helper()      {}
func (r *recorder) Name() string { return r.TB.Name() + "/" + r.name }

func (r *recorder) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

func (r *recorder) Fail() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = true
}

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

func (r *recorder) Skipped() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.skipped
}

func (r *recorder) FailNow() {
	r.Fail()
	runtime.Goexit()
}

func (r *recorder) SkipNow() {
	r.mu.Lock()
	r.skipped = true
	r.mu.Unlock()
	runtime.Goexit()
}

func (r *recorder) Log(a ...any)            { r.write(false, fmt.Sprintln(a...)) }
func (r *recorder) Logf(f string, a ...any) { r.write(false, fmt.Sprintf(f, a...)) }
func (r *recorder) Error(a ...any)          { r.write(true, fmt.Sprintln(a...)) }

func (r *recorder) Errorf(f string, a ...any) { r.write(true, fmt.Sprintf(f, a...)) }

func (r *recorder) Fatal(a ...any) {
	r.write(true, fmt.Sprintln(a...))
	runtime.Goexit()
}

func (r *recorder) Fatalf(f string, a ...any) {
	r.write(true, fmt.Sprintf(f, a...))
	runtime.Goexit()
}

func (r *recorder) Skip(a ...any) {
	r.write(false, fmt.Sprintln(a...))
	r.SkipNow()
}

func (r *recorder) Skipf(f string, a ...any) {
	r.write(false, fmt.Sprintf(f, a...))
	r.SkipNow()
}
