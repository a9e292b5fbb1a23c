package control_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// schema is as much of JSON Schema as openapi.json uses.
type schema struct {
	Ref        string            `json:"$ref"`
	Type       string            `json:"type"`
	Enum       []string          `json:"enum"`
	Properties map[string]schema `json:"properties"`
	Items      *schema           `json:"items"`
	More       json.RawMessage   `json:"additionalProperties"`
}

type openAPI struct {
	Paths map[string]map[string]struct {
		Responses map[string]struct {
			Content map[string]struct{ Schema schema }
		}
	}
	Components struct{ Schemas map[string]schema }
}

// check says where a value is not as described.
func (d *openAPI) check(at string, s schema, v any) (wrong []string) {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		s = d.Components.Schemas[name]
	}
	bad := func(format string, args ...any) { wrong = append(wrong, at+": "+fmt.Sprintf(format, args...)) }
	switch v := v.(type) {
	case map[string]any:
		if s.Type != "object" && s.Type != "" {
			bad("is an object, not %s", s.Type)
		}
		for name, member := range v {
			p, ok := s.Properties[name]
			switch {
			case ok:
				wrong = append(wrong, d.check(at+"."+name, p, member)...)
			case string(s.More) == "false":
				bad("%s is not described", name)
			}
		}
	case []any:
		if s.Type != "array" && s.Type != "" {
			bad("is an array, not %s", s.Type)
		}
		for i, item := range v {
			if s.Items != nil {
				wrong = append(wrong, d.check(fmt.Sprintf("%s[%d]", at, i), *s.Items, item)...)
			}
		}
	case string:
		if s.Type != "string" && s.Type != "" || len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
			bad("is %q, not %s %v", v, s.Type, s.Enum)
		}
	case float64:
		if s.Type != "integer" && s.Type != "number" && s.Type != "" {
			bad("is a number, not %s", s.Type)
		}
	case bool:
		if s.Type != "boolean" && s.Type != "" {
			bad("is a boolean, not %s", s.Type)
		}
	}
	return wrong
}

// TestContract asks for every path that openapi.json describes, and holds each
// answer against it; and no other path is served.
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
	r.ok(r.store.Hold(t.Context(), spool.RouteKey{Source: "inbox", Route: "crm"}, spool.Hold{Reason: "refused", Probes: 1}))
	_, text := r.call("GET", control.Prefix+"openapi.json", "", "", "")
	d := decode[openAPI](t, text)
	entries := decode[control.Page](t, second(r.call("GET", control.Prefix+"quarantine", "", "", ""))).Events

	values := strings.NewReplacer("{ref}", "evt_1", "{entry}", fmt.Sprint(entries[0].Number), "{source}", "inbox", "{route}", "app")
	served := patterns(t)
	for _, path := range paths(&d) {
		method, path, _ := strings.Cut(path, " ")
		served = slices.DeleteFunc(served, func(p string) bool { return p == method+" "+path })
		body := ""
		switch path {
		case "/inbox/replay":
			body = `{"filter":{"state":"dead"},"only_state":true,"dry_run":true}`
		case "/inbox/dead/discard", "/inbox/quarantine/release", "/inbox/quarantine/discard":
			body = `{"all":true,"dry_run":true}`
		}
		status, text := r.call(method, values.Replace(path), "", "", body)
		if status != 200 {
			t.Errorf("%s %s: %d %s", method, path, status, text)
			continue
		}
		for kind, content := range d.Paths[path][strings.ToLower(method)].Responses["200"].Content {
			if !strings.Contains(kind, "json") {
				continue
			}
			lines := []string{text}
			if strings.Contains(kind, "ndjson") {
				lines = strings.Split(strings.TrimSpace(text), "\n")
			}
			for _, line := range lines {
				for _, wrong := range d.check(method+" "+path, content.Schema, decode[any](t, line)) {
					t.Error(wrong)
				}
			}
		}
	}
	if len(served) > 0 {
		t.Errorf("served and not described: %v", served)
	}
	status, text := r.call("GET", control.Prefix+"events/none", "", "", "")
	for _, wrong := range d.check("error", d.Components.Schemas["Error"], decode[any](t, text)) {
		t.Errorf("%d: %s", status, wrong)
	}
}

func second(_ int, s string) string { return s }

// paths are the described ones. What removes something comes last.
func paths(d *openAPI) (all []string) {
	for path, methods := range d.Paths {
		for method := range methods {
			all = append(all, strings.ToUpper(method)+" "+path)
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
	for _, name := range []string{"control.go", "still.go"} {
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
