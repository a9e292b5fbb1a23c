package faults

import (
	"errors"
	"io"
	"net"
	"net/http"
	"testing"

	"golang.org/x/net/http2"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

var errLeft = errors.New("the client left")

// leave sends n bytes of a request and goes: with a reset, or as after an answer.
func leave(t *testing.T, r *rig.Rig, e history.Event, n int, reset bool) {
	t.Helper()
	r.Log.Sending(e, r.Life().N)
	c := dial(t, r.Listen)
	if _, err := io.WriteString(c, whole(r, e)[:n]); err != nil {
		t.Fatal(err)
	}
	if reset {
		_ = c.(*net.TCPConn).SetLinger(0)
	}
	_ = c.Close()
	r.Log.Answered(e.ID, history.Answer{Life: r.Life().N, Err: errLeft})
}

// A client leaves at any moment of its request. What it sent whole and did not
// reset is stored without it; the retry is a duplicate then, and else new. Half
// a body is never an event.
func TestFaultClientLeaves(t *testing.T) {
	t.Parallel()
	r := rig.New(t, rig.Options{})
	r.Start()
	rounds := rig.Rounds(40, 1000)
	for range rounds {
		kept := r.Event(event.TypeMessageRead)
		leave(t, r, kept, len(whole(r, kept)), false)
		reset := r.Event(event.TypeMessageFailed)
		leave(t, r, reset, len(whole(r, reset)), true)
		half := r.Event(event.TypeMessageAction)
		all := len(whole(r, half))
		leave(t, r, half, all-1-r.Random.IntN(all-1), r.Random.IntN(2) == 0)
		// No retry yet: the write goes on without the client.
		if !r.Log.Await(patience, func() bool { return reached(r, kept, "all") }) {
			t.Fatalf("%s was sent whole, and never came", kept.ID)
		}
		if reached(r, half, "all") {
			t.Errorf("%s came to the app without its last byte", half.ID)
		}
		if a := r.Send(t.Context(), kept); a.Result != "duplicate" {
			t.Errorf("%s: the retry was answered %d %q", kept.ID, a.Status, a.Result)
		}
		if a := r.Send(t.Context(), half); a.Result != "accepted" {
			t.Errorf("%s: the retry was answered %d %q", half.ID, a.Status, a.Result)
		}
	}
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Report([]int{22}, "the client leaves in the middle of an accept", rounds)
}

// reached says whether the app of a route has answered the event.
func reached(r *rig.Rig, e history.Event, route string) bool {
	return len(r.Log.Choose(func(s history.Sent) bool {
		for _, has := range s.Reached {
			if s.ID == e.ID && has == route {
				return true
			}
		}
		return false
	})) > 0
}

// Streams are reset while their events are being stored.
func TestFaultHTTP2ResetInTheMiddle(t *testing.T) {
	t.Parallel()
	r := rig.New(t, rig.Options{})
	config, addr := overTLS(t, r, r.Caddyfile(""))
	r.Configure(config)
	r.Start()
	rounds, stored := rig.Rounds(12, 300), 0
	for range rounds {
		c := newHTTP2Client(t, addr)
		streams := make(map[uint32]history.Event)
		for range 40 {
			e := r.Event(event.Types()[r.Random.IntN(4)])
			r.Log.Sending(e, r.Life().N)
			stream, err := c.send(e)
			if err != nil {
				t.Fatal(err)
			}
			streams[stream] = e
		}
		// The first is answered: the others are being stored, or about to be.
		answered := c.awaitHeaders(t)
		for stream, e := range streams {
			if stream != answered {
				_ = c.WriteRSTStream(stream, http2.ErrCodeCancel)
			}
			r.Log.Answered(e.ID, history.Answer{Life: r.Life().N, Err: errLeft})
		}
		_ = c.conn.Close()
		for _, e := range streams {
			a := r.Send(t.Context(), e)
			if a.Status != http.StatusOK {
				t.Errorf("%s: the retry was answered %d %v", e.ID, a.Status, a.Err)
			}
			if a.Result == "duplicate" {
				stored++
			}
		}
	}
	if stored <= rounds {
		t.Errorf("%d of %d events were stored: no reset came in the middle", stored, rounds*40)
	}
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Report([]int{22}, "HTTP/2 streams are reset in the middle of an accept", rounds)
}
