package faults

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// ambiguous are requests whose end two parsers could see in different places.
// Each hides a whole request, rightly signed, which must not be taken as one of
// its own: <hidden>, of <size> bytes, or <hex>. <head> is that of an unsigned one.
var ambiguous = map[string]string{
	"length and chunked":        "<head>Content-Length: <size>\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n<hidden>",
	"chunked and length":        "<head>Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n<hidden>",
	"two lengths":               "<head>Content-Length: 0\r\nContent-Length: <size>\r\n\r\n<hidden>",
	"list of lengths":           "<head>Content-Length: 0, <size>\r\n\r\n<hidden>",
	"negative length":           "<head>Content-Length: -1\r\n\r\n<hidden>",
	"signed length":             "<head>Content-Length: +0\r\n\r\n<hidden>",
	"hexadecimal length":        "<head>Content-Length: 0x0\r\n\r\n<hidden>",
	"length too large":          "<head>Content-Length: 99999999999999999999\r\n\r\n<hidden>",
	"space before the colon":    "<head>Content-Length : 0\r\n\r\n<hidden>",
	"chunked twice":             "<head>Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n<hidden>",
	"chunked, identity":         "<head>Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n<hidden>",
	"gzip, chunked":             "<head>Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n<hidden>",
	"xchunked":                  "<head>Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n<hidden>",
	"vertical tab":              "<head>Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n<hidden>",
	"space before chunked's :":  "<head>Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n<hidden>",
	"folded line":               "<head>X-A: b\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n<hidden>",
	"a bare CR in a line":       "<head>X-A: b\rTransfer-Encoding: chunked\r\nContent-Length: <size>\r\n\r\n<hidden>",
	"a zero byte in a line":     "<head>X-A: b\x00c\r\nContent-Length: <size>\r\n\r\n<hidden>",
	"a line without a colon":    "<head>nonsense\r\nContent-Length: <size>\r\n\r\n<hidden>",
	"bare LF after the size":    "<head>Transfer-Encoding: chunked\r\n\r\n0\n\r\n<hidden>",
	"bare LF after a chunk":     "<head>Transfer-Encoding: chunked\r\n\r\n1\r\na\n0\r\n\r\n<hidden>",
	"a chunk without an end":    "<head>Transfer-Encoding: chunked\r\n\r\n1\r\nab0\r\n\r\n<hidden>",
	"a size too large":          "<head>Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n\r\n<hidden>",
	"a negative size":           "<head>Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n<hidden>",
	"an extension with bare LF": "<head>Transfer-Encoding: chunked\r\n\r\n0;a\nb\r\n\r\n<hidden>",
	"in a body":                 "<head>Content-Length: <size>\r\n\r\n<hidden>",
	"in a chunk":                "<head>Transfer-Encoding: chunked\r\n\r\n<hex>\r\n<hidden>\r\n0\r\n\r\n",
	"in a trailer":              "<head>Transfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: <hidden>",
	"HTTP/0.9":                  "GET /\r\n<hidden>",
	"HTTP/2 preface":            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n<hidden>",
	"HTTP/9.9":                  "POST / HTTP/9.9\r\nHost: x\r\n\r\n<hidden>",
	"two spaces":                "POST  / HTTP/1.1\r\nHost: x\r\n\r\n<hidden>",
	"no host":                   "POST / HTTP/1.1\r\n\r\n<hidden>",
	"two hosts":                 "POST / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n<hidden>",
	"TLS hello":                 "\x16\x03\x01\x02\x00\x01\x00\x01\xfc<hidden>",
}

// pipelined holds two requests by every reading of the standard. It shows that
// the hidden one would be taken.
const pipelined = "<head>Content-Length: 0\r\n\r\n<hidden>"

