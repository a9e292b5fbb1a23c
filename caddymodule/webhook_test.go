package caddymodule_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/verify"
)

// One configuration, and the answers to every kind of request.
func TestWebhook(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	all, oncall := newApp(t, nil), newApp(t, nil)
	in := start(t, "", fmt.Sprintf(`
	inbox_webhook /hook {
		max_body 64KiB
		read_timeout 500ms
		on message.* %s {
			name all
		}
		on message.failed %s {
			name oncall
		}
	}
	inbox_webhook /other {
		name other
		to %s
	}`, all.addr(), oncall.addr(), all.addr()))
	hook := in.url("/hook")

	t.Run("accepted and delivered as it came", func(t *testing.T) { testAsItCame(t, in, all) })
	t.Run("fan-out", func(t *testing.T) {
		id, body := sample(t, "message.failed")
		if r := post(t, hook, body); r.status != 200 || r.result != "accepted" {
			t.Fatalf("got %+v", r)
		}
		all.await(t, id)
		oncall.await(t, id)
		id, body = sample(t, "message.read")
		post(t, hook, body)
		all.await(t, id)
		if oncall.count(id) != 0 {
			t.Error("message.read reached the route for message.failed")
		}
	})
	t.Run("duplicate", func(t *testing.T) {
		id, body := sample(t, "message.read")
		post(t, hook, body)
		all.await(t, id)
		for range 3 {
			if r := post(t, hook, body); r.status != 200 || r.result != "duplicate" || r.reason == "" {
				t.Fatalf("got %+v", r)
			}
		}
		if n := all.count(id); n != 1 {
			t.Errorf("delivered %d times", n)
		}
	})
	t.Run("same id from another source is another event", func(t *testing.T) {
		id, body := sample(t, "message.read")
		post(t, hook, body)
		if r := post(t, in.url("/other"), body); r.result != "accepted" {
			t.Fatalf("got %+v", r)
		}
		eventually(t, "two copies", func() bool { return all.count(id) == 2 })
	})
	t.Run("unrouted", func(t *testing.T) {
		body := fmt.Appendf(nil, `{"id":"evt_unrouted","type":"invoice.paid","created_at":%q,"data":{}}`, time.Now().Format(time.RFC3339))
		if r := post(t, hook, body); r.status != 200 || r.result != "accepted" {
			t.Fatalf("got %+v", r)
		}
		if got := in.records(spool.Query{Unrouted: true}); len(got) != 1 || got[0].Event.ID != "evt_unrouted" {
			t.Errorf("unrouted are %+v", got)
		}
	})
	t.Run("refused", func(t *testing.T) { testRefused(t, in) })
	t.Run("signatures", func(t *testing.T) { testSignatures(t, in) })
	t.Run("quarantine", func(t *testing.T) { testQuarantine(t, in, all) })
	t.Run("headers a client may not say", func(t *testing.T) { testForgedHeaders(t, in, all) })
	t.Run("nothing secret in the log", func(t *testing.T) {
		raw, err := os.ReadFile(in.logs)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{secret, "+15551234567", "15551234567"} {
			if bytes.Contains(raw, []byte(s)) {
				t.Errorf("the log holds %q", s)
			}
		}
		for _, s := range []string{`"inbox_event_id":"evt_`, `"inbox_result":"accepted"`, `"inbox_source":"inbox"`, `"inbox_event_type":"message.read"`, `"inbox_reject_reason":`} {
			if !bytes.Contains(raw, []byte(s)) {
				t.Errorf("the access log lacks %s", s)
			}
		}
	})
}

func testAsItCame(t *testing.T, in *instance, all *app) {
	id, body := sample(t, "message.action")
	body = append([]byte(" \n\t"), body...) // Bytes that a parser would not keep.
	r := request(t, in.url("/hook?tenant=7&x=%2F"), body)
	r.Host = "hooks.example.com"
	r.Header.Set("User-Agent", "Inbox-Webhooks/1.0")
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	r.Header.Set("Cookie", "a=b")
	if got := send(t, r); got.status != 200 || got.body != "OK" || got.result != "accepted" || got.reason != "" {
		t.Fatalf("got %+v", got)
	}
	a := all.await(t, id)
	if !bytes.Equal(a.Body, body) {
		t.Errorf("body changed: %q", a.Body)
	}
	if a.URI != "/hook?tenant=7&x=%2F" || a.Host != "hooks.example.com" || a.Method != http.MethodPost {
		t.Errorf("uri %s, host %s, method %s", a.URI, a.Host, a.Method)
	}
	want := map[string]string{
		"X-Inbox-Signature": verify.Sign([]byte(secret), body), "Content-Type": "application/json", "User-Agent": "Inbox-Webhooks/1.0",
		"Traceparent":      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"X-Inbox-Event-Id": id, "X-Inbox-Event-Type": "message.action", "X-Inbox-Source": "inbox", "X-Inbox-Route": "all",
		"X-Inbox-Attempt": "1", "Idempotency-Key": id, "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "hooks.example.com",
		"Cookie": "", "X-Inbox-Replay": "", "Accept-Encoding": "",
	}
	for name, v := range want {
		if got := a.Header.Get(name); got != v {
			t.Errorf("%s is %q, want %q", name, got, v)
		}
	}
	eventually(t, "the record of the delivery", func() bool {
		rec := in.records(spool.Query{ID: id})
		return len(rec) == 1 && len(rec[0].Deliveries) == 1 && rec[0].Deliveries[0].State == spool.Delivered
	})
}

