//go:build linux

package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLoadIsWhatThePlatformSends(t *testing.T) {
	t.Parallel()
	v, err := verify.New(verify.Secret{Key: []byte(secret)})
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{minBody, goalBody, 16 << 10} {
		for _, typ := range []string{event.TypeMessageDelivered, event.TypeMessageRead} {
			l := makeLoad(50, size, typ)
			seen := map[string]bool{}
			for n := range l.len() {
				req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(l.appendTo(nil, n)))))
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(req.Body)
				if err != nil {
					t.Fatal(err)
				}
				if len(body) != size {
					t.Fatalf("a body of %d bytes instead of %d", len(body), size)
				}
				if _, err := v.Verify(body, req.Header[verify.Header]...); err != nil {
					t.Fatal(err)
				}
				e, err := event.Parse(body)
				if err != nil || e.Type != typ || seen[e.ID] {
					t.Fatalf("%v: %s %s, known: %t", err, e.ID, e.Type, seen[e.ID])
				}
				seen[e.ID] = true
			}
		}
	}
}

// serve answers each request on c after a pause, with the answers in turn.
func serve(c net.Conn, pauses map[int]time.Duration, answers ...string) {
	r := bufio.NewReader(c)
	for n := 0; ; n++ {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		time.Sleep(pauses[n])
		if _, err := io.WriteString(c, answers[n%len(answers)]); err != nil {
			return
		}
	}
}

const (
	good = "HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length: 2\r\nX-Inbox-Result: accepted\r\n\r\nOK"
	bad  = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
	odd  = "HTTP/1.1 200 OK\r\nX-Inbox-Result: quarantined\r\nContent-Length: 2\r\n\r\nOK"
)

// piped is a generator with one connection to a server in the same bubble.
func piped(l *load, pauses map[int]time.Duration, answers ...string) *generator {
	ours, theirs := net.Pipe()
	go serve(theirs, pauses, answers...)
	return &generator{
		load: l, limit: l.len(),
		conns: []*conn{{Conn: ours, in: make([]byte, 16<<10), want: []byte(wantAccepted)}},
	}
}

func TestOpenCountsFromWhenARequestWasDue(t *testing.T) {
	t.Parallel()
	l := makeLoad(20, goalBody, event.TypeMessageRead)
	synctest.Test(t, func(t *testing.T) {
		// One request every 10 ms; the first is answered after 100 ms, so that
		// those behind it wait 90, 80, … ms.
		g := piped(l, map[int]time.Duration{0: 100 * time.Millisecond}, good)
		s := g.open(context.Background(), 100, 200*time.Millisecond, time.Sleep)
		g.close()
		synctest.Wait()
		if len(s.times) != 20 || g.failed.Load() != 0 {
			t.Fatalf("%d answers, %d failed: %v", len(s.times), g.failed.Load(), g.why.Load())
		}
		for i := range 10 {
			if got, want := s.times[len(s.times)-1-i], time.Duration(100-10*i)*time.Millisecond; got != want {
				t.Errorf("the slowest but %d took %s instead of %s", i, got, want)
			}
		}
	})
}

func TestGeneratorCountsEveryAnswer(t *testing.T) {
	t.Parallel()
	l := makeLoad(9, goalBody, event.TypeMessageRead)
	for name, c := range map[string]struct {
		answers      []string
		good, failed int64
	}{
		"all good":            {[]string{good}, 9, 0},
		"refused":             {[]string{good, bad}, 5, 4},
		"another result":      {[]string{good, good, odd}, 6, 3},
		"an unknown protocol": {[]string{"HTTP/1.1 200 OK\r\n\r\n"}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := piped(l, nil, c.answers...)
				s := g.closed(context.Background(), time.Minute, 0)
				g.close()
				synctest.Wait()
				if g.good.Load() != c.good || g.failed.Load() != c.failed || len(s.times) != int(c.good) {
					t.Errorf("%d good, %d failed, %d timed", g.good.Load(), g.failed.Load(), len(s.times))
				}
			})
		})
	}
}

func TestCycleBeginsAgain(t *testing.T) {
	t.Parallel()
	l := makeLoad(3, goalBody, event.TypeMessageRead)
	synctest.Test(t, func(t *testing.T) {
		g := piped(l, nil, good)
		g.cycle = true
		g.closed(context.Background(), time.Minute, 10)
		g.close()
		synctest.Wait()
		if g.good.Load() != 10 {
			t.Errorf("%d of 10 were sent: %v", g.good.Load(), g.why.Load())
		}
	})
}
