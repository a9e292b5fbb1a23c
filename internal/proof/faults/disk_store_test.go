package faults

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/sqlite"
)

// storeFiles are what is left of a store that has ended. Mark is the number of
// the last acknowledged event, as the store keeps it beside the database.
type storeFiles struct {
	DB, Log, Mark []byte
}

const (
	logHead  = 32
	logFrame = 24 + 4096
)

func readStore(t testing.TB, dir string) (f storeFiles) {
	t.Helper()
	for name, to := range map[string]*[]byte{"spool.db": &f.DB, "spool.db-wal": &f.Log, "acknowledged": &f.Mark} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		*to = b
	}
	return f
}

// write puts them into a directory. A nil file is not made. The index of the log
// goes, too: a child process that another test is just starting holds the lock on
// it for a moment longer, and what is then taken for in use belongs to other files.
func (f storeFiles) write(t testing.TB, dir string) {
	t.Helper()
	for name, b := range map[string][]byte{"spool.db": f.DB, "spool.db-wal": f.Log, "spool.db-shm": nil, "acknowledged": f.Mark} {
		path := filepath.Join(dir, name)
		err := os.Remove(path)
		if errors.Is(err, os.ErrNotExist) {
			err = nil
		}
		if err == nil && b != nil {
			err = os.WriteFile(path, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// commits are the ends of the transactions in the log.
func (f storeFiles) commits() (ends []int) {
	for at := logHead; at+logFrame <= len(f.Log); at += logFrame {
		if binary.BigEndian.Uint32(f.Log[at+4:]) != 0 {
			ends = append(ends, at+logFrame)
		}
	}
	return ends
}

// small is a store of n events on their way to the route "a", as a kill leaves
// it, and the same after a clean end.
func small(t testing.TB, n int) (killed, closed storeFiles) {
	t.Helper()
	dir := t.TempDir()
	s, err := sqlite.Open(dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := put(t, s, i); err != nil {
			t.Fatal(err)
		}
	}
	killed = readStore(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return killed, readStore(t, dir)
}

func smallEvent(i int) *spool.Event {
	return &spool.Event{
		Source: "inbox", ID: fmt.Sprintf("evt_%012d", i), Type: "message.read", Digest: spool.Digest{byte(i), 1},
		Request: spool.Request{Method: "POST", URI: "/webhooks/inbox", Body: fmt.Appendf(nil, `{"body":"of event %d"}`, i)},
	}
}

func put(t testing.TB, s spool.Store, i int) error {
	rc, err := s.Accept(t.Context(), spool.Intake{Event: smallEvent(i), Routes: []spool.RouteWish{{Route: "a"}}})
	if err == nil && rc.Verdict != spool.Accepted {
		err = errors.New(rc.Verdict.String())
	}
	return err
}

// found is what a store hands out.
type found struct {
	good    map[int]bool // delivered as they were stored
	damaged int          // told to be damaged
	wrong   []string     // handed out with other bytes
	known   map[int]bool // a copy is a duplicate
	err     error        // of opening, or of reading
	log     string
}

// tryStore opens the files in dir and takes all that it hands out.
func tryStore(t testing.TB, dir string, n int) (f found) {
	t.Helper()
	var log logged
	defer func() { f.log = log.String() }()
	f.good, f.known = map[int]bool{}, map[int]bool{}
	s, err := sqlite.Open(dir, sqlite.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		f.err = err
		return f
	}
	defer s.Close()
	got, err := s.Lease(t.Context(), spool.Pick{Owner: "o", Route: spool.RouteKey{Source: "inbox", Route: "a"}, N: n + 1, LeaseFor: time.Minute})
	if err != nil {
		f.err = err
		return f
	}
	for _, d := range got.Deliveries {
		i := int(d.Event.Digest[0])
		want := smallEvent(i)
		if d.Event.ID != want.ID || d.Event.Type != want.Type || !bytes.Equal(d.Event.Request.Body, want.Request.Body) || d.Event.Request.URI != want.Request.URI {
			f.wrong = append(f.wrong, d.Event.ID)
			continue
		}
		f.good[i] = true
	}
	page, err := s.Records(t.Context(), spool.Query{State: spool.Dead})
	if err != nil {
		f.err = err
		return f
	}
	f.damaged = len(page.Records)
	for i := range n {
		rc, err := s.Accept(t.Context(), spool.Intake{Event: smallEvent(i)})
		f.known[i] = err == nil && rc.Verdict == spool.Duplicate
	}
	return f
}

// logged is what a program logged.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// memory is a directory that costs no disk, where there is one.
func memory(t testing.TB) string {
	t.Helper()
	if fi, err := os.Stat("/dev/shm"); err != nil || !fi.IsDir() {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp("/dev/shm", "inboxgate-") //nolint:usetesting // As said.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
