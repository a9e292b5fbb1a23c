//go:build linux

package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/record"
)

// cpu is the time this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// written is what this process has caused to be sent to disks, in bytes.
func written() int64 {
	b, _ := os.ReadFile("/proc/self/io")
	for _, line := range strings.Split(string(b), "\n") {
		var n int64
		if _, err := fmt.Sscanf(line, "write_bytes: %d", &n); err == nil {
			return n
		}
	}
	return 0
}

func openBench(b testing.TB, dir string) *Store {
	s, err := Open(dir, Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	if err := s.Configure(bg, "", "inbox", []spool.RouteName{{Name: "app"}, {Name: "held"}}); err != nil {
		b.Fatal(err)
	}
	return s
}

// load runs f from many goroutines, b.N times in all.
func load(b *testing.B, goroutines int, f func(n int64)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range goroutines {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				f(n)
			}
		}()
	}
	wg.Wait()
}

// measure runs f and reports CPU, fsyncs of commits and disk bytes an event.
func measure(b *testing.B, s *Store, f func()) {
	s.settleDown(b)
	c, w, k := cpu(), written(), s.count.commits.Load()
	b.ResetTimer()
	f()
	b.StopTimer()
	n := float64(b.N)
	b.ReportMetric(float64((cpu()-c).Microseconds())/n, "cpu-µs/event")
	b.ReportMetric(float64(s.count.commits.Load()-k)/n, "fsyncs/event")
	b.ReportMetric(float64(written()-w)/n, "diskB/event")
}

// settleDown lets the writer come to rest.
func (s *Store) settleDown(tb testing.TB) {
	if err := s.do(bg, false, 0, func(*writer) error { return nil }); err != nil {
		tb.Fatal(err)
	}
}

var serial atomic.Int64

func BenchmarkAccept(b *testing.B) {
	for _, g := range []int{1, 64} {
		b.Run(fmt.Sprintf("queued/%d", g), func(b *testing.B) {
			s := openBench(b, b.TempDir())
			base := serial.Add(1 << 32)
			measure(b, s, func() {
				load(b, g, func(n int64) { accept(b, s, benchEvent(base+n), "held", false) })
			})
		})
	}
}

// BenchmarkAcceptOrdered has ids that rise, as those of many platforms do.
func BenchmarkAcceptOrdered(b *testing.B) {
	s := openBench(b, b.TempDir())
	base := serial.Add(1 << 32)
	measure(b, s, func() {
		load(b, 64, func(n int64) {
			e := benchEvent(base + n)
			e.ID = fmt.Sprintf("evt_%016d", base+n)
			accept(b, s, e, "held", false)
		})
	})
}

// BenchmarkEvent is what making the event costs of the others' CPU time.
func BenchmarkEvent(b *testing.B) {
	c := cpu()
	for n := range b.N {
		e := benchEvent(int64(n))
		_ = record.EncodeHead(e, e.CreatedAt)
	}
	b.ReportMetric(float64((cpu()-c).Microseconds())/float64(b.N), "cpu-µs/event")
}

// BenchmarkLife accepts born running and settles.
func BenchmarkLife(b *testing.B) {
	for _, g := range []int{1, 64} {
		b.Run(fmt.Sprint(g), func(b *testing.B) {
			s := openBench(b, b.TempDir())
			base := serial.Add(1 << 32)
			measure(b, s, func() { load(b, g, func(n int64) { life(b, s, base+n) }) })
		})
	}
}

func life(tb testing.TB, s *Store, n int64) {
	r := accept(tb, s, benchEvent(n), "app", true)
	if len(r.Running) != 1 {
		tb.Errorf("%d born running", len(r.Running))
		return
	}
	if err := s.Settle(bg, spool.Settlement{
		Lease: r.Running[0].Lease, State: spool.Delivered,
		Attempt: spool.Attempt{N: 1, Start: time.Now(), Took: time.Millisecond, Status: 200, Response: []byte("OK")},
	}); err != nil {
		tb.Error(err)
	}
}

func BenchmarkDuplicate(b *testing.B) {
	s := openBench(b, b.TempDir())
	e := benchEvent(serial.Add(1 << 32))
	accept(b, s, e, "held", false)
	measure(b, s, func() {
		load(b, 64, func(int64) {
			if r, err := s.Accept(bg, spool.Intake{Event: e}); err != nil || r.Verdict != spool.Duplicate {
				b.Errorf("accept: %v %v", r, err)
			}
		})
	})
}

// BenchmarkFdatasync is the yardstick: one append of a page, made durable.
func BenchmarkFdatasync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "yardstick"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 3*4096)
	if _, err := f.Write(make([]byte, 16<<20)); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for n := range b.N {
		if _, err := f.WriteAt(page, int64(n%1000)*int64(len(page))); err != nil {
			b.Fatal(err)
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			b.Fatal(err)
		}
	}
}
