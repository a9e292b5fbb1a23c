package sqlite

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// longReader reads dir's store as another program does, until end.
func longReader(t *testing.T, dir, sql string) (end func()) {
	t.Helper()
	c, err := sqlite3.Open("file:" + filepath.Join(dir, "spool.db"))
	if err == nil {
		_, err = c.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true)
	}
	if err == nil {
		err = c.Exec(sql)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return func() { _ = c.Close() }
}

// While somebody reads for long the log grows, and events are taken. Once the
// reader has gone, its room comes back though nothing more is written.
func TestLogIsCutWhenALongReaderHasGone(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it writes 100 MiB")
	}
	s := mustOpen(t, t.TempDir(), Options{})
	accept(t, s, benchEvent(0), "a", false)
	end := longReader(t, s.dir, "BEGIN; SELECT count(*) FROM events")
	big := bytes.Repeat([]byte("x"), 1<<20)
	for n := range int64(2 * WALCap >> 20) {
		e := benchEvent(n + 1)
		e.Request.Body = big
		if _, err := s.Accept(bg, spool.Intake{Event: e}); err != nil {
			t.Fatal(err)
		}
	}
	size := func() int64 {
		fi, err := os.Stat(s.path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return fi.Size()
	}
	if size() < 2*WALCap {
		t.Fatalf("the log has %d MiB: nobody held it", size()>>20)
	}
	end()
	eventually(t, "a shorter log", func() error {
		if n := size(); n > WALCap {
			return errors.New("it is still long")
		}
		return nil
	})
	accept(t, s, benchEvent(1<<30), "a", false)
}

// A store opens and closes beside a reader that stays, knows all it knew, and
// tells of the reader.
func TestOpensBesideAReaderThatStays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	accept(t, s, benchEvent(0), "a", false)
	longReader(t, dir, "BEGIN; SELECT count(*) FROM events")
	for n := range int64(5) {
		accept(t, s, benchEvent(n+1), "a", false)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		var said lines
		s = mustOpen(t, dir, Options{Log: slog.New(slog.NewTextHandler(&said, nil))})
		if !strings.Contains(said.String(), "another process reads the store") {
			t.Errorf("it says %s", said.String())
		}
	}
	for n := range int64(6) {
		if rc, err := s.Accept(bg, spool.Intake{Event: benchEvent(n)}); err != nil || rc.Verdict != spool.Duplicate {
			t.Errorf("event %d is %v, %v", n, rc.Verdict, err)
		}
	}
}

// Who writes and does not end is named, and a start does not wait for ever.
func TestDoesNotOpenBesideAWriterThatStays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	accept(t, s, benchEvent(0), "a", false)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	end := longReader(t, dir, "BEGIN IMMEDIATE")
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), "has a transaction open that writes to the store; end it") {
		t.Errorf("error is %v", err)
	}
	end()
	mustOpen(t, dir, Options{})
}
