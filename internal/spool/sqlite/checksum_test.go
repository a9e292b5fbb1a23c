package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// TestDamagedEvent flips every byte of what is stored of one of three events,
// one at a time. It is never handed out with other bytes: it becomes a dead
// letter that says why, and the others are delivered.
func TestDamagedEvent(t *testing.T) {
	t.Parallel()
	e := benchEvent(1)
	e.Request.Body = []byte(`{"the body":"of it"}`)
	e.Received = time.Now()
	head := encodeHead(e, e.Received)
	for at := range head {
		b := bytes.Clone(head)
		b[at] ^= 1 << (at % 8)
		got := &spool.Event{ID: e.ID, Type: e.Type, Request: spool.Request{Body: e.Request.Body}}
		if err := decodeWhole(b, got); !errors.Is(err, errEncoding) {
			t.Errorf("byte %d of the head flipped: %v", at, err)
		}
	}
	for _, flip := range []func(*spool.Event){
		func(e *spool.Event) { e.ID = "f" + e.ID[1:] },
		func(e *spool.Event) { e.Type = "message.delivereD" },
		func(e *spool.Event) { e.Request.Body[3] ^= 1 },
	} {
		got := &spool.Event{ID: e.ID, Type: e.Type, Request: spool.Request{Body: bytes.Clone(e.Request.Body)}}
		if err := decodeWhole(head, got); err != nil {
			t.Fatal(err)
		}
		flip(got)
		if err := decodeWhole(head, got); !errors.Is(err, errEncoding) {
			t.Errorf("another field flipped: %v", err)
		}
	}
	older := head[:len(head)-sumSize]
	if err := decodeWhole(older, &spool.Event{}); err != nil {
		t.Errorf("a head without a checksum: %v", err)
	}
}

func TestDamagedEventIsADeadLetter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	for n := range int64(3) {
		e := benchEvent(n)
		e.Request.Body = fmt.Appendf(nil, `{"the body of number":%d}`, n)
		accept(t, s, e, "a", false)
	}
	s.Close()
	path := filepath.Join(dir, "spool.db")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, []byte(`body of number":1`))
	b[at] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	var said lines
	s = mustOpen(t, dir, Options{Log: slog.New(slog.NewTextHandler(&said, nil))})
	got, err := s.Lease(bg, spool.Pick{Owner: "o", Route: spool.RouteKey{Source: "inbox", Route: "a"}, N: 10, LeaseFor: time.Minute})
	if err != nil || len(got.Deliveries) != 2 {
		t.Fatalf("leased %d, %v", len(got.Deliveries), err)
	}
	page, err := s.Records(bg, spool.Query{State: spool.Dead})
	if err != nil || len(page.Records) != 1 || page.Records[0].Reason != reasonDamaged ||
		page.Records[0].Deliveries[0].Reason != reasonDamaged || page.Records[0].Event.ID != benchEvent(1).ID {
		t.Errorf("dead letters: %+v, %v", page, err)
	}
	if all, err := s.Records(bg, spool.Query{}); err != nil || len(all.Records) != 3 {
		t.Errorf("%d records, %v", len(all.Records), err)
	}
	if !strings.Contains(said.String(), `level=ERROR msg="a stored event is damaged`) {
		t.Errorf("not told: %s", said.String())
	}
	if states, err := s.Routes(bg); err != nil || states[0].Dead != 1 || states[0].Running != 2 {
		t.Errorf("routes: %+v, %v", states, err)
	}
}
