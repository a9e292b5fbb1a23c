package sqlite

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

var writeGolden = flag.Bool("golden", false, "write the golden files of the present format anew")

// goldenTime is when the golden store lived.
var goldenTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// golden is the directory of a format. A format that was released stays there,
// and is read for ever; a new one gets files of its own.
func golden(format int) string { return filepath.Join("testdata", fmt.Sprintf("format-%d", format)) }

func goldenEvent(n int64) *spool.Event {
	e := benchEvent(n)
	e.CreatedAt, e.Received = goldenTime.Add(-time.Duration(n)*time.Second), goldenTime
	e.Request.Body = fmt.Appendf(nil, `{"golden":%d}`, n)
	return e
}

// TestGolden opens the files that a process of each format left when it was
// killed, and finds what they hold.
func TestGolden(t *testing.T) {
	t.Parallel()
	if *writeGolden {
		makeGolden(t)
	}
	for format := 1; format <= schemaVersion; format++ {
		s := mustOpen(t, openGolden(t, format), Options{Now: func() time.Time { return goldenTime.Add(time.Minute) }})
		check(t, s)
		page, err := s.Records(bg, spool.Query{})
		if err != nil || len(page.Records) != 4 {
			t.Fatalf("format %d: %d events, %v", format, len(page.Records), err)
		}
		want := []spool.State{spool.Delivered, spool.Dead, spool.Retrying, spool.Available}
		for i, rec := range page.Records {
			n := int64(3 - i) // newest first
			e, had := rec.Event, goldenEvent(n)
			if e.ID != had.ID || !e.CreatedAt.Equal(had.CreatedAt) || !bytes.Equal(e.Request.Body, had.Request.Body) ||
				e.Digest != had.Digest || e.Request.URI != had.Request.URI || len(e.Request.Header) != len(had.Request.Header) {
				t.Errorf("format %d: event %d is %+v", format, n, e)
			}
			if d := rec.Deliveries; len(d) != 1 || d[0].Route != "a" || d[0].State != want[n] {
				t.Errorf("format %d: the delivery of event %d is %+v", format, n, d)
			}
			if behind := format >= orderVersion && n == 3; rec.Deliveries[0].Behind != behind {
				t.Errorf("format %d: event %d waits behind another of its key: %v, want %v", format, n, !behind, behind)
			}
		}
		odd, err := s.Records(bg, spool.Query{Kind: spool.Quarantined})
		if err != nil || len(odd.Records) != 1 || odd.Records[0].Reason != "broken JSON" {
			t.Errorf("format %d: quarantine %+v, %v", format, odd, err)
		}
		for n := range int64(4) {
			if rc, err := s.Accept(bg, spool.Intake{Event: goldenEvent(n)}); err != nil || rc.Verdict != spool.Duplicate {
				t.Errorf("format %d: a copy of event %d is %v, %v", format, n, rc.Verdict, err)
			}
		}
	}
}

// TestOtherFormats: what cannot be read is refused, and left byte for byte.
func TestOtherFormats(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		at   int // of the big-endian number in the header
		last byte
	}{{"a newer version", 60 + 3, schemaVersion + 1}, {"version 0", 60 + 3, 0}, {"another program's", 68 + 3, 'y'}} {
		// A closed store, so that the header is not in the log, and the same with
		// the log of a killed one beside it.
		for _, log := range []bool{false, true} {
			dir := openGolden(t, schemaVersion)
			path := filepath.Join(dir, "spool.db")
			if !log {
				mustOpen(t, dir, Options{Now: func() time.Time { return goldenTime.Add(time.Minute) }}).Close()
			}
			db, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			db[c.at] = c.last
			if err := os.WriteFile(path, db, 0o600); err != nil {
				t.Fatal(err)
			}
			before, _ := os.ReadFile(path + "-wal")
			if _, err := Open(dir, Options{}); err == nil {
				t.Errorf("%s, log %v: opened", c.name, log)
			}
			after, err1 := os.ReadFile(path)
			logAfter, _ := os.ReadFile(path + "-wal")
			if err1 != nil || !bytes.Equal(after, db) || !bytes.Equal(logAfter, before) {
				t.Errorf("%s, log %v: the files have changed", c.name, log)
			}
		}
	}
}

func openGolden(t *testing.T, format int) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"spool.db", "spool.db-wal", "acknowledged"} {
		f, err := os.Open(filepath.Join(golden(format), name+".gz"))
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(z)
		if err := errors.Join(err, f.Close(), os.WriteFile(filepath.Join(dir, name), b, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// makeGolden leaves half of the store in the database, and half in the log.
func makeGolden(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	o := Options{Now: func() time.Time { return goldenTime }}
	s := mustOpen(t, dir, o)
	for n := range int64(4) {
		if n == 2 {
			s.Close()
			s = mustOpen(t, dir, o)
		}
		in := spool.Intake{Event: goldenEvent(n), Owner: "one", LeaseFor: time.Minute, Routes: []spool.RouteWish{{Route: "a", Start: n < 3}}}
		if n > 1 {
			in.Routes[0].Key = "x"
		}
		rc, err := s.Accept(bg, in)
		if err != nil || len(rc.Running) != 1 && n < 3 {
			t.Fatalf("event %d: %+v, %v", n, rc, err)
		}
		st := spool.Settlement{Attempt: spool.Attempt{N: 1, Start: goldenTime, Status: 500, Response: []byte("no")}}
		switch n {
		case 0:
			st.State = spool.Delivered
		case 1:
			st.State, st.Reason = spool.Dead, "refused for good"
		case 2:
			st.State, st.Due = spool.Retrying, goldenTime.Add(time.Hour)
		case 3:
			continue
		}
		if st.Lease = rc.Running[0].Lease; s.Settle(bg, st) != nil {
			t.Fatal("settling failed")
		}
	}
	odd := goldenEvent(100)
	odd.ID, odd.Type = "", ""
	if err := s.Quarantine(bg, spool.Odd{Event: odd, Reason: "broken JSON"}); err != nil {
		t.Fatal(err)
	}
	from := copyOf(t, dir, "spool.db", "spool.db-wal", "acknowledged")
	if err := os.MkdirAll(golden(schemaVersion), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"spool.db", "spool.db-wal", "acknowledged"} {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		_, err = w.Write(b)
		if err := errors.Join(err, w.Close(), os.WriteFile(filepath.Join(golden(schemaVersion), name+".gz"), z.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}
