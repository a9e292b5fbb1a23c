package record

import (
	"bytes"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// TestDamagedEvent flips every byte of what is stored of one of three events,
// one at a time. It is never taken for what was stored.
func TestDamagedEvent(t *testing.T) {
	t.Parallel()
	e := &spool.Event{Source: "inbox", ID: "evt_1", Type: "message.delivered", CreatedAt: time.Now(), Digest: spool.Digest{1, 2}}
	e.Request.Header = http.Header{"Content-Type": {"application/json"}}
	e.Request.Body = []byte(`{"the body":"of it"}`)
	e.Received = time.Now()
	head := EncodeHead(e, e.Received)
	for at := range head {
		b := bytes.Clone(head)
		b[at] ^= 1 << (at % 8)
		got := &spool.Event{ID: e.ID, Type: e.Type, Request: spool.Request{Body: e.Request.Body}}
		if err := DecodeWhole(b, got); !errors.Is(err, ErrDamaged) {
			t.Errorf("byte %d of the head flipped: %v", at, err)
		}
	}
	for _, flip := range []func(*spool.Event){
		func(e *spool.Event) { e.ID = "f" + e.ID[1:] },
		func(e *spool.Event) { e.Type = "message.delivereD" },
		func(e *spool.Event) { e.Request.Body[3] ^= 1 },
	} {
		got := &spool.Event{ID: e.ID, Type: e.Type, Request: spool.Request{Body: bytes.Clone(e.Request.Body)}}
		if err := DecodeWhole(head, got); err != nil {
			t.Fatal(err)
		}
		flip(got)
		if err := DecodeWhole(head, got); !errors.Is(err, ErrDamaged) {
			t.Errorf("another field flipped: %v", err)
		}
	}
	older := head[:len(head)-sumSize]
	if err := DecodeWhole(older, &spool.Event{}); err != nil {
		t.Errorf("a head without a checksum: %v", err)
	}
}
