package control_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// contract is the API as openapi.json describes it, and calls that keep to it.
type contract struct {
	*rig
	doc *openapi3.T
}

// readContract asks for the description, and checks that it is one.
func (r *rig) readContract() contract {
	r.Helper()
	_, text := r.call("GET", control.Prefix+"openapi.json", "", "", "")
	doc, err := openapi3.NewLoader().LoadFromData([]byte(text))
	r.ok(err)
	r.ok(doc.Validate(r.Context()))
	return contract{r, doc}
}

// check makes a call and holds it and its answer against the description.
func (c contract) check(method, path string, values map[string]string, query, body string) (status int) {
	c.Helper()
	url := c.server.URL + path
	for name, value := range values {
		url = strings.Replace(url, "{"+name+"}", value, 1)
	}
	req, err := http.NewRequestWithContext(c.Context(), method, url+query, strings.NewReader(body))
	c.ok(err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	item := c.doc.Paths.Value(path)
	in := &openapi3filter.RequestValidationInput{
		Request: req, PathParams: values,
		Route:   &routers.Route{Spec: c.doc, Path: path, PathItem: item, Method: method, Operation: item.GetOperation(method)},
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateRequest(c.Context(), in); err != nil {
		c.Errorf("the call %s %s%s is not as described: %v", method, path, query, err)
	}
	res, err := http.DefaultClient.Do(req)
	c.ok(err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	c.ok(err)
	if res.StatusCode == http.StatusOK && res.Header.Get("Content-Type") == "application/x-ndjson" {
		c.lines(in.Route.Operation, method+" "+path, raw)
		return res.StatusCode
	}
	in.Options.ExcludeResponseBody = !strings.Contains(res.Header.Get("Content-Type"), "json")
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: res.StatusCode, Header: res.Header, Options: in.Options}
	if err := openapi3filter.ValidateResponse(c.Context(), out.SetBodyBytes(raw)); err != nil {
		c.Errorf("the answer to %s %s%s is not as described: %v\n%s", method, path, query, err, raw)
	}
	return res.StatusCode
}

// lines checks an answer that comes step by step.
func (c contract) lines(op *openapi3.Operation, call string, raw []byte) {
	c.Helper()
	content := op.Responses.Status(http.StatusOK).Value.Content["application/x-ndjson"]
	if content == nil {
		c.Fatalf("%s: its answer is not described as lines of JSON", call)
	}
	for line := range bytes.Lines(raw) {
		var v any
		c.ok(json.Unmarshal(line, &v))
		if err := content.Schema.Value.VisitJSON(v, openapi3.EnableJSONSchema2020()); err != nil {
			c.Errorf("a line of the answer to %s is not as described: %v\n%s", call, err, line)
		}
	}
}

// TestContract makes every call that openapi.json describes, and holds each answer
// against it; and no other path is served.
func TestContract(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.accept(1, "message.read", "app", spool.Dead)
	r.accept(2, "message.read", "crm", spool.Retrying)
	r.accept(3, "message.read", "gone", spool.Dead)
	r.accept(4, "message.read", "gone", 0)
	for _, body := range []string{"odd", "odder"} {
		e := &spool.Event{Source: "inbox", Digest: spool.Digest{byte(len(body))}, Request: spool.Request{Body: []byte(body)}}
		r.ok(r.store.Quarantine(t.Context(), spool.Odd{Event: e, Reason: "body is not JSON"}))
	}
	r.ok(r.store.Hold(t.Context(), "", spool.RouteKey{Source: "inbox", Route: "crm"}, spool.Hold{Reason: "refused", Probes: 1}))
	c := r.readContract()
	entries := decode[control.Page](t, second(r.call("GET", control.Prefix+"quarantine", "", "", ""))).Events

	all := map[string]string{"ref": "evt_1", "entry": fmt.Sprint(entries[0].Number), "source": "inbox", "route": "app"}
	served := patterns(t)
	for _, call := range c.calls() {
		served = slices.DeleteFunc(served, func(p string) bool { return p == call })
		method, path, _ := strings.Cut(call, " ")
		values := map[string]string{}
		for name, value := range all {
			if strings.Contains(path, "{"+name+"}") {
				values[name] = value
			}
		}
		body, query := "", ""
		switch path {
		case "/inbox/events/stream":
			continue // It does not end: TestStream has its messages.
		case "/inbox/counts":
			query = "?by=state"
		case "/inbox/replay":
			body = `{"filter":{"state":"dead"},"only_state":true,"dry_run":true}`
		case "/inbox/dead/discard", "/inbox/quarantine/release", "/inbox/quarantine/discard":
			body = `{"all":true,"dry_run":true}`
		}
		if status := c.check(method, path, values, query, body); status != 200 {
			t.Errorf("%s: %d", call, status)
		}
	}
	if len(served) > 0 {
		t.Errorf("served and not described: %v", served)
	}
	for _, word := range control.AllWords() {
		value := map[string]string{"status": "404", "since": "2h", "until": "2026-03-01", "source": "inbox", "route": "app"}[word.Name]
		if word.Values != nil {
			value = word.Values[0]
		} else if value == "" {
			value = "x"
		}
		for _, path := range []string{"events", "dead", "dead/groups", "logs", "quarantine", "quarantine/groups"} {
			described := c.describes(control.Prefix+path, word.Name)
			if status, text := r.call("GET", control.Prefix+path+"?"+word.Name+"="+value, "", "", ""); described != (status == 200) {
				t.Errorf("%s?%s=%s: described is %v, answered %d %s", path, word.Name, value, described, status, text)
			}
			if described {
				c.check("GET", control.Prefix+path, nil, "?"+word.Name+"="+value, "")
			}
		}
	}
	if status := c.check("GET", "/inbox/events/{ref}", map[string]string{"ref": "none"}, "", ""); status != 404 {
		t.Errorf("an event that is not there: %d", status)
	}
}

func second(_ int, s string) string { return s }

// describes reports whether a path has a query parameter.
func (c contract) describes(path, name string) bool {
	return c.doc.Paths.Value(path).Get.Parameters.GetByInAndName("query", name) != nil
}

// calls are the described ones. What removes something comes last.
func (c contract) calls() (all []string) {
	for path, item := range c.doc.Paths.Map() {
		for method := range item.Operations() {
			all = append(all, method+" "+path)
		}
	}
	slices.SortFunc(all, func(a, b string) int {
		da, db := strings.HasSuffix(a, "discard"), strings.HasSuffix(b, "discard")
		switch {
		case da == db:
			return strings.Compare(a, b)
		case da:
			return 1
		}
		return -1
	})
	return all
}

// patterns are those in the source.
func patterns(t *testing.T) (all []string) {
	t.Helper()
	var src []byte
	for _, name := range []string{"control.go", "reader.go"} {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		src = append(src, raw...)
	}
	for _, m := range regexp.MustCompile(`"((?:GET|POST) /inbox/[^"]*)"`).FindAllSubmatch(src, -1) {
		all = append(all, string(m[1]))
	}
	if len(all) < 20 {
		t.Fatalf("%d paths in the source", len(all))
	}
	return all
}
