package faults

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
	"github.com/inboxgate/inboxgate/verify"
)

// head is the head of a request for an event over a bare connection, without the
// line that tells where its body ends.
func head(r *rig.Rig, e history.Event) string {
	h := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n", rig.Path, r.Listen)
	if e.Signature != "" {
		h += verify.Header + ": " + e.Signature + "\r\n"
	}
	return h
}

// whole is a whole request.
func whole(r *rig.Rig, e history.Event) string {
	return head(r, e) + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(e.Body), e.Body)
}

// dial opens a connection that ends with the test, and by itself after patience.
func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

// answersTo writes bytes to a connection, ends its own side, and returns every
// answer until the other side has ended too.
func answersTo(t *testing.T, addr, text string) (answers []*http.Response) {
	t.Helper()
	c := dial(t, addr)
	defer c.Close()
	// A server that refuses may have gone before it has read all.
	_, _ = io.WriteString(c, text)
	_ = c.(*net.TCPConn).CloseWrite()
	in := bufio.NewReader(c)
	for {
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			return answers
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return answers
		}
		res.Body = io.NopCloser(bytes.NewReader(body))
		answers = append(answers, res)
	}
}

// forged marks an event as one that must never be taken. Its key tells it from
// the real one of its id.
func forged(e history.Event, key string) history.Event {
	e.Key, e.Forged, e.Routes = e.ID+" "+key, true, nil
	return e
}

// odd is a signed body that belongs into quarantine. The key names it.
func odd(key string, body []byte) history.Event {
	return history.Event{Key: key, Body: body, Signature: rig.Sign(body), Odd: true}
}

// raw notes what came of sending an event without the rig.
func raw(r *rig.Rig, e history.Event, status int) {
	key := e.Key
	if key == "" {
		key = e.ID
	}
	r.Log.Answered(key, history.Answer{Life: r.Life().N, Status: status})
}

// wantJSONLog requires that each line of the program's output is one JSON object
// with a level, and that it never panicked.
func wantJSONLog(t *testing.T, output string) {
	t.Helper()
	for line := range strings.Lines(output) {
		var entry struct{ Level string }
		dec := json.NewDecoder(strings.NewReader(line))
		if err := dec.Decode(&entry); err != nil || entry.Level == "" || dec.More() {
			t.Errorf("a line of the log is no single JSON object with a level: %q", line)
		}
	}
	if strings.Contains(output, "panic") {
		t.Error("the program panicked")
	}
}

// overTLS adds a site with a certificate of Caddy's own authority, which serves
// the same source at another address, and returns that.
func overTLS(t *testing.T, r *rig.Rig, config string) (text, addr string) {
	t.Helper()
	addr = proctest.FreeAddress(t)
	site := "http://" + r.Listen + " {"
	before, body, ok := strings.Cut(config, site)
	if !ok {
		t.Fatalf("no site in the configuration:\n%s", config)
	}
	text = strings.Replace(before, "persist_config off", "persist_config off\n\tskip_install_trust\n\tauto_https disable_redirects", 1)
	return text + site + body + "\nhttps://" + addr + " {\n\ttls internal\n" + body, addr
}

// dialHTTP2 opens a TLS connection that has agreed on HTTP/2. The server's first
// certificate is made after it has begun to serve, so a handshake may fail until then.
func dialHTTP2(t *testing.T, addr string) *tls.Conn {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		c := tls.Client(dial(t, addr), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}) //nolint:gosec // The authority is a new one in each run.
		err := c.HandshakeContext(t.Context())
		switch p := c.ConnectionState().NegotiatedProtocol; {
		case err == nil && p == "h2":
			return c
		case err == nil:
			t.Fatalf("the server speaks %q", p)
		case time.Now().After(end):
			t.Fatal(err)
		}
		_ = c.Close()
	}
}

// pad is n bytes of nothing.
func pad(n int) string { return strings.Repeat("a", n) }