func testRefused(t *testing.T, in *instance) {
	hook := in.url("/hook")
	_, body := sample(t, "message.read")
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		r := request(t, hook, body)
		r.Method = method
		if got := send(t, r); got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "POST" {
			t.Errorf("%s: %+v", method, got)
		}
	}
	big := []byte(`{"id":"evt_big","type":"message.read","data":"` + strings.Repeat("x", 64<<10) + `"}`)
	if got := post(t, hook, big); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("large body: %+v", got)
	}
	r := request(t, hook, big)
	r.ContentLength = -1 // Chunked: nothing is announced.
	if got := send(t, r); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("large chunked body: %+v", got)
	}
	if status := slowBody(t, in.port, len(body), body[:10]); status != http.StatusRequestTimeout {
		t.Errorf("slow body: %d", status)
	}
	r = request(t, hook, body)
	r.Header.Set("Content-Encoding", "gzip")
	r.Header.Set(verify.Header, verify.Sign([]byte(secret), []byte("what the body inflates to")))
	if got := send(t, r); got.status != http.StatusUnsupportedMediaType {
		t.Errorf("encoded body: %+v", got)
	}
	for _, id := range []string{"evt_big"} {
		if got := in.records(spool.Query{ID: id}); len(got) != 0 {
			t.Errorf("refused, but stored: %+v", got)
		}
	}
	if got := send(t, request(t, in.url("/elsewhere"), body)); got.status != 404 {
		t.Errorf("another path: %+v", got)
	}
}

func testSignatures(t *testing.T, in *instance) {
	_, body := sample(t, "message.read")
	good := verify.Sign([]byte(secret), body)
	hexed := strings.TrimPrefix(good, "sha256=")
	bad := map[string][]string{
		"missing": nil, "empty": {""}, "prefix only": {"sha256="}, "short": {good[:len(good)-1]}, "truncated": {"sha256=" + hexed[:32]},
		"long": {good + "0"}, "not hex": {"sha256=" + strings.Repeat("z", 64)}, "forged": {verify.Sign([]byte("another-secret-0123456789"), body)},
		"of the empty key": {emptyKeySignature(body)}, "of another body": {verify.Sign([]byte(secret), []byte("x"))},
		"nine in a list": {strings.Repeat("sha256="+strings.Repeat("0", 64)+",", 8) + good}, "other algorithm": {"sha1=" + hexed}, "twice prefixed": {"sha256=" + good},
	}
	var first *reply
	for name, values := range bad {
		r := request(t, in.url("/hook"), body)
		r.Header.Del(verify.Header)
		if values != nil {
			r.Header[verify.Header] = values
		}
		got := send(t, r)
		got.header.Del("Date")
		if got.status != http.StatusUnauthorized {
			t.Errorf("%s: %+v", name, got)
		}
		if first == nil {
			first = &got
		} else if fmt.Sprint(*first) != fmt.Sprint(got) {
			t.Errorf("%s: the answer differs: %+v and %+v", name, *first, got)
		}
	}
	for _, header := range []string{"X_Inbox_Signature", "X.Inbox.Signature"} {
		r := request(t, in.url("/hook"), body)
		r.Header = http.Header{header: {good}}
		if got := send(t, r); got.status != http.StatusUnauthorized {
			t.Errorf("%s: %+v", header, got)
		}
	}
	if got := in.records(spool.Query{ID: idOf(t, body)}); len(got) != 0 {
		t.Errorf("forged, but stored: %+v", got)
	}
	// The forged copies have poisoned nothing: the real one is new.
	good2 := [][]string{{strings.Repeat("0", 64), good}, {hexed}, {"nonsense, " + good}, {strings.ToUpper(hexed)}}
	for i, values := range good2 {
		_, body := sample(t, "message.read")
		r := request(t, in.url("/hook"), body)
		own := verify.Sign([]byte(secret), body)
		for j, v := range values {
			v = strings.ReplaceAll(strings.ReplaceAll(v, good, own), hexed, strings.TrimPrefix(own, "sha256="))
			values[j] = strings.ReplaceAll(v, strings.ToUpper(hexed), strings.ToUpper(strings.TrimPrefix(own, "sha256=")))
		}
		r.Header[verify.Header] = values
		if got := send(t, r); got.status != 200 || got.result != "accepted" {
			t.Errorf("good %d: %+v", i, got)
		}
	}
}

func idOf(t *testing.T, body []byte) string {
	var e struct{ ID string }
	if err := json.Unmarshal(body, &e); err != nil {
		t.Fatal(err)
	}
	return e.ID
}

