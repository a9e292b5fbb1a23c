package caddymodule

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/testapp"
)

// A final status that was read decides, however its body goes on.
func TestStatusDecides(t *testing.T) {
	t.Parallel()
	cut := func(head string) string { return says(t, head) }
	reset := func(head string) string {
		return testapp.ByHand(t, func(c *net.TCPConn, _ int) {
			defer c.Close()
			r := bufio.NewReader(c)
			if readRequest(r) != nil {
				return
			}
			_, _ = io.WriteString(c, head)
			_, _ = r.ReadByte() // Until the other end has gone, or has sent what nobody asked for.
		})
	}
	h2 := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler) // RST_STREAM.
	}))
	h2.EnableHTTP2 = true
	h2.StartTLS()
	t.Cleanup(h2.Close)
	secure := `{"handler":"reverse_proxy","transport":{"protocol":"http","tls":{"insecure_skip_verify":true}},"upstreams":[{"dial":"` + h2.Listener.Addr().String() + `"}]}`
	for name, c := range map[string]struct {
		handler string
		reach   deliver.Reach
		status  int
	}{
		"short body":            {proxy(cut("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nOK")), deliver.Answered, 200},
		"no body at all":        {proxy(cut("HTTP/1.1 202 Accepted\r\nContent-Length: 20\r\n\r\n")), deliver.Answered, 202},
		"chunk cut":             {proxy(cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc")), deliver.Answered, 200},
		"no chunk":              {proxy(cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno chunk")), deliver.Answered, 200},
		"trailers cut":          {proxy(cut("HTTP/1.1 200 OK\r\nTrailer: A\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\nA: ")), deliver.Answered, 200},
		"no gzip":               {proxy(cut("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nOK")), deliver.Answered, 200},
		"no end":                {proxy(reset("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nOK")), deliver.Answered, 200},
		"h2 stream reset":       {secure, deliver.Answered, 200},
		"500, cut":              {proxy(cut("HTTP/1.1 500 No\r\nContent-Length: 20\r\n\r\nno")), deliver.Answered, 500},
		"503, cut":              {proxy(cut("HTTP/1.1 503 No\r\nContent-Length: 20\r\n\r\nno")), deliver.Answered, 503},
		"410, no end":           {proxy(reset("HTTP/1.1 410 Gone\r\nContent-Length: 20\r\n\r\nno")), deliver.Answered, 410},
		"302, cut":              {proxy(cut("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 20\r\n\r\nno")), deliver.Answered, 302},
		"interim, then nothing": {proxy(cut("HTTP/1.1 103 Early Hints\r\n\r\n")), deliver.Broken, 0},
		"half a status line":    {proxy(cut("HTTP/1.1 20")), deliver.Broken, 0},
		"head without an end":   {proxy(cut("HTTP/1.1 200 OK\r\nA: b\r\n")), deliver.Broken, 0},
		"no HTTP":               {proxy(cut("220 mail.example.com ESMTP\r\n")), deliver.Broken, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			got := proxyTo(t, c.handler).Attempt(ctx, attemptOf([]byte("{}")))
			if got.Reach != c.reach || got.Status != c.status {
				t.Errorf("reach %d, status %d, error %v; want reach %d, status %d", got.Reach, got.Status, got.Err, c.reach, c.status)
			}
			if got.Reach == deliver.Answered && got.Err != nil {
				t.Errorf("beside the status there is an error: %v", got.Err)
			}
		})
	}
}

// An attempt that timed out names the words that give an app more time, and fits
// whole into a delivery's log.
func TestTimeoutNamesItsFix(t *testing.T) {
	t.Parallel()
	addr := testapp.ByHand(t, func(c *net.TCPConn, _ int) {
		defer c.Close()
		r := bufio.NewReader(c)
		_ = readRequest(r)
		_, _ = r.ReadByte() // Until the other end has gone.
	})
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	got := proxyTo(t, proxy(addr)).Attempt(ctx, attemptOf([]byte("{}")))
	if got.Reach != deliver.Broken || got.Err == nil {
		t.Fatalf("reach %d, status %d, error %v", got.Reach, got.Status, got.Err)
	}
	for _, word := range []string{"`timeout`", "INBOX_TIMEOUT"} {
		if text := got.Err.Error(); !strings.Contains(text, word) || len(text) > 512 {
			t.Errorf("%q does not name %s, or is too long", text, word)
		}
	}
}

// An answer that was shut down while its body came is an answer.
func TestStatusDecidesInAShutdown(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	addr := testapp.ByHand(t, func(c *net.TCPConn, _ int) {
		defer c.Close()
		r := bufio.NewReader(c)
		if readRequest(r) != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nOK")
		time.AfterFunc(100*time.Millisecond, cancel) // Long after the head has come, long before lingering ends.
		_, _ = r.ReadByte()
	})
	if got := proxyTo(t, proxy(addr)).Attempt(ctx, attemptOf([]byte("{}"))); got.Reach != deliver.Answered || got.Status != 200 {
		t.Errorf("reach %d, status %d, error %v", got.Reach, got.Status, got.Err)
	}
}

// An app may answer before it has read the request, and close.
func TestAnswerBeforeTheBodyIsRead(t *testing.T) {
	t.Parallel()
	addr := testapp.ByHand(t, func(c *net.TCPConn, _ int) {
		_ = c.SetReadBuffer(4 << 10) // The client still writes when the reset comes.
		defer c.Close()              // With bytes unread: a reset.
		_, _ = http.ReadRequest(bufio.NewReader(c))
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nOK")
	})
	chain := route(t, addr)
	body := bytes.Repeat([]byte("x"), 900<<10)
	for n := range 400 { // Without earlyConn one in some hundreds fails.
		if got := chain.Attempt(context.Background(), attemptOf(body)); got.Reach != deliver.Answered || got.Status != 200 {
			t.Fatalf("attempt %d: reach %d, status %d, error %v", n, got.Reach, got.Status, got.Err)
		}
	}
}

// Where the app closes and says nothing, nobody waits for an answer.
func TestCloseBeforeTheBodyIsRead(t *testing.T) {
	t.Parallel()
	addr := testapp.ByHand(t, func(c *net.TCPConn, _ int) {
		_, _ = http.ReadRequest(bufio.NewReader(c))
		c.Close()
	})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	got := route(t, addr).Attempt(ctx, attemptOf(bytes.Repeat([]byte("x"), 900<<10)))
	if got.Reach != deliver.Broken || got.Status != 0 || ctx.Err() != nil {
		t.Errorf("reach %d, status %d, error %v", got.Reach, got.Status, got.Err)
	}
}
