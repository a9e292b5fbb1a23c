package minutes

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

// What is counted is in the minute in which it happened, and leaves after 60.
func TestMinutesAreCountedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New("signature_missing", "timeout")
		s, r := h.Source("inbox"), h.Route("inbox", "app")
		began := time.Now()
		for m := range 200 { // More than the ring has, three times.
			for range m + 1 {
				s.Accepted(time.Now(), time.Millisecond)
				r.Failed(Outcome{At: time.Now(), Status: 500})
			}
			s.Duplicate(time.Now(), time.Millisecond)
			s.Quarantined(time.Now(), time.Millisecond)
			s.Refused("timeout")
			s.Refused("none that is known")
			r.Waits(int64(m))
			r.Died()
			v := h.View()
			n, a := s.Read(v), r.Read(v)
			first := max(0, m-Kept+1)
			for i := range n.Accepted {
				want := int64(first + i + 1)
				if n.Accepted[i] != want || a.Failed[i] != want || n.Duplicate[i] != 1 || n.Quarantined[i] != 1 || n.Refused[i] != 1 || a.Dead[i] != 1 || a.Waiting[i] != want-1 || a.Delivered[i] != 0 {
					t.Fatalf("minute %d, seen in minute %d: %+v %+v at %d, want %d", first+i, m, n, a, i, want)
				}
			}
			if want := min(m+1, Kept); len(n.Accepted) != want {
				t.Fatalf("in minute %d there are %d minutes, want %d", m, len(n.Accepted), want)
			}
			times := v.Times()
			if want := began.Add(time.Duration(first) * time.Minute); !times[0].Equal(want) || len(times) != len(n.Accepted) {
				t.Fatalf("in minute %d the first is %v of %d, want %v", m, times[0], len(times), want)
			}
			time.Sleep(time.Minute)
		}
	})
}

// An hour without anything leaves nothing of the one before it.
func TestSilenceEmptiesTheHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New()
		s, r := h.Source("inbox"), h.Route("inbox", "app")
		s.Accepted(time.Now().Add(-time.Second), time.Second)
		r.Waits(7)
		r.Delivered(Outcome{At: time.Now(), Took: time.Second, Status: 204})
		at := time.Now()
		time.Sleep(Kept * time.Minute)
		v := h.View()
		if n := Sum(s.Read(v).Accepted); n != 0 {
			t.Errorf("%d accepted, an hour later", n)
		}
		if w := r.Read(v).Waiting; slices.Max(w) != -1 {
			t.Errorf("waiting %v, want not known", w)
		}
		if p := slices.Max(s.Took(v).P99); p != 0 {
			t.Errorf("p99 is %v of nothing", p)
		}
		if !s.Last().Equal(at) {
			t.Errorf("the last event came at %v, want %v", s.Last(), at)
		}
		if good, bad := r.Last(); good.Status != 204 || !good.At.Equal(at) || bad != (Outcome{}) {
			t.Errorf("last attempts %+v and %+v", good, bad)
		}
	})
}

// A percentile is never too low, at most an eighth too high, in the minute itself and
// later on.
func TestPercentiles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New()
		s := h.Source("inbox")
		random := rand.New(rand.NewPCG(1, 2))
		type want struct{ p50, p99 time.Duration }
		var wants []want
		for range 30 {
			var all []time.Duration
			for range 500 {
				d := time.Duration(random.ExpFloat64()*float64(20*time.Millisecond)) + 100*time.Microsecond
				all = append(all, d)
				s.Accepted(time.Now().Add(-d), d)
			}
			slices.Sort(all)
			wants = append(wants, want{all[249], all[494]})
			took := s.Took(h.View())
			for i, w := range wants {
				for _, c := range [][2]time.Duration{{took.P50[i], w.p50}, {took.P99[i], w.p99}} {
					if got, want := c[0], c[1]; got < want || got > want+want/8+8*time.Microsecond {
						t.Fatalf("minute %d of %d: %v, want %v or a little more", i, len(wants), got, want)
					}
				}
			}
			time.Sleep(time.Minute)
		}
	})
}

func TestBucketsHoldTheirTimes(t *testing.T) {
	t.Parallel()
	for us := uint32(0); us < 1<<27-1; us += 1 + us/50 {
		b := bucket(time.Duration(us) * time.Microsecond)
		if top := ceiling(b); us >= top || b > 0 && us < ceiling(b-1) {
			t.Fatalf("%d µs is in bucket %d, which ends at %d", us, b, top)
		}
	}
	for _, d := range []time.Duration{-time.Second, 0, time.Hour, 1 << 62} {
		if b := bucket(d); b < 0 || b >= buckets {
			t.Errorf("%v is in bucket %d", d, b)
		}
	}
}

// Counts from many goroutines, at the turn of a minute too, are all there once.
func TestNothingIsLostAtTheTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New()
		s := h.Source("inbox")
		const each, workers = 3000, 8
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for i := range each {
					s.Accepted(time.Now(), time.Millisecond)
					if i%100 == 0 {
						time.Sleep(time.Minute) // All wake at the same turn.
					}
				}
			})
		}
		wg.Wait()
		if n := Sum(s.Read(h.View()).Accepted); n != each*workers {
			t.Errorf("%d accepted, want %d", n, each*workers)
		}
	})
}

// The package comment states what a source and a route take.
func TestMemoryIsAsStated(t *testing.T) {
	t.Parallel()
	reasons := make([]string, 12)
	h := New(reasons...)
	size := func(s *series, whole uintptr) uintptr {
		return whole + uintptr(cap(s.counts))*unsafe.Sizeof(s.counts[0])
	}
	s, r := h.Source("a"), h.Route("a", "b")
	if n := size(&s.series, unsafe.Sizeof(*s)); n > 7<<10 {
		t.Errorf("a source takes %d bytes", n)
	}
	if n := size(&r.series, unsafe.Sizeof(*r)); n > 4<<10 {
		t.Errorf("a route takes %d bytes", n)
	}
}

func TestCountingAllocatesNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts those of others.
	h := New("x")
	s, r := h.Source("a"), h.Route("a", "b")
	if allocs := testing.AllocsPerRun(1000, func() { s.Accepted(time.Now(), time.Millisecond); s.Refused("x"); r.Died() }); allocs != 0 {
		t.Errorf("%v allocations to count", allocs)
	}
}

// A sample is due once in each period.
func TestDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New()
		n := 0
		for range 100 {
			if h.Due(20 * time.Second) {
				n++
			}
			time.Sleep(time.Second)
		}
		if n != 5 {
			t.Errorf("%d samples in 100 s, want 5", n)
		}
	})
}

func BenchmarkAccepted(b *testing.B) {
	s := New("timeout").Source("inbox")
	came := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		s.Accepted(came, 3*time.Millisecond)
	}
}

func BenchmarkAcceptedTogether(b *testing.B) {
	s := New("timeout").Source("inbox")
	came := time.Now()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s.Accepted(came, 3*time.Millisecond)
		}
	})
}