// Nothing makes two requests of one.
func TestFaultSmuggling(t *testing.T) {
	t.Parallel()
	r := rig.New(t, rig.Options{Source: "read_timeout 1s"})
	l := r.Start()
	text := func(pattern string, e history.Event) string {
		hidden := whole(r, e)
		outer := e
		outer.Signature = rig.Sign([]byte("another body"))
		return strings.NewReplacer(
			"<head>", head(r, outer), "<hidden>", hidden, "<size>", fmt.Sprint(len(hidden)), "<hex>", fmt.Sprintf("%x", len(hidden)),
		).Replace(pattern)
	}
	for name, pattern := range ambiguous {
		e := forged(r.Event(event.TypeMessageRead), name)
		r.Log.Sending(e, l.N)
		answers := answersTo(t, r.Listen, text(pattern, e))
		// What follows may be called no request, once.
		if n := len(answers); n > 2 || n == 2 && (answers[1].StatusCode != http.StatusBadRequest || !answers[1].Close) {
			t.Errorf("%s: %d answers to one request", name, n)
		}
		for _, a := range answers {
			raw(r, e, a.StatusCode)
			if a.StatusCode < http.StatusBadRequest {
				t.Errorf("%s: answered %d", name, a.StatusCode)
			}
		}
	}
	e := r.Event(event.TypeMessageRead)
	r.Log.Sending(e, l.N)
	answers := answersTo(t, r.Listen, text(pipelined, e))
	if len(answers) != 2 || answers[0].StatusCode != http.StatusUnauthorized || answers[1].StatusCode != http.StatusOK {
		t.Fatalf("the hidden request would not be taken, so that this test shows nothing: %v", answers)
	}
	r.Log.Answered(e.ID, history.Answer{Life: l.N, Status: http.StatusOK, Result: answers[1].Header.Get("X-Inbox-Result")})
	r.Settle()
	wantJSONLog(t, l.Output())
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Report([]int{54}, "requests that two parsers read differently", len(ambiguous))
}

// HTTP/2 without TLS is not upgraded to: the request is read as the plain one that
// it is. A client that begins with HTTP/2 unasked is served as any other where
// Caddy's default protocols are on, and is not where they are not.
func TestFaultNoPlainHTTP2(t *testing.T) {
	t.Parallel()
	rounds := rig.Rounds(10, 100)
	r := rig.New(t, rig.Options{})
	l := r.Start()
	for range rounds {
		e := r.Event(event.TypeMessageRead)
		r.Log.Sending(e, l.N)
		upgrade := "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
		answers := answersTo(t, r.Listen, head(r, e)+upgrade+fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(e.Body), e.Body))
		if len(answers) != 1 || answers[0].StatusCode != http.StatusOK {
			t.Errorf("a request that offers h2c: %v", answers)
			continue
		}
		r.Log.Answered(e.ID, history.Answer{Life: l.N, Status: http.StatusOK, Result: answers[0].Header.Get("X-Inbox-Result")})
	}
	for range rounds {
		e := r.Event(event.TypeMessageRead)
		forgery := e
		forgery.Signature = rig.Sign([]byte("another body"))
		if a, err := unasked(t, r, forgery); err != nil || a.Status != http.StatusUnauthorized {
			t.Errorf("a forgery by HTTP/2 unasked: %+v, %v", a, err)
		}
		r.Log.Sending(e, l.N)
		a, err := unasked(t, r, e)
		if err != nil || a.Status != http.StatusOK {
			t.Errorf("an event by HTTP/2 unasked: %+v, %v", a, err)
		}
		a.Life = l.N
		r.Log.Answered(e.ID, a)
	}
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Configure(strings.Replace(r.Caddyfile(""), "{\n", "{\n\tservers {\n\t\tprotocols h1\n\t}\n", 1))
	r.Start()
	for range rounds {
		if a, err := unasked(t, r, r.Event(event.TypeMessageRead)); err == nil {
			t.Errorf("HTTP/2 that is off was answered %+v", a)
		}
		wantOK(t, r, r.Event(event.TypeMessageRead))
	}
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Report([]int{54}, "HTTP/2 without TLS: an upgrade, and unasked", 3*rounds)
}

// unasked sends an event by HTTP/2 from the first byte on, without TLS.
func unasked(t *testing.T, r *rig.Rig, e history.Event) (history.Answer, error) {
	t.Helper()
	rt := &http.Transport{Protocols: new(http.Protocols)}
	rt.Protocols.SetUnencryptedHTTP2(true)
	defer rt.CloseIdleConnections()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.Listen+rig.Path, bytes.NewReader(e.Body))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("X-Inbox-Signature", e.Signature)
	res, err := rt.RoundTrip(q)
	if err != nil {
		return history.Answer{}, err
	}
	defer res.Body.Close()
	if res.ProtoMajor != 2 {
		t.Errorf("the answer came by HTTP/%d", res.ProtoMajor)
	}
	return history.Answer{Status: res.StatusCode, Result: res.Header.Get("X-Inbox-Result")}, nil
}
