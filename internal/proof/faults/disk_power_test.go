//go:build linux

package faults

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// TestFaultPowerCut cuts the power of the file system below the real process:
// what was not flushed to the medium is gone, and its journal is replayed. The
// rounds differ in what is going on then.
func TestFaultPowerCut(t *testing.T) {
	t.Parallel()
	proctest.Needs(t, append(onWeakDisk, "strace")...)
	p := &power{t: t, d: newWeakDisk(t)}
	// The small disk must not fill up: below the floor nothing is accepted.
	p.Rig = rig.New(t, rig.Options{Data: p.d.spool(), Rate: 150, Wrap: func(argv []string) []string {
		return append(append([]string{}, p.wrap...), argv...)
	}})
	kinds := []func(){p.underLoad, p.beforeFsync, p.inDrain, p.inCheckpoint}
	rounds := rig.Rounds(4, 40)
	for n := range rounds {
		kinds[n%len(kinds)]()
	}
	p.Start()
	p.Settle()
	if code := p.Stop(); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
	p.Books()
	report := p.Report([]int{3}, "power cut: under load, before an fsync, in a drain, in a checkpoint", rounds)
	if report.Acked < 20*rounds {
		t.Errorf("%d events were acknowledged: that is no load", report.Acked)
	}
}

type power struct {
	*rig.Rig
	t    *testing.T
	d    *weakDisk
	wrap []string // of the next life
}

// slow has the calls of the next life take a while before they begin.
func (p *power) slow(calls, while string, paths ...string) {
	p.wrap = []string{"strace", "-f", "-qq", "-o", "/dev/null"}
	for _, path := range paths {
		p.wrap = append(p.wrap, "-P", path)
	}
	p.wrap = append(p.wrap, "-e", "trace="+calls, "-e", "inject="+calls+":delay_enter="+while, "--")
}

// cut cuts the power of the present life. The process goes first, by moments: an
// fsync that is under way while the file system is shut down may return success
// for what its journal never got, as a bare loop of appends and fsyncs shows in
// one of ten such cuts. A machine without power answers nobody after that.
func (p *power) cut() {
	p.t.Helper()
	if err := syscall.Kill(p.Find(), syscall.SIGKILL); err != nil {
		p.t.Fatal(err)
	}
	p.d.powerCut()
	p.Died(history.PowerCut)
	p.d.back()
	p.wrap = nil
}

// wait lets a random part of the time pass.
func (p *power) wait(most time.Duration) {
	<-time.After(time.Duration(p.Random.Int64N(int64(most))))
}

// underLoad cuts at a random moment, or right when an answer has come.
func (p *power) underLoad() {
	p.StartApps()
	p.Start()
	p.Again(0.5, 0.25)
	stop := p.Background(0)
	p.AwaitAcked(50)
	p.wait(600 * time.Millisecond)
	if p.Random.IntN(2) == 0 {
		awaitAnswer(p.Log)
	}
	p.cut()
	stop()
}

// beforeFsync has each fsync take its time, so that nearly every moment lies
// between a write and the fsync after it.
func (p *power) beforeFsync() {
	p.StartApps()
	p.slow("fsync,fdatasync", "60ms")
	p.Start()
	stop := p.Background(64)
	p.AwaitAcked(50)
	p.wait(300 * time.Millisecond)
	p.cut()
	stop()
}

// inDrain cuts while what waits is delivered and nothing is accepted: settles
// alone need no fsync of their own.
func (p *power) inDrain() {
	p.StopApps()
	p.Start()
	stop := p.Background(0)
	p.AwaitAcked(150)
	stop()
	p.StartApps()
	p.AwaitArrivals(1 + p.Random.IntN(100))
	p.wait(300 * time.Millisecond)
	p.cut()
}

// inCheckpoint cuts while a start copies the log of a killed process into the
// database, or cuts the log off.
func (p *power) inCheckpoint() {
	p.StartApps()
	p.Start()
	stop := p.Background(0)
	p.AwaitAcked(100)
	p.Kill()
	stop()
	db := p.d.spool() + "/spool.db"
	p.slow("pwrite64,ftruncate,fdatasync,fsync", "15ms", db, db+"-wal")
	lock := filepath.Join(p.d.spool(), "lock")
	before, err := os.ReadFile(lock)
	if err != nil {
		p.t.Fatal(err)
	}
	p.Begin()
	until(p.t, "the next process on the directory", func() bool {
		now, err := os.ReadFile(lock)
		return err == nil && len(now) > 0 && !bytes.Equal(now, before)
	})
	p.wait(800 * time.Millisecond)
	p.cut()
}

// until waits for what no record tells.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	patience := time.After(proctest.Patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-patience:
			t.Fatalf("after %s still no sign of this: %s", proctest.Patience, what)
		}
	}
}
