package platform

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// lenient are the options for what other programs write.
var lenient = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// isJSON reports whether body is one JSON value.
func isJSON(body []byte) bool {
	var v jsontext.Value
	return json.Unmarshal(body, &v, lenient) == nil
}

// kind returns status and type of an answer, such as "200 OK, text/html".
func kind(resp *http.Response) string {
	typ, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	if typ = oneLine(typ); typ == "" {
		typ = "no content type"
	}
	return fmt.Sprintf("%d %s, %s", resp.StatusCode, http.StatusText(resp.StatusCode), typ)
}

// refused returns the *APIError of an answer that is not 2xx.
//
// OUR ASSUMPTION: the documentation shows no error. These are understood:
// {"error":{"message":…,"code":…}}, {"error":"…"}, {"message":…,"code":…},
// {"detail":…}, {"errors":[…]}, and plain text.
func (c *Client) refused(resp *http.Response, body []byte) error {
	e := &APIError{Status: resp.StatusCode}
	if len(body) > maxAnswer {
		body = body[:maxAnswer]
	}
	if f := fieldsOf(body); f != nil {
		f = append(f, fieldsOf(f.raw("error"))...)
		e.Code = c.clean(f.text("code", "type"))
		e.Message = c.clean(f.text("message", "error", "detail", "title", "error_description"))
		if e.Message == "" {
			e.Message = c.clean(firstOf(f.raw("errors")))
		}
	}
	switch location := resp.Header.Get("Location"); {
	case e.Message != "":
	case resp.StatusCode >= 300 && resp.StatusCode < 400 && location != "":
		e.Message = "it sends us on to " + c.clean(location) + ": is INBOX_API_URL right?"
	case strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain"):
		e.Message = c.clean(string(body))
	case len(body) > 0 && !isJSON(body):
		e.Message = "the answer is not JSON (" + kind(resp) + ")"
	}
	return e
}

// firstOf returns the first message of a list of errors.
func firstOf(list jsontext.Value) string {
	var all []jsontext.Value
	if json.Unmarshal(list, &all, lenient) != nil || len(all) == 0 {
		return ""
	}
	if f := fieldsOf(all[0]); f != nil {
		return f.text("message", "detail", "error")
	}
	var s string
	_ = json.Unmarshal(all[0], &s, lenient)
	return s
}

// readList returns the items of a list.
//
// OUR ASSUMPTION: {"data":[…]}. Also understood: a bare array, the list under
// its own name, under items or results, and null for an empty one.
func readList[T any](answer []byte, name string, from func(fields) T) ([]T, error) {
	var all []jsontext.Value
	if f := fieldsOf(answer); f != nil {
		f = append(f, fieldsOf(f.raw("data"))...)
		answer = nil
		for _, n := range []string{"data", name, "items", "results"} {
			if raw := f.raw(n); raw.Kind() == jsontext.KindBeginArray || raw.Kind() == jsontext.KindNull {
				answer = raw
				break
			}
		}
	}
	if err := json.Unmarshal(answer, &all, lenient); err != nil {
		return nil, fmt.Errorf("reading answer: it holds no list of %s", name)
	}
	list := make([]T, 0, len(all))
	for _, one := range all {
		f := fieldsOf(one)
		if f == nil {
			return nil, fmt.Errorf("reading answer: its list of %s holds something else", name)
		}
		list = append(list, from(f))
	}
	return list, nil
}

// readWebhook returns a webhook, which may be the answer itself or stand under data or
// webhook. The secret may stand beside it.
func readWebhook(answer []byte) (Webhook, error) {
	f := fieldsOf(answer)
	f = append(f, fieldsOf(f.raw("data"))...)
	f = append(f, fieldsOf(f.raw("webhook"))...)
	w := webhookFrom(f)
	if w.ID == "" {
		return Webhook{}, errors.New("reading answer: it holds no webhook with an id")
	}
	return w, nil
}

// webhookFrom returns the webhook of an object.
func webhookFrom(f fields) Webhook {
	return Webhook{
		ID:          f.text("id", "webhook_id"),
		URL:         f.text("url", "endpoint"),
		Events:      f.texts("events", "event_types"),
		Description: f.text("description"),
		Secret:      f.text("secret", "signing_secret", "webhook_secret"),
		CreatedAt:   f.time("created_at", "created"),
		UpdatedAt:   f.time("updated_at", "updated"),
	}
}

// readTestEvent returns what the answer says of a test event, and where it is silent,
// what was asked for.
func readTestEvent(answer []byte, id, eventType string) TestEvent {
	f := fieldsOf(answer)
	for _, n := range []string{"data", "event", "test"} {
		f = append(f, fieldsOf(f.raw(n))...)
	}
	t := TestEvent{
		WebhookID: f.text("webhook_id"), EventID: f.text("event_id", "id"),
		EventType: f.text("event_type", "type"), Status: f.text("status"),
	}
	if t.WebhookID == "" {
		t.WebhookID = id
	}
	if t.EventType == "" {
		t.EventType = eventType
	}
	return t
}

// logEntryFrom returns the log entry of an object.
func logEntryFrom(f fields) LogEntry {
	e := LogEntry{
		EventID:        f.text("event_id"),
		EventType:      f.text("event_type", "type"),
		Attempt:        int(f.number("attempt", "attempt_number", "attempts")),
		Status:         f.text("status", "state", "result"),
		AttemptedAt:    f.time("attempted_at", "timestamp", "sent_at", "created_at"),
		DurationMS:     f.number("duration_ms", "response_time_ms", "duration"),
		ResponseStatus: int(f.number("response_status", "response_code", "status_code", "http_status")),
		Error:          oneLine(f.text("error", "error_message")),
		NextAttemptAt:  f.time("next_attempt_at", "next_retry_at"),
	}
	if e.ResponseStatus == 0 {
		e.ResponseStatus = int(f.number("status")) // a number there can be nothing else
	}
	return e
}
