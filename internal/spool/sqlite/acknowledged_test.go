package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// copyOf copies some files of a running store, as a kill would leave them.
func copyOf(t testing.TB, dir string, names ...string) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// TestLogRemovedUnderARunningStore: what it held is not lost with it.
func TestLogRemovedUnderARunningStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	for n := range int64(20) {
		accept(t, s, benchEvent(n), "a", false)
	}
	if err := os.Remove(filepath.Join(dir, "spool.db-wal")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Accept(bg, spool.Intake{Event: benchEvent(20)}); !errors.Is(err, spool.ErrUnavailable) {
		t.Errorf("the next accept got %v", err)
	}
	for n := range int64(20) {
		eventually(t, "copy", func() error {
			rc, err := s.Accept(bg, spool.Intake{Event: benchEvent(n)})
			if err == nil && rc.Verdict != spool.Duplicate {
				t.Fatalf("event %d is %v", n, rc.Verdict)
			}
			return err
		})
	}
	if states, err := s.Routes(bg); err != nil || len(states) != 1 || states[0].Waiting != 20 {
		t.Errorf("routes: %+v, %v", states, err)
	}
}

// TestAcknowledgedIsMissed: a store that holds less than was acknowledged says
// so, and how much, and touches nothing until an operator lets it go on.
func TestAcknowledgedIsMissed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	for n := range int64(5) {
		accept(t, s, benchEvent(n), "a", false)
	}
	cut := copyOf(t, dir, "spool.db", "spool.db-wal", "acknowledged")
	gone := copyOf(t, dir, "spool.db", "acknowledged")
	log, err := os.ReadFile(filepath.Join(cut, "spool.db-wal"))
	if err != nil {
		t.Fatal(err)
	}
	log[logHead+3*frameSize+100] ^= 1
	if err := os.WriteFile(filepath.Join(cut, "spool.db-wal"), log, 0o600); err != nil {
		t.Fatal(err)
	}
	alone := copyOf(t, dir, "spool.db-wal")
	if _, err := Open(alone, Options{}); !errors.Is(err, spool.ErrDamaged) {
		t.Errorf("the log without its database: %v", err)
	}
	for name, dir := range map[string]string{"log with a flipped bit": cut, "log removed": gone} {
		_, err := Open(dir, Options{})
		if !errors.Is(err, spool.ErrDamaged) || !strings.Contains(err.Error(), "up to number 5 and ends at") {
			t.Errorf("%s: %v", name, err)
		}
		if err := os.Remove(filepath.Join(dir, "acknowledged")); err != nil {
			t.Fatal(err)
		}
		mustOpen(t, dir, Options{})
	}
}

// TestTornEndIsLogged: what SQLite drops in silence, the log of the program tells.
func TestTornEndIsLogged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	var ends []int
	for n := range int64(4) {
		accept(t, s, benchEvent(n), "a", false)
		ends = append(ends, logHead+s.w.logPages*frameSize)
	}
	whole := copyOf(t, dir, "spool.db", "spool.db-wal")
	db, err1 := os.ReadFile(filepath.Join(whole, "spool.db"))
	log, err2 := os.ReadFile(filepath.Join(whole, "spool.db-wal"))
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		log  []byte
		want string
	}{
		{"whole", log, ""},
		{"cut in the last commit", log[:ends[3]-1], fmt.Sprintf("kept=%d dropped=%d", ends[2], ends[3]-1-ends[2])},
		{"cut in a frame's head", log[:ends[2]+10], fmt.Sprintf("kept=%d dropped=10", ends[2])},
		{"zeros behind the last commit", append(bytes.Clone(log), make([]byte, frameSize)...), fmt.Sprintf("kept=%d dropped=%d", ends[3], frameSize)},
		{"zeros in the last commit", append(bytes.Clone(log[:ends[2]]), make([]byte, ends[3]-ends[2])...), fmt.Sprintf("kept=%d dropped=%d", ends[2], ends[3]-ends[2])},
		{"cut in the head", log[:20], "kept=0 dropped=20"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "spool.db")
		if err := errors.Join(os.WriteFile(path, db, 0o600), os.WriteFile(path+"-wal", c.log, 0o600)); err != nil {
			t.Fatal(err)
		}
		var said lines
		mustOpen(t, dir, Options{Log: slog.New(slog.NewTextHandler(&said, nil))})
		if got := said.String(); strings.Contains(got, "the end of the log") != (c.want != "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: want %q in %s", c.name, c.want, got)
		}
	}
}

// lines is what a program logged.
type lines struct {
	sync.Mutex
	b bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.Lock()
	defer l.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.Lock()
	defer l.Unlock()
	return l.b.String()
}
