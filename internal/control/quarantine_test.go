package control_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// odd puts an entry into quarantine.
func (r *rig) odd(n int, source, id, typ, reason string) {
	r.Helper()
	e := &spool.Event{Source: source, ID: id, Type: typ, Digest: spool.Digest{byte(n), 1}, Request: spool.Request{Body: fmt.Appendf(nil, "odd %d", n)}}
	r.ok(r.store.Quarantine(r.Context(), spool.Odd{Event: e, Reason: reason}))
}

// Entries are released and discarded by filter, counted before anything is done.
func TestQuarantineInBulk(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.odd(1, "inbox", "evt_1", "message.read", "created_at is not an RFC 3339 time")
	r.odd(2, "inbox", "evt_2", "message.failed", "created_at is not an RFC 3339 time")
	r.odd(3, "inbox", "", "", "body is not JSON")
	r.odd(4, "other", "", "", "body is not UTF-8")
	last := func(path, body string) control.Step {
		t.Helper()
		status, text := r.call("POST", control.Prefix+"quarantine/"+path, "", "", body)
		if status != 200 {
			t.Fatalf("%s %s: %d %s", path, body, status, text)
		}
		lines := strings.Split(strings.TrimSpace(text), "\n")
		return decode[control.Step](t, lines[len(lines)-1])
	}
	for body, want := range map[string][2]int64{ // that would be released, and of those unrouted
		`{"all":true,"dry_run":true}`:                                              {4, 2},
		`{"filter":{"reason":"created_at"},"dry_run":true}`:                        {2, 0},
		`{"filter":{"reason":"created_at","type":"message.read"},"dry_run":true}`:  {1, 0},
		`{"filter":{"reason":"body is"},"dry_run":true}`:                           {2, 2},
		`{"filter":{"id":"evt_2"},"dry_run":true}`:                                 {1, 0},
		`{"filter":{"source":"other"},"dry_run":true}`:                             {1, 1},
		`{"filter":{"until":"2020-01-01T00:00:00Z"},"dry_run":true}`:               {0, 0},
		`{"filter":{"since":"2020-01-01T00:00:00Z"},"dry_run":true,"max":3}`:       {3, 2},
		`{"filter":{"source":"inbox","reason":"body is not JSON"},"dry_run":true}`: {1, 1},
	} {
		if got := last("release", body); got.Changed != want[0] || got.Unrouted != want[1] || !got.Done {
			t.Errorf("release %s: %+v, want %v", body, got, want)
		}
		if got := last("discard", body); got.Changed != want[0] {
			t.Errorf("discard %s: %+v, want %d", body, got, want[0])
		}
	}
	for _, body := range []string{`{}`, `{"filter":{"state":"dead"}}`, `{"filter":{"route":"app"}}`, `{"all":true,"route":"app"}`, `{"filter":{"why":"x"}}`} {
		for _, path := range []string{"release", "discard"} {
			if status, text := r.call("POST", control.Prefix+"quarantine/"+path, "", "", body); status != 400 {
				t.Errorf("%s %s: %d %s", path, body, status, text)
			}
		}
	}
	if len(r.released) != 0 {
		t.Fatalf("%d were released by dry runs", len(r.released))
	}
	if got := last("release", `{"filter":{"reason":"created_at"}}`); got.Changed != 2 || len(r.released) != 2 {
		t.Errorf("released %+v, %d", got, len(r.released))
	}
	if got := last("discard", `{"filter":{"reason":"body"}}`); got.Changed != 2 {
		t.Errorf("discarded %+v", got)
	}
	left := decode[control.Page](t, second(r.call("GET", control.Prefix+"quarantine?reason=created_at", "", "", ""))).Events
	if len(left) != 2 || left[0].ID != "evt_2" || left[0].Type != "message.failed" { // This rig's release removes nothing.
		t.Errorf("left: %+v", left)
	}
	if got := decode[control.Page](t, second(r.call("GET", control.Prefix+"quarantine?reason=body", "", "", ""))).Events; len(got) != 0 {
		t.Errorf("left that were discarded: %+v", got)
	}
	if status, _ := r.call("GET", control.Prefix+"events?reason=x", "", "", ""); status != 400 {
		t.Errorf("a reason of events: %d", status)
	}
	if status, _ := r.call("POST", control.Prefix+"quarantine/1/release", "", "", ""); status != 200 {
		t.Errorf("one by its number: %d", status)
	}
}
