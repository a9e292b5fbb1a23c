package caddymodule_test

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/verify"
)

// emptyKeySignature is made with the key "", which package verify refuses to use.
func emptyKeySignature(body []byte) string {
	mac := hmac.New(sha256.New, nil)
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// slowBody announces n bytes, sends some, and waits for the answer.
func slowBody(t *testing.T, port string, n int, some []byte) int {
	t.Helper()
	status, _ := raw(t, port, fmt.Sprintf("POST /hook HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nContent-Length: %d\r\n\r\n%s", port, n, some))
	return status
}

// raw writes bytes to a connection and reads the first answer.
func raw(t *testing.T, port, text string) (int, error) {
	t.Helper()
	c, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte(text)); err != nil {
		return 0, err
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err
	}
	res.Body.Close()
	return res.StatusCode, nil
}

// Requests whose end two parsers could see in different places are refused by
// the server, before any of them is an event.
func TestSmuggling(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	in := start(t, "", "inbox_webhook /hook app.invalid:1")
	_, body := sample(t, "message.read")
	head := "POST /hook HTTP/1.1\r\nHost: 127.0.0.1:" + in.port + "\r\n"
	for name, text := range map[string]string{
		"two lengths":          head + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
		"length and chunked":   head + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"odd coding":           head + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
		"space before colon":   head + "Content-Length : 5\r\n\r\nabcde",
		"negative length":      head + "Content-Length: -1\r\n\r\n",
		"bare LF chunk":        head + "Transfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n",
		"header with CR":       head + "X-A: b\rc\r\nContent-Length: 0\r\n\r\n",
		"no host":              "POST /hook HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
		"h2c upgrade":          head + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\nContent-Length: 0\r\n\r\n",
		"huge header":          head + "X-Big: " + string(make([]byte, 0)) + hugeHeader() + "\r\nContent-Length: 0\r\n\r\n",
		"unsigned, body after": head + "Content-Length: 0\r\n\r\n" + string(body),
	} {
		status, err := raw(t, in.port, text)
		if err == nil && status < 400 {
			t.Errorf("%s: answered %d", name, status)
		}
	}
	if got := in.records(spool.Query{}); len(got) != 0 {
		t.Errorf("stored %d events", len(got))
	}
}

func hugeHeader() string {
	b := make([]byte, 64<<10)
	for i := range b {
		b[i] = 'a'
	}
	return string(b)
}

// A proxy that goes by the length has sent one request here, whose body holds
// what looks like another.
func TestRefusedChunksEndTheConnection(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	in := start(t, "", "inbox_webhook /hook app.invalid:1")
	_, body := sample(t, "message.read")
	hidden := fmt.Sprintf("POST /hook HTTP/1.1\r\nHost: h\r\nX-Inbox-Signature: %s\r\nContent-Length: %d\r\n\r\n%s",
		verify.Sign([]byte(secret), body), len(body), body)
	c, err := net.Dial("tcp", "127.0.0.1:"+in.port)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "POST /hook HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s", len(hidden)+5, hidden)
	answers := bufio.NewReader(c)
	res, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized || !res.Close {
		t.Errorf("answered %d, connection ends: %t", res.StatusCode, res.Close)
	}
	if res, err := http.ReadResponse(answers, nil); err == nil {
		t.Errorf("the hidden request was answered %d", res.StatusCode)
		res.Body.Close()
	}
	if got := in.records(spool.Query{}); len(got) != 0 {
		t.Errorf("stored %d events", len(got))
	}
}
