package body

import (
	"errors"
	"io"
	"math"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// room is a pair of budgets.
func room(small, large int64) *Budgets {
	b := new(Budgets)
	b.small.max, b.large.max = small, large
	return b
}

func (b *Budgets) used() [2]int64 { return [2]int64{b.small.used.Load(), b.large.used.Load()} }

// of returns one for a body of 1 MiB at most. Its abort ends the body.
func (b *Budgets) of(body *stalling) *Body {
	abort := func() {}
	if body != nil {
		abort = body.end
	}
	return b.reader(1<<20, time.Now().Add(time.Hour), abort)
}

// stalling is a body that never ends by itself, after some bytes.
type stalling struct {
	some  io.Reader
	stuck chan struct{} // Closed when all of them have been read.
	ended chan struct{}
	once  [2]sync.Once
}

func stall(n int) *stalling {
	return &stalling{some: strings.NewReader(strings.Repeat("x", n)), stuck: make(chan struct{}), ended: make(chan struct{})}
}

func (s *stalling) end() { s.once[0].Do(func() { close(s.ended) }) }

func (s *stalling) Read(p []byte) (int, error) {
	if n, err := s.some.Read(p); err == nil {
		return n, nil
	}
	s.once[1].Do(func() { close(s.stuck) })
	<-s.ended
	return 0, os.ErrDeadlineExceeded
}

func whole(n int) io.Reader { return strings.NewReader(strings.Repeat("x", n)) }

func crowded(err error) bool {
	var no Error
	return errors.As(err, &no) && no.Status == http.StatusServiceUnavailable
}

// Slow large bodies cannot take the room that small ones need.
func TestBodyBudget(t *testing.T) {
	t.Parallel()
	b := room(200<<10, 400<<10)
	first := b.of(nil)
	if err := first.readAll(whole(150<<10), -1); err != nil {
		t.Fatal(err)
	}
	if used := b.used(); used[0] != 0 || used[1] < int64(cap(first.buf)) {
		t.Errorf("a large body of %d bytes in memory took %d of the small budget and %d of the large", cap(first.buf), used[0], used[1])
	}
	// It is being stored, so nobody may take its room.
	second := b.of(nil)
	if err := second.readAll(whole(150<<10), -1); !crowded(err) {
		t.Errorf("a second large body: %v", err)
	}
	second.release()
	small := b.of(nil)
	if err := small.readAll(whole(60<<10), -1); err != nil {
		t.Errorf("a small body beside it: %v", err)
	}
	small.release()
	first.release()
	if used := b.used(); used != [2]int64{} {
		t.Errorf("%d bytes of the budgets are lost", used)
	}
}

// What is counted is what is allocated, whatever way the bytes come.
func TestBodyBudgetCountsWhatIsAllocated(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 269, 511, 512, 513, 4095, 4096, 5000, 16 << 10, Small - 1, Small, Small + 1, 100_000, 1 << 20} {
		for _, announced := range []int64{-1, int64(n), 1 << 20} {
			b := room(64<<20, 128<<20)
			r := b.of(nil)
			if err := r.readAll(io.MultiReader(whole(n/2), whole(n-n/2)), announced); err != nil {
				t.Fatalf("%d bytes: %v", n, err)
			}
			used := b.used()
			if got := used[0] + used[1]; got != int64(cap(r.buf)) || len(r.buf) != n {
				t.Errorf("%d bytes, %d announced: %d are counted of %d in memory", n, announced, got, cap(r.buf))
			}
			if announced == int64(n) && cap(r.buf) > n+512 {
				t.Errorf("%d bytes were announced and came, and %d were allocated", n, cap(r.buf))
			}
			if cap(r.buf) > max(2*n, 4096)+1 {
				t.Errorf("%d bytes that came, %d announced, have %d in memory", n, announced, cap(r.buf))
			}
			r.release()
			if used := b.used(); used != [2]int64{} {
				t.Errorf("%d bytes: %d are lost", n, used)
			}
		}
	}
}

// Where slow bodies have all the room, each that comes whole is taken, and the
// oldest of the slow ones ends.
func TestGoodBodiesDoNotStarve(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"small": 60_000, "large": 1_000_000, "one byte": 1, "none": 0} {
		b := room(1<<20, 8<<20)
		var slow []*stalling
		var ended sync.WaitGroup
		for range 100 {
			s := stall(size)
			slow = append(slow, s)
			ended.Go(func() {
				r := b.of(s)
				err := r.readAll(s, 1<<20-1)
				r.release()
				if !crowded(err) && !errors.Is(err, ErrSlow) {
					t.Errorf("%s: a slow body ended with %v", name, err)
				}
			})
			<-s.stuck
		}
		for range 50 {
			for _, n := range []int{300, 5_000, 60_000, 200_000} {
				r := b.of(nil)
				if err := r.readAll(whole(n), int64(n)); err != nil {
					t.Errorf("%s: a good body of %d bytes: %v", name, n, err)
				}
				r.release()
			}
		}
		if used := b.used(); used[0] > b.small.max || used[1] > b.large.max {
			t.Errorf("%s: %d bytes are used", name, used)
		}
		for _, s := range slow {
			s.end()
		}
		ended.Wait()
		if used := b.used(); used != [2]int64{} {
			t.Errorf("%s: %d bytes of the budgets are lost", name, used)
		}
	}
}

// The budgets follow the memory limit, and leave most of it to all else.
func TestBodyBudgetsFollowTheMemoryLimit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ limit, small, large int64 }{
		{241591910, 241591910 / 8, 241591910 / 8}, // Of a group of 256 MiB.
		{512 << 20, 64 << 20, 64 << 20},
		{22 << 30, 64 << 20, 128 << 20},
		{math.MaxInt64, 64 << 20, 128 << 20},
		{16 << 20, 4 << 20, 4 << 20}, // Too little for anything: events come first.
	} {
		b := New(c.limit)
		if b.small.max != c.small || b.Largest() != c.large {
			t.Errorf("of %d bytes %d and %d are for bodies, want %d and %d", c.limit, b.small.max, b.Largest(), c.small, c.large)
		}
	}
}

// One sender of good large bodies has room for each of them under the least memory,
// although the one before may still be with the store.
func TestOneSenderAlwaysHasRoom(t *testing.T) {
	t.Parallel()
	for _, announced := range []int64{900_000, -1} {
		b := New(16 << 20)
		var before *Body
		for n := range 100 {
			r := b.of(nil)
			if err := r.readAll(whole(900_000), announced); err != nil {
				t.Fatalf("body %d, %d bytes announced: %v", n, announced, err)
			}
			if before != nil {
				before.release()
			}
			before = r
		}
		before.release()
		if used := b.used(); used != [2]int64{} {
			t.Errorf("%d bytes of the budgets are lost", used)
		}
	}
}
