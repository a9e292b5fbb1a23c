package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

var bg = context.Background()

var body = []byte(`{"id":"evt_12345678901234","type":"message.delivered","created_at":"2026-01-15T10:25:03Z","data":{"message_id":"msg_1234567890","to":"+15551234567","delivered_at":"2026-01-15T10:25:03Z","device_id":"dev_abcdef123456"}}`)

// benchEvent has a random id of 20 characters, the worst case for the table of ids.
func benchEvent(n int64) *spool.Event {
	var seed [8]byte
	binary.LittleEndian.PutUint64(seed[:], uint64(n))
	sum := sha256.Sum256(seed[:])
	return &spool.Event{
		Source: "inbox", ID: "evt_" + hex.EncodeToString(sum[:8]), Type: "message.delivered",
		CreatedAt: time.Now(), Digest: sum,
		Request: spool.Request{
			Method: "POST", URI: "/webhooks/inbox", Host: "hooks.example.com", RemoteAddr: "203.0.113.9:41234", Scheme: "https",
			Header: http.Header{
				"Content-Type": {"application/json"}, "User-Agent": {"Inbox-Webhooks/1.0"},
				"X-Inbox-Signature": {"sha256=" + hex.EncodeToString(sum[:])},
			},
			Body: body,
		},
	}
}

func accept(tb testing.TB, s *Store, e *spool.Event, route string, start bool) spool.Receipt {
	in := spool.Intake{Event: e, Routes: []spool.RouteWish{{Route: route, Start: start}}}
	if start {
		in.Owner, in.LeaseFor = "bench", time.Minute
	}
	r, err := s.Accept(bg, in)
	if err != nil || r.Verdict != spool.Accepted {
		tb.Errorf("accept: %v %v", r, err)
	}
	return r
}
