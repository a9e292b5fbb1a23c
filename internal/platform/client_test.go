package platform

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testKey = "key_0123456789"

// round is a transport without a network.
type round func(*http.Request) (*http.Response, error)

func (f round) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answering is a client whose API always gives the same answer.
func answering(status int, typ, body string) *Client {
	return &Client{Key: testKey, HTTP: &http.Client{Transport: round(func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Header: http.Header{"Content-Type": {typ}, "Location": {"https://other.test/" + testKey}},
			Body: io.NopCloser(strings.NewReader(body)), Request: r,
		}, nil
	})}}
}

func TestRequestsAreTheDocumented(t *testing.T) {
	t.Parallel()
	var got []string
	c := &Client{Key: testKey, HTTP: &http.Client{Transport: round(func(r *http.Request) (*http.Response, error) {
		var body []byte
		if r.Body != nil {
			body, _ = io.ReadAll(r.Body)
		}
		if r.Header.Get("Authorization") != "Bearer "+testKey || (len(body) > 0) != (r.Header.Get("Content-Type") == "application/json") {
			t.Errorf("%s %s: header %v", r.Method, r.URL, r.Header)
		}
		got = append(got, r.Method+" "+r.URL.String()+" "+string(body))
		answer := `{"id":"wh_1"}`
		if r.Method == http.MethodGet {
			answer = `[]`
		}
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
	})}}
	reg := Registration{URL: "https://yourapp.com/webhooks/inbox", Events: []string{"message.read"}, Description: "d"}
	_, err1 := c.Create(t.Context(), reg)
	_, err2 := c.List(t.Context())
	_, err3 := c.Update(t.Context(), "wh_1", reg)
	err4 := c.Delete(t.Context(), "wh_1")
	_, err5 := c.Test(t.Context(), "wh_1", "message.read")
	_, err6 := c.Logs(t.Context(), "wh_?1")
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		t.Fatal(err)
	}
	const body = `{"url":"https://yourapp.com/webhooks/inbox","events":["message.read"],"description":"d"}`
	want := []string{
		"POST https://api.getinbox.app/v1/webhooks " + body,
		"GET https://api.getinbox.app/v1/webhooks ",
		"PUT https://api.getinbox.app/v1/webhooks/wh_1 " + body,
		"DELETE https://api.getinbox.app/v1/webhooks/wh_1 ",
		`POST https://api.getinbox.app/v1/webhooks/test {"webhook_id":"wh_1","event_type":"message.read"}`,
		"GET https://api.getinbox.app/v1/webhooks/wh_%3F1/logs ",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("requests\n got %q\nwant %q", got, want)
	}
}

func TestListsAreReadLeniently(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]int{
		`[{"id":"wh_1"},{"id":"wh_2"}]`:                 2,
		`{"data":[{"id":"wh_1"}]}`:                      1,
		`{"webhooks":[{"id":"wh_1"}],"total":1}`:        1,
		`{"data":{"webhooks":[{"id":"wh_1"}]}}`:         1,
		`{"items":[{"id":"wh_1","new":{"a":[]}}]}`:      1,
		`{"data":null}`:                                 0,
		`{"data":[]}`:                                   0,
		`{"data":[{"id":"wh_1","events":"oops"}]}`:      1,
		"{\"data\":[{\"id\":\"wh_1\",\"x\":\"\xff\"}]}": 1,
	} {
		all, err := answering(200, "application/json", body).List(t.Context())
		if err != nil || len(all) != want || want > 0 && all[0].ID != "wh_1" {
			t.Errorf("%s: %+v, %v", body, all, err)
		}
	}
	for _, body := range []string{"", "7", `"x"`, `{}`, `{"data":7}`, `[7]`, `{"data":["x"]}`} {
		if all, err := answering(200, "application/json", body).List(t.Context()); err == nil {
			t.Errorf("%s: %+v", body, all)
		}
	}
}

