package emulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/platform"
)

// curl asks as the documentation shows, with curl itself where there is one.
func curl(t *testing.T, method, url, key, body string) (int, []byte) {
	t.Helper()
	if path, err := exec.LookPath("curl"); err == nil {
		args := []string{"-s", "-X", method, url, "-H", "Authorization: Bearer " + key, "-w", "\n%{http_code}"}
		if body != "" {
			args = append(args, "-H", "Content-Type: application/json", "-d", body)
		}
		out, err := exec.CommandContext(t.Context(), path, args...).Output()
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.LastIndexByte(out, '\n')
		var status int
		if _, err := fmt.Sscan(string(out[at+1:]), &status); err != nil {
			t.Fatal(err)
		}
		return status, out[:at]
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode, out
}

func into(t *testing.T, text []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

func TestEachCurlOfTheDocumentation(t *testing.T) {
	t.Parallel()
	s := newSink(t, nil)
	e := open(t, Options{})
	api := httptest.NewServer(e)
	t.Cleanup(api.Close)

	status, out := curl(t, "POST", api.URL+"/v1/webhooks", testKey, `{
    "url": "`+s.URL+`/webhooks/inbox",
    "events": ["message.delivered", "message.read", "message.failed"],
    "description": "Production webhook endpoint"
  }`)
	var w platform.Webhook
	into(t, out, &w)
	if status != http.StatusCreated || !strings.HasPrefix(w.ID, "wh_") || len(w.Secret) < 64 || w.URL != s.URL+"/webhooks/inbox" ||
		len(w.Events) != 3 || w.Description != "Production webhook endpoint" || w.CreatedAt.IsZero() {
		t.Fatalf("create: %d %+v", status, w)
	}
	s.know(t, w)

	status, out = curl(t, "POST", api.URL+"/v1/webhooks/test", testKey, `{
    "webhook_id": "`+w.ID+`",
    "event_type": "message.delivered"
  }`)
	var sent platform.TestEvent
	into(t, out, &sent)
	if status != http.StatusAccepted || !strings.HasPrefix(sent.EventID, "evt_") {
		t.Fatalf("test: %d %s", status, out)
	}
	wait(t, e)
	arrived := s.all()
	if len(arrived) != 1 || arrived[0].id != sent.EventID || arrived[0].signed != nil {
		t.Fatalf("arrived: %+v", arrived)
	}
	h := arrived[0].header
	if h.Get("Content-Type") != "application/json" || !strings.HasPrefix(h.Get("X-Inbox-Signature"), "sha256=") || h.Get("User-Agent") != UserAgent {
		t.Errorf("header %v", h)
	}
	if ev, err := event.Parse(arrived[0].body); err != nil || ev.Type != "message.delivered" {
		t.Errorf("event %v, %v", ev, err)
	}

	status, out = curl(t, "GET", api.URL+"/v1/webhooks/"+w.ID+"/logs", testKey, "")
	var logs list[platform.LogEntry]
	into(t, out, &logs)
	if status != http.StatusOK || len(logs.Data) != 1 || logs.Data[0].EventID != sent.EventID || logs.Data[0].Status != platform.LogDelivered ||
		logs.Data[0].ResponseStatus != 200 || logs.Data[0].Attempt != 1 {
		t.Errorf("logs: %d %s", status, out)
	}

	status, out = curl(t, "PUT", api.URL+"/v1/webhooks/"+w.ID, testKey, `{"events":["message.action"]}`)
	var changed platform.Webhook
	into(t, out, &changed)
	if status != http.StatusOK || changed.URL != w.URL || len(changed.Events) != 1 || changed.Secret != "" {
		t.Errorf("update: %d %s", status, out)
	}
	status, out = curl(t, "GET", api.URL+"/v1/webhooks", testKey, "")
	var hooks list[platform.Webhook]
	into(t, out, &hooks)
	if status != http.StatusOK || len(hooks.Data) != 1 || hooks.Data[0].Events[0] != "message.action" || hooks.Data[0].Secret != "" {
		t.Errorf("list: %d %s", status, out)
	}
	if status, out = curl(t, "DELETE", api.URL+"/v1/webhooks/"+w.ID, testKey, ""); status != http.StatusNoContent {
		t.Errorf("delete: %d %s", status, out)
	}
	if status, out = curl(t, "GET", api.URL+"/v1/webhooks/"+w.ID+"/logs", testKey, ""); status != http.StatusNotFound {
		t.Errorf("logs of a deleted webhook: %d %s", status, out)
	}
}

// serve makes a call without a network.
func serve(e *Emulator, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://127.0.0.1:4000"+path, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:5555"
	if strings.HasPrefix(path, "/v1/") {
		r.Header.Set("Authorization", "Bearer "+testKey)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			r.Header.Del(header[i])
		}
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		if header[i] == "Remote" {
			r.RemoteAddr = header[i+1]
		}
	}
	rec := httptest.NewRecorder()
	e.ServeHTTP(rec, r)
	return rec
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	e := open(t, Options{Transport: wire(func(*http.Request) (int, error) { return 200, nil })})
	w := hook(t, e, "http://receiver.test")
	good := `{"url":"https://a.test/x","events":["message.read"]}`
	with := func(url, events string) string { return `{"url":` + url + `,"events":` + events + `}` }
	read := `["message.read"]`
	own := "/v1/webhooks/" + w.ID
	for _, tt := range []struct {
		method, path, body string
		header             []string
		status             int
		says               string
	}{
		{"POST", "/v1/webhooks", good, []string{"Authorization", ""}, 401, "key is missing"},
		{"POST", "/v1/webhooks", good, []string{"Authorization", "Bearer wrong"}, 401, "key is wrong"},
		{"POST", "/v1/webhooks", good, []string{"Authorization", "Basic " + testKey}, 401, "key is wrong"},
		{"POST", "/v1/webhooks", good, []string{"Authorization", testKey}, 401, "key is wrong"},
		{"GET", "/v1/nowhere", "", []string{"Authorization", ""}, 401, "key is missing"},
		{"GET", "/v1/nowhere", "", nil, 404, "nothing at /v1/nowhere"},
		{"GET", "/nowhere", "", nil, 404, "nothing at /nowhere"},
		{"PATCH", "/v1/webhooks", good, nil, 405, "PATCH"},
		{"GET", own, "", nil, 405, "GET"},
		{"GET", "/v1/webhooks/test", "", nil, 405, "GET"},
		{"POST", own + "/logs", "", nil, 405, "POST"},
		{"POST", "/v1/webhooks", good, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "application/json"},
		{"POST", "/v1/webhooks", strings.Repeat(" ", maxRequest+1), nil, 413, "64 KiB"},
		{"POST", "/v1/webhooks", "", nil, 400, "empty"},
		{"POST", "/v1/webhooks", "{", nil, 400, "not strict JSON"},
		{"POST", "/v1/webhooks", good + good, nil, 400, "not strict JSON"},
		{"POST", "/v1/webhooks", `{"url":"a","url":"b"}`, nil, 400, "JSON"},
		{"POST", "/v1/webhooks", "[]", nil, 400, "not a JSON object"},
		{"POST", "/v1/webhooks", with(`7`, read), nil, 400, "/url is of the wrong type"},
		{"POST", "/v1/webhooks", with(`"http://a.test"`, `"message.read"`), nil, 400, "/events is of the wrong type"},
		{"POST", "/v1/webhooks", "{}", nil, 422, "url is missing"},
		{"POST", "/v1/webhooks", "null", nil, 422, "url is missing"},
		{"POST", "/v1/webhooks", with(`"ftp://a.test"`, read), nil, 422, "http or https"},
		{"POST", "/v1/webhooks", with(`"javascript:alert(1)"`, read), nil, 422, "http or https"},
		{"POST", "/v1/webhooks", with(`"/webhooks"`, read), nil, 422, "http or https"},
		{"POST", "/v1/webhooks", with(`"http://:80/"`, read), nil, 422, "http or https"},
		{"POST", "/v1/webhooks", with(`"http://a.test:port/"`, read), nil, 422, "http or https"},
		{"POST", "/v1/webhooks", with(`"http://u:p@a.test/"`, read), nil, 422, "user or password"},
		{"POST", "/v1/webhooks", with(`"http://a.test/#x"`, read), nil, 422, "fragment"},
		{"POST", "/v1/webhooks", with(`"http://a.test/`+strings.Repeat("x", maxURL)+`"`, read), nil, 422, "longer than"},
		{"POST", "/v1/webhooks", with(`"http://a.test"`, `[]`), nil, 422, "events is empty"},
		{"POST", "/v1/webhooks", with(`"http://a.test"`, `null`), nil, 422, "events is empty"},
		{"POST", "/v1/webhooks", with(`"http://a.test"`, `["message.deliverd"]`), nil, 422, `unknown event type \"message.deliverd\": it is one of message.delivered`},
		{"POST", "/v1/webhooks", with(`"http://a.test"`, `["message.read","message.read"]`), nil, 422, "twice"},
		{"POST", "/v1/webhooks", `{"url":"http://a.test","events":["message.read"],"description":"` + strings.Repeat("x", maxDescription+1) + `"}`, nil, 422, "description"},
		{"PUT", "/v1/webhooks/wh_none", good, nil, 404, "wh_none"},
		{"PUT", own, `{"events":[]}`, nil, 422, "events is empty"},
		{"PUT", own, `{"url":""}`, nil, 422, "url is missing"},
		{"DELETE", "/v1/webhooks/wh_none", "", nil, 404, "wh_none"},
		{"GET", "/v1/webhooks/wh_none/logs", "", nil, 404, "wh_none"},
		{"POST", "/v1/webhooks/test", `{"webhook_id":"wh_none","event_type":"message.read"}`, nil, 404, "wh_none"},
		{"POST", "/v1/webhooks/test", `{"event_type":"message.read"}`, nil, 422, "webhook_id is missing"},
		{"POST", "/v1/webhooks/test", `{"webhook_id":"` + w.ID + `"}`, nil, 422, "event type is missing"},
		{"POST", "/v1/webhooks/test", `{"webhook_id":"` + w.ID + `","event_type":"x\u001b[31m"}`, nil, 422, "unknown event type"},

		{"GET", "/_emulator/state", "", []string{"Origin", "http://evil.test"}, 403, "browsers"},
		{"GET", "/_emulator/state", "", []string{"Sec-Fetch-Site", "none"}, 403, "browsers"},
		{"GET", "/_emulator/state", "", []string{"Host", "evil.test"}, 401, "key is missing"},
		{"GET", "/_emulator/state", "", []string{"Remote", "192.0.2.1:1"}, 401, "key is missing"},
		{"GET", "/_emulator/state", "", []string{"Authorization", "Bearer wrong"}, 401, "key is wrong"},
		{"GET", "/_emulator/send", "", nil, 405, "GET"},
		{"GET", "/_emulator/nowhere", "", nil, 404, "nothing"},
		{"POST", "/_emulator/send", `{"cuont":3}`, nil, 400, "unknown member /cuont"},
		{"POST", "/_emulator/send", `{"count":-1}`, nil, 422, "count"},
		{"POST", "/_emulator/send", `{"count":100001}`, nil, 422, "count"},
		{"POST", "/_emulator/send", `{"rate":-1}`, nil, 422, "rate"},
		{"POST", "/_emulator/send", `{"duplicates":1.5}`, nil, 422, "duplicates"},
		{"POST", "/_emulator/send", `{"odd":0.6,"unknown_types":0.6}`, nil, 422, "together"},
		{"POST", "/_emulator/send", `{"slow":0.6,"cut":0.6}`, nil, 422, "together"},
		{"POST", "/_emulator/send", `{"odd_kinds":["x"]}`, nil, 422, "odd kind"},
		{"POST", "/_emulator/send", `{"drip":"soon"}`, nil, 422, "drip"},
		{"POST", "/_emulator/send", `{"type":"message.sent"}`, nil, 422, "unknown event type"},
		{"POST", "/_emulator/send", `{"webhook_id":"wh_none"}`, nil, 404, "wh_none"},
		{"POST", "/_emulator/advance", `{"by":"-2h"}`, nil, 422, "duration"},
		{"POST", "/_emulator/advance", `{"by":2}`, nil, 400, "/by"},
	} {
		rec := serve(e, tt.method, tt.path, tt.body, tt.header...)
		var said struct {
			Error struct{ Code, Message string }
		}
		into(t, rec.Body.Bytes(), &said)
		if rec.Code != tt.status || !strings.Contains(rec.Body.String(), tt.says) || said.Error.Code == "" || said.Error.Message == "" {
			t.Errorf("%s %s %.80s: got %d %s, want %d with %q", tt.method, tt.path, tt.body, rec.Code, rec.Body, tt.status, tt.says)
		}
		if allow := rec.Header().Get("Allow"); (rec.Code == 405) != (allow != "") {
			t.Errorf("%s %s: Allow is %q", tt.method, tt.path, allow)
		}
	}
	if c, hooks := e.Counts(), e.List(); c.Events != 0 || len(hooks) != 1 {
		t.Errorf("a refused request did something: %+v, %d webhooks", c, len(hooks))
	}
}

func TestTooManyWebhooks(t *testing.T) {
	t.Parallel()
	e := open(t, Options{})
	for range maxHooks {
		hook(t, e, "http://receiver.test")
	}
	rec := serve(e, "POST", "/v1/webhooks", `{"url":"https://a.test","events":["message.read"]}`)
	if rec.Code != http.StatusConflict {
		t.Errorf("got %d %s", rec.Code, rec.Body)
	}
}

// FuzzAPI: whatever is sent, the answer is JSON and no 5xx.
func FuzzAPI(f *testing.F) {
	for _, body := range []string{
		`{"url":"https://a.test","events":["message.read"],"description":"x"}`, `{"webhook_id":"wh_1","event_type":"message.read"}`,
		`{"count":2,"duplicates":1,"rate":1e9}`, `{"by":"2h"}`, `{"url":"\ud800"}`, "[[[[", "\xff", `{"count":1e400}`, `{"events":{}}`,
	} {
		for path := range 6 {
			f.Add(body, path)
		}
	}
	f.Fuzz(func(t *testing.T, body string, path int) {
		e, err := New(Options{Key: testKey, Transport: wire(func(*http.Request) (int, error) { return 200, nil })})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		e.Start()
		w := hook(t, e, "http://receiver.test")
		paths := []string{
			"POST /v1/webhooks", "PUT /v1/webhooks/" + w.ID, "POST /v1/webhooks/test",
			"POST /_emulator/send", "POST /_emulator/advance", "POST /_emulator/reset",
		}
		method, where, _ := strings.Cut(paths[uint(path)%uint(len(paths))], " ")
		rec := serve(e, method, where, body)
		if rec.Code >= 500 || rec.Code != http.StatusNoContent && !json.Valid(rec.Body.Bytes()) {
			t.Errorf("%s %s %q: %d %q", method, where, body, rec.Code, rec.Body)
		}
	})
}