func testQuarantine(t *testing.T, in *instance, all *app) {
	now := time.Now().Format(time.RFC3339)
	odd := map[string]struct{ body, reason string }{
		"the spec's own date": {`{"id":"evt_1234567890","type":"message.delivered","created_at":"2025-01-15T10:25:03Z","data":{}}`, "window"},
		"far future":          {`{"id":"evt_future","type":"message.read","created_at":"` + time.Now().Add(9*24*time.Hour).Format(time.RFC3339) + `","data":{}}`, "future"},
		"not JSON":            {`id=evt_1`, "JSON"},
		"empty":               {``, "empty"},
		"array":               {`[]`, "object"},
		"no id":               {`{"type":"message.read","created_at":"` + now + `"}`, "id is missing"},
		"mixed case":          {`{"ID":"evt_case","Type":"message.read"}`, "id is missing"},
		"number as id":        {`{"id":7,"type":"message.read"}`, "id is not a string"},
		"two ids":             {`{"id":"evt_a","id":"evt_b","type":"message.read"}`, "duplicate key"},
		"trailing":            {`{"id":"evt_t","type":"message.read"}{}`, "after"},
		"BOM":                 {"\xef\xbb\xbf" + `{"id":"evt_bom","type":"message.read"}`, "byte order"},
		"bad UTF-8":           {`{"id":"evt_u","type":"message.read","data":"` + "\xff" + `"}`, "UTF-8"},
		"line feed in the id": {`{"id":"evt\n{\"level\":\"error\"}","type":"message.read"}`, "bytes outside"},
		"escape in the type":  {`{"id":"evt_esc","type":"\u001b[31mred"}`, "bytes outside"},
		"deep":                {`{"id":"evt_deep","type":"message.read","data":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, "deep"},
	}
	for name, o := range odd {
		for range 2 {
			if got := post(t, in.url("/hook"), []byte(o.body)); got.status != 200 || got.result != "quarantined" || !strings.Contains(got.reason, o.reason) {
				t.Errorf("%s: status %d, result %q, reason %q", name, got.status, got.result, got.reason)
			}
		}
	}
	// Signed over the bytes of an encoded body: kept, and never inflated.
	r := request(t, in.url("/hook"), []byte("\x1f\x8b not really"))
	r.Header.Set("Content-Encoding", "gzip")
	if got := send(t, r); got.status != 200 || got.result != "quarantined" {
		t.Errorf("encoded: %+v", got)
	}
	kept := in.records(spool.Query{Kind: spool.Quarantined})
	if len(kept) != len(odd)+1 {
		t.Errorf("%d entries in quarantine for %d odd bodies", len(kept), len(odd)+1)
	}
	for _, k := range kept {
		if k.Reason == "" {
			t.Errorf("no reason: %+v", k.Event)
		}
	}
	// A known id with another body: the first wins, the other is kept.
	id, body := sample(t, "message.read")
	post(t, in.url("/hook"), body)
	other := bytes.Replace(body, []byte("+15551234567"), []byte("+15557654321"), 1)
	if got := post(t, in.url("/hook"), other); got.status != 200 || got.result != "quarantined" || !strings.Contains(got.reason, "another body") {
		t.Errorf("conflict: %+v", got)
	}
	if got := all.await(t, id); !bytes.Equal(got.Body, body) {
		t.Errorf("the first did not win: %s", got.Body)
	}
	if all.count(id) != 1 {
		t.Error("the conflict was delivered")
	}
	if got := in.records(spool.Query{Kind: spool.Quarantined, ID: id}); len(got) != 1 || !bytes.Equal(got[0].Event.Request.Body, other) {
		t.Errorf("the conflict is not kept: %+v", got)
	}
}

func testForgedHeaders(t *testing.T, in *instance, all *app) {
	id, body := sample(t, "message.read")
	r := request(t, in.url("/hook"), body)
	for _, name := range []string{
		"X-Inbox-Event-Id", "X_Inbox_Event_Id", "X.Inbox.Event.Id", "X-Inbox-Verified", "X-Inbox-Replay", "X-Inbox-Route",
		"Idempotency-Key", "X-Forwarded-For", "X-Forwarded-Proto", "Authorization", "X-Real-Ip", "Via",
	} {
		r.Header[name] = []string{"forged"}
	}
	if got := send(t, r); got.status != 200 {
		t.Fatalf("got %+v", got)
	}
	for name, values := range all.await(t, id).Header {
		if strings.Contains(strings.Join(values, " "), "forged") {
			t.Errorf("the app saw %s: %v", name, values)
		}
	}
}

// The claim belongs to the accept: a client that leaves in its middle finds
// the event stored when it comes back.
func TestClientLeaves(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	a := newApp(t, nil)
	in := start(t, "", "inbox_webhook /hook "+a.addr())
	for range 50 {
		id, body := sample(t, "message.read")
		ctx, cancel := context.WithCancel(context.Background())
		r := request(t, in.url("/hook"), body).WithContext(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if res, err := client.Do(r); err == nil {
				res.Body.Close()
			}
		}()
		cancel()
		<-done
		if got := post(t, in.url("/hook"), body); got.status != 200 {
			t.Fatalf("got %+v", got)
		}
		a.await(t, id)
		if n := a.count(id); n != 1 {
			t.Fatalf("delivered %d times", n)
		}
	}
}
