package faults

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// flooded runs attackers against the program's HTTP/2 while good events come by
// HTTP/1, all of which must be accepted, and bounds the memory that it took. An
// attacker returns what it has done, once the server has enough of it.
func flooded(t *testing.T, fault string, attack func(t *testing.T, c *http2Client, e func() history.Event) int) {
	attacks := rig.Rounds(8, 200)
	// A connection may have 250 streams, each with a goroutine and buffers.
	mostMiB := 160 + 4*attacks
	r := rig.New(t, rig.Options{})
	config, addr := overTLS(t, r, r.Caddyfile(""))
	r.Configure(config)
	l := r.Start()
	wantOK(t, r, r.Event(event.TypeMessageRead))
	before := peakRSS(t, l.PID)
	var ended sync.WaitGroup
	var mu sync.Mutex
	done := 0
	clients := make(chan *http2Client, attacks)
	for range attacks {
		clients <- newHTTP2Client(t, addr)
	}
	close(clients)
	for range 4 {
		ended.Go(func() {
			for c := range clients {
				n := attack(t, c, func() history.Event { return r.Event(event.TypeMessageRead) })
				_ = c.conn.Close()
				mu.Lock()
				done += n
				mu.Unlock()
			}
		})
	}
	attacked := make(chan struct{})
	go func() {
		defer close(attacked)
		ended.Wait()
	}()
	for under := true; under; {
		select {
		case <-attacked:
			under = false
		default:
		}
		for range 10 {
			wantOK(t, r, r.Event(event.TypeMessageRead))
		}
	}
	if done < attacks*100 {
		t.Errorf("%d attackers did %d things in all: that was no attack", attacks, done)
	}
	r.Settle()
	if grown := peakRSS(t, l.PID) - before; grown > mostMiB {
		t.Errorf("memory grew by %d MiB", grown)
	}
	wantJSONLog(t, l.Output())
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Report([]int{55}, fault, attacks)
	t.Logf("%d attackers, %d frames", attacks, done)
}

// Streams are begun and reset as fast as the connection takes them, each with a
// whole request that carries a forged signature.
func TestFaultHTTP2RapidReset(t *testing.T) {
	t.Parallel()
	flooded(t, "HTTP/2: rapid reset", func(_ *testing.T, c *http2Client, fresh func() history.Event) int {
		e := fresh()
		e.Signature = rig.Sign([]byte("another body"))
		go c.drain()
		for n := range 2000 {
			stream, err := c.send(e)
			if err == nil {
				err = c.WriteRSTStream(stream, http2.ErrCodeCancel)
			}
			if err != nil {
				return n // The server has had enough.
			}
		}
		return 2000
	})
}

// A header block that never ends, frame after frame.
func TestFaultHTTP2ContinuationFlood(t *testing.T) {
	t.Parallel()
	flooded(t, "HTTP/2: a flood of CONTINUATION", func(t *testing.T, c *http2Client, fresh func() history.Event) int {
		if err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.header(fresh())}); err != nil {
			t.Errorf("the first frame was refused: %v", err)
			return 0
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			c.drain()
		}()
		for n := range 100000 {
			c.fields.Reset()
			for i := range 16 {
				_ = c.enc.WriteField(hpack.HeaderField{Name: fmt.Sprintf("x-%d-%d", n, i), Value: "a", Sensitive: true})
			}
			if err := c.WriteContinuation(1, false, c.fields.Bytes()); err != nil {
				<-ended
				return n
			}
		}
		t.Error("100,000 frames of one header block were taken")
		return 0
	})
}

// A request with a huge header is refused, and its event is taken without.
func TestFaultHugeHeaders(t *testing.T) {
	t.Parallel()
	r := rig.New(t, rig.Options{})
	l := r.Start()
	before := peakRSS(t, l.PID)
	rounds := rig.Rounds(20, 500)
	for range rounds {
		e := r.Event(event.TypeMessageRead)
		huge := forged(e, "with a huge header")
		a := r.SendTo(t.Context(), r.URL, huge, func(q *http.Request) {
			q.Header.Set("X-Inbox-Padding", pad(4<<20))
		})
		if a.Status != http.StatusRequestHeaderFieldsTooLarge && a.Status != 0 {
			t.Errorf("4 MiB of headers were answered %d", a.Status)
		}
		wantOK(t, r, e)
	}
	r.Settle()
	if grown := peakRSS(t, l.PID) - before; grown > 128 {
		t.Errorf("memory grew by %d MiB", grown)
	}
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Report([]int{40, 52}, "headers of 4 MiB", rounds)
}