func TestWebhookAndLogsAreReadLeniently(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 1, 15, 10, 25, 3, 0, time.UTC)
	w := Webhook{ID: "wh_1", URL: "u", Events: []string{"e"}, Description: "d", Secret: "s", CreatedAt: at}
	for _, body := range []string{
		`{"id":"wh_1","url":"u","events":["e"],"description":"d","secret":"s","created_at":"2025-01-15T10:25:03Z"}`,
		`{"data":{"id":"wh_1","url":"u","events":["e"],"description":"d","created_at":1736936703},"secret":"s"}`,
		`{"webhook":{"webhook_id":"wh_1","url":"u","event_types":["e"],"description":"d","created":"2025-01-15T10:25:03Z"},"signing_secret":"s"}`,
	} {
		if got, err := answering(201, "application/json", body).Create(t.Context(), Registration{}); err != nil || !reflect.DeepEqual(got, w) {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
	l := LogEntry{EventID: "evt_1", EventType: "e", Attempt: 2, Status: "failed", AttemptedAt: at, DurationMS: 12, ResponseStatus: 500, Error: "a b"}
	for _, body := range []string{
		`[{"event_id":"evt_1","event_type":"e","attempt":2,"status":"failed","attempted_at":"2025-01-15T10:25:03Z","duration_ms":12,"response_status":500,"error":"a b"}]`,
		`{"logs":[{"event_id":"evt_1","type":"e","attempt_number":2,"state":"failed","status":500,"timestamp":1736936703,"duration":12.4,"error_message":"a\u001b\nb"}]}`,
	} {
		got, err := answering(200, "application/json", body).Logs(t.Context(), "wh_1")
		if err != nil || len(got) != 1 || got[0] != l {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", body, got, err, l)
		}
	}
	// An update or a test may be answered with nothing at all.
	got, err := answering(204, "", "").Update(t.Context(), "wh_1", Registration{URL: "u", Events: []string{"e"}})
	if err != nil || got.ID != "wh_1" || got.URL != "u" {
		t.Errorf("%+v, %v", got, err)
	}
	sent, err := answering(200, "", `{"data":{"id":"evt_1","type":"message.read"}}`).Test(t.Context(), "wh_1", "message.read")
	if err != nil || sent != (TestEvent{WebhookID: "wh_1", EventID: "evt_1", EventType: "message.read"}) {
		t.Errorf("%+v, %v", sent, err)
	}
	if _, err := answering(201, "", `{}`).Create(t.Context(), Registration{}); err == nil {
		t.Error("a webhook without an id is taken")
	}
}

func TestErrorsSayWhatTheAPISaid(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status          int
		typ, body, want string
	}{
		{422, "application/json", `{"error":{"message":"bad url","code":"invalid"}}`, "the API answered 422 Unprocessable Entity: bad url"},
		{400, "application/json", `{"error":"bad url"}`, "the API answered 400 Bad Request: bad url"},
		{400, "application/json", `{"message":"bad url","error":"Bad Request"}`, "the API answered 400 Bad Request: bad url"},
		{400, "application/json", `{"detail":"bad url"}`, "the API answered 400 Bad Request: bad url"},
		{400, "application/json", `{"errors":[{"message":"bad url"}]}`, "the API answered 400 Bad Request: bad url"},
		{400, "application/json", `{"errors":["bad url"]}`, "the API answered 400 Bad Request: bad url"},
		{401, "application/json", `{"error":{"message":"no key"}}`, "the API answered 401 Unauthorized: no key (check INBOX_API_KEY)"},
		{401, "", "", "the API answered 401 Unauthorized (check INBOX_API_KEY)"},
		{500, "application/json", `{"error":"a\u001b[31m\r\nb \u202e` + testKey + `"}`, "the API answered 500 Internal Server Error: a [31m b [key]"},
		{500, "application/json", `[]`, "the API answered 500 Internal Server Error"},
		{502, "text/html", "<html>Bad Gateway</html>", "the API answered 502 Bad Gateway: the answer is not JSON (502 Bad Gateway, text/html)"},
		{503, "text/plain; charset=utf-8", "come\nlater\n", "the API answered 503 Service Unavailable: come later"},
		{302, "text/html", "", "the API answered 302 Found: it sends us on to https://other.test/[key]: is INBOX_API_URL right?"},
		{799, "text/plain", strings.Repeat("x", 1<<20), "the API answered 799: " + strings.Repeat("x", maxMessage) + "…"},
	} {
		_, err := answering(tt.status, tt.typ, tt.body).List(t.Context())
		var asAPI *APIError
		if !errors.As(err, &asAPI) || asAPI.Status != tt.status || err.Error() != tt.want {
			t.Errorf("%d %.80s:\n got %v\nwant %s", tt.status, tt.body, err, tt.want)
		}
	}
	if _, err := answering(200, "text/html", "<html>").List(t.Context()); err == nil ||
		err.Error() != "reading answer of https://api.getinbox.app: it is not JSON (200 OK, text/html): is INBOX_API_URL right?" {
		t.Errorf("got %v", err)
	}
	if _, err := answering(200, "", strings.Repeat(" ", maxAnswer+1)).List(t.Context()); err == nil || !strings.Contains(err.Error(), "longer than 16 MiB") {
		t.Errorf("got %v", err)
	}
}

func TestBadSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ base, key, want string }{
		{"", "", ErrNoKey.Error()},
		{"", "se cret", "check INBOX_API_KEY"},
		{"", "secret\n", "check INBOX_API_KEY"},
		{"api.getinbox.app", testKey, "check INBOX_API_URL"},
		{"ftp://a.test", testKey, "check INBOX_API_URL"},
		{"http://%zz", testKey, "check INBOX_API_URL"},
		{"http://u:p@a.test", testKey, "check INBOX_API_URL"},
		{"http://a.test/?x=1", testKey, "check INBOX_API_URL"},
	} {
		c := &Client{BaseURL: tt.base, Key: tt.key}
		_, err := c.List(t.Context())
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q %q: %v", tt.base, tt.key, err)
		}
	}
	c := &Client{Key: testKey}
	for _, id := range []string{"", ".", "..", "a/b"} {
		if err := c.Delete(t.Context(), id); err == nil || !strings.Contains(err.Error(), "no webhook id") {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(nil)
	srv.Close()
	c := &Client{BaseURL: srv.URL + "/prefix/", Key: testKey}
	_, err := c.List(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "asking "+srv.URL+": ") || !strings.Contains(err.Error(), "refused") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.List(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// An API that hangs, before or in the middle of its answer.
func TestHangingAPI(t *testing.T) {
	t.Parallel()
	for _, inBody := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := &Client{Key: testKey, HTTP: &http.Client{Transport: round(func(r *http.Request) (*http.Response, error) {
				if inBody {
					return &http.Response{StatusCode: 200, Body: io.NopCloser(hanging{r.Context()}), Request: r}, nil
				}
				<-r.Context().Done()
				return nil, r.Context().Err()
			})}}
			began := time.Now()
			_, err := c.List(t.Context())
			if err == nil || err.Error() != "asking https://api.getinbox.app: no answer within 15s" || time.Since(began) != DefaultTimeout {
				t.Errorf("in body %v: after %v: %v", inBody, time.Since(began), err)
			}
		})
	}
}

type hanging struct{ ctx context.Context }

func (h hanging) Read([]byte) (int, error) {
	<-h.ctx.Done()
	return 0, h.ctx.Err()
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	want := []string{"0s", "30s", "2m30s", "10m30s", "42m30s", "2h42m30s"}
	var total time.Duration
	for i, d := range Schedule() {
		if total += d; total.String() != want[i] {
			t.Errorf("attempt %d at %v, want %s", i+1, total, want[i])
		}
	}
}

// FuzzAnswer: no answer makes the client panic, or its error more than a line.
func FuzzAnswer(f *testing.F) {
	for _, body := range []string{`{"data":[{"id":"wh_1"}]}`, `[{}]`, `{"error":{"message":"x"}}`, "\x1b", `{"errors":[[]]}`, `{"data":{"data":[]}}`} {
		f.Add(200, body)
		f.Add(400, body)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		c := answering(200+int(uint(status)%400), "application/json", body)
		_, err1 := c.List(t.Context())
		_, err2 := c.Logs(t.Context(), "wh_1")
		_, err3 := c.Create(t.Context(), Registration{})
		_, err4 := c.Test(t.Context(), "wh_1", "message.read")
		for _, err := range []error{err1, err2, err3, err4} {
			if err != nil && strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Errorf("%q", err)
			}
		}
	})
}
