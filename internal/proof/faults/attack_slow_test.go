package faults

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// slowly is how a body comes that never ends: what stands before it, and what
// follows again and again.
var slowly = []struct {
	name, head, start, drip string
	every                   time.Duration
}{
	{name: "silent", head: "Content-Length: 300\r\n\r\n", start: "{"},
	{name: "announces a megabyte", head: "Content-Length: 1048576\r\n\r\n", start: "{"},
	{name: "drips", head: "Content-Length: 300\r\n\r\n", start: "{", drip: " ", every: 100 * time.Millisecond},
	{name: "chunked and silent", head: "Transfer-Encoding: chunked\r\n\r\n", start: "40000\r\n{"},
	{name: "chunk by chunk", head: "Transfer-Encoding: chunked\r\n\r\n", start: "1\r\n{\r\n", drip: "1\r\n \r\n", every: 100 * time.Millisecond},
}

// A thousand clients send bodies that never end, while good events come: each of
// those is accepted, each of the others has its 408, and memory stays.
func TestFaultSlowBodies(t *testing.T) {
	t.Parallel()
	const clients = 1000
	r := rig.New(t, rig.Options{Source: "read_timeout 2s"})
	l := r.Start()
	wantOK(t, r, r.Event(event.TypeMessageRead))
	before := peakRSS(t, l.PID)
	rounds := rig.Rounds(1, 30)
	for range rounds {
		slowBodies(t, r, clients)
	}
	if grown := peakRSS(t, l.PID) - before; grown > 160 {
		t.Errorf("memory grew by %d MiB for %d slow bodies", grown, clients)
	}
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Report([]int{52}, "1,000 bodies that never end", rounds)
}

func slowBodies(t *testing.T, r *rig.Rig, clients int) {
	t.Helper()
	conns := make([]net.Conn, clients)
	events := make([]history.Event, clients)
	for i := range conns {
		conns[i] = dial(t, r.Listen)
		events[i] = forged(r.Event(event.TypeMessageRead), slowly[i%len(slowly)].name)
		r.Log.Sending(events[i], r.Life().N)
	}
	var ended sync.WaitGroup
	for i, c := range conns {
		ended.Go(func() {
			how := slowly[i%len(slowly)]
			status := trickle(c, head(r, events[i])+how.head+how.start, how.drip, how.every)
			if status != http.StatusRequestTimeout {
				t.Errorf("%s: answered %d", how.name, status)
			}
			raw(r, events[i], status)
		})
	}
	all := make(chan struct{})
	go func() {
		defer close(all)
		ended.Wait()
	}()
	for good := 0; ; good++ {
		wantOK(t, r, r.Event(event.TypeMessageRead))
		select {
		case <-all:
			if good < 10 {
				t.Errorf("%d good events came while %d bodies were slow", good, clients)
			}
			return
		default:
		}
	}
}

// trickle writes start, then drip every so often, until there is an answer. It
// returns the answer's status, or 0.
func trickle(c net.Conn, start, drip string, every time.Duration) int {
	defer c.Close()
	if _, err := io.WriteString(c, start); err != nil {
		return 0
	}
	stop := make(chan struct{})
	defer close(stop)
	if drip != "" {
		go func() {
			tick := time.NewTicker(every)
			defer tick.Stop()
			for {
				select {
				case <-stop:
					return
				case <-tick.C:
					if _, err := io.WriteString(c, drip); err != nil {
						return
					}
				}
			}
		}()
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// A body over the cap is refused when its length says so, and as soon as it has
// come so far where nothing does.
func TestFaultLargeBodies(t *testing.T) {
	t.Parallel()
	r := rig.New(t, rig.Options{})
	l := r.Start()
	before := peakRSS(t, l.PID)
	rounds := rig.Rounds(10, 300)
	for i := range rounds {
		e := r.Event(event.TypeMessageRead)
		large := forged(e, "large")
		large.Body = fmt.Appendf(nil, `{"id":%q,"type":"message.read","data":%q}`, e.ID, pad(1<<20+i))
		large.Signature = rig.Sign(large.Body)
		announced := r.SendTo(t.Context(), r.URL, large, nil)
		chunked := r.SendTo(t.Context(), r.URL, large, func(q *http.Request) { q.ContentLength = -1 })
		for _, a := range []history.Answer{announced, chunked} {
			// The server goes away before a client has sent all, who may see that first.
			if a.Status != http.StatusRequestEntityTooLarge && a.Err == nil {
				t.Errorf("more than 1 MiB was answered %d", a.Status)
			}
		}
		r.Log.Sending(forged(e, "announced"), l.N)
		answers := answersTo(t, r.Listen, head(r, large)+"Expect: 100-continue\r\nContent-Length: 4000000000\r\n\r\n")
		if len(answers) != 1 || answers[0].StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("an announced body of 4 GB was answered %v", answers)
		}
		wantOK(t, r, e)
	}
	if grown := peakRSS(t, l.PID) - before; grown > 128 {
		t.Errorf("memory grew by %d MiB", grown)
	}
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Report([]int{52}, "bodies over the cap, announced and not", rounds)
}
