package sqlite

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/spooltest"
)

// check is what SQLite itself thinks of the file.
func check(t testing.TB, s *Store) {
	t.Helper()
	err := s.logs.read(bg, func(c *conn) error {
		st := c.prepare("PRAGMA integrity_check")
		if c.err != nil {
			return c.err
		}
		defer st.Close()
		return st.each(func() error {
			if row := st.ColumnText(0); row != "ok" {
				return errors.New(row)
			}
			return nil
		})
	})
	if err != nil {
		t.Fatalf("integrity: %v", err)
	}
}

// TestRandomCrashes ends the process at random moments, with random syncs that
// fail and random unsynced pages that reached the disk all the same. What was
// acknowledged is there, and the file is whole.
func TestRandomCrashes(t *testing.T) {
	t.Parallel()
	for name, lim := range map[string]limits{"": {}, "while merging": tiny} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			randomCrashes(t, lim, false)
		})
	}
	t.Run("beside a reader that stays", func(t *testing.T) {
		t.Parallel()
		randomCrashes(t, limits{}, true)
	})
}

func randomCrashes(t *testing.T, lim limits, stays bool) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	rounds := 40
	if testing.Short() {
		rounds = 10
	}
	e := newEngine(t)
	e.lim = lim
	acked := map[int64]bool{}
	next := int64(0)
	var other *otherProcess
	for round := range rounds {
		if stays {
			other = other.sometimes(t, e, r)
		}
		s, err := e.Open(t, spooltest.Options{Now: time.Now})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		check(t, e.st)
		next = crashRound(t, e, s, r, acked, next)
		keep := half(r.Uint64())
		if r.IntN(2) == 0 {
			keep = nil
		}
		cut := r.IntN(3) > 0
		if cut {
			other = other.end()
		}
		e.m.end(cut, keep)
		e.Kill(t)
	}
	other.end()
	s, err := e.Open(t, spooltest.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	check(t, e.st)
	for n := range acked {
		rc, err := s.Accept(bg, spool.Intake{Event: benchEvent(n)})
		if err != nil || rc.Verdict != spool.Duplicate {
			t.Fatalf("event %d was acknowledged and is now %v, %v", n, rc.Verdict, err)
		}
	}
	if err := e.st.logs.read(bg, func(c *conn) error {
		n, err := c.one("SELECT count(*) FROM ids WHERE seq NOT IN (SELECT seq FROM events)")
		if n != 0 {
			t.Errorf("%d ids without their event", n)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if len(acked) < rounds {
		t.Fatalf("only %d accepts in %d rounds", len(acked), rounds)
	}
	t.Logf("%d accepts in %d rounds", len(acked), rounds)
}

// crashRound works from some goroutines until the process is ended from
// outside, after a random number of answers.
func crashRound(t *testing.T, e *engine, s spool.Store, r *rand.Rand, acked map[int64]bool, next int64) int64 {
	if r.IntN(2) == 0 {
		e.FailSyncs(r.IntN(20), 1+r.IntN(3))
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	enough := r.IntN(60)
	done := make(chan struct{})
	stop := sync.OnceFunc(func() { close(done) })
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				select {
				case <-done:
					return
				default:
				}
				mu.Lock()
				next++
				n := next
				mu.Unlock()
				in := spool.Intake{
					Event: benchEvent(n), Owner: "o", LeaseFor: time.Minute,
					Routes: []spool.RouteWish{{Route: "a", Start: n%2 == 0}, {Route: "b"}},
				}
				rc, err := s.Accept(bg, in)
				mu.Lock()
				if err == nil {
					acked[n] = true
				}
				if err == nil {
					enough--
				}
				if enough < 0 {
					stop()
				}
				mu.Unlock()
				if err == nil && len(rc.Running) > 0 {
					_ = s.Settle(bg, spool.Settlement{Lease: rc.Running[0].Lease, State: spool.Delivered})
				}
			}
		}()
	}
	wg.Wait()
	return next
}

const childDir = "INBOXGATE_TEST_CHILD"

// TestKill ends a real process with SIGKILL and finds all it had said.
func TestKill(t *testing.T) {
	if dir := os.Getenv(childDir); dir != "" {
		acceptForEver(dir)
		return
	}
	t.Parallel()
	dir := t.TempDir()
	rounds := 5
	if testing.Short() {
		rounds = 2
	}
	acked := 0
	for round := range rounds {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), childDir+"="+dir, fmt.Sprintf("%s_BASE=%d", childDir, round*1e9))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var said []int64
		lines := bufio.NewScanner(out)
		for len(said) < 200 && lines.Scan() {
			var n int64
			if _, err := fmt.Sscanf(lines.Text(), "acked %d", &n); err == nil {
				said = append(said, n)
			}
		}
		_ = cmd.Process.Kill()
		for lines.Scan() { // what was said before the end counts
			var n int64
			if _, err := fmt.Sscanf(lines.Text(), "acked %d.", &n); err == nil && bytes.HasSuffix(lines.Bytes(), []byte(".")) {
				said = append(said, n)
			}
		}
		_ = cmd.Wait()
		acked += len(said)
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		check(t, s)
		for _, n := range said {
			rc, err := s.Accept(bg, spool.Intake{Event: benchEvent(n)})
			if err != nil || rc.Verdict != spool.Duplicate {
				t.Errorf("event %d was acknowledged and is now %v, %v", n, rc.Verdict, err)
			}
		}
		s.Close()
	}
	if acked < 200*rounds {
		t.Errorf("%d accepts in %d rounds", acked, rounds)
	}
}

func acceptForEver(dir string) {
	s, err := Open(dir, Options{limits: limits{recent: 32, run: 10}})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	base := int64(0)
	_, _ = fmt.Sscan(os.Getenv(childDir+"_BASE"), &base)
	ctx, cancel := context.WithTimeout(bg, time.Minute)
	defer cancel()
	var mu sync.Mutex
	for range 4 {
		go func() {
			for ctx.Err() == nil {
				mu.Lock()
				base++
				n := base
				mu.Unlock()
				if rc, err := s.Accept(ctx, spool.Intake{Event: benchEvent(n), Routes: []spool.RouteWish{{Route: "a"}}}); err == nil && rc.Verdict == spool.Accepted {
					fmt.Printf("acked %d.\n", n)
				}
			}
		}()
	}
	<-ctx.Done()
	os.Exit(1)
}
