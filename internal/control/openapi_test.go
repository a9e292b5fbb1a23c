package control

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write openapi.json anew from the table of words")

// openAPI is openapi.json in the order in which it is written.
type openAPI struct {
	OpenAPI    json.RawMessage                  `json:"openapi"`
	Info       json.RawMessage                  `json:"info"`
	Security   json.RawMessage                  `json:"security"`
	Paths      map[string]map[string]*operation `json:"paths"`
	Components struct {
		Parameters map[string]*parameter      `json:"parameters"`
		Responses  map[string]json.RawMessage `json:"responses"`
		Schemas    map[string]map[string]any  `json:"schemas"`
		Security   map[string]json.RawMessage `json:"securitySchemes"`
	} `json:"components"`
}

type operation struct {
	Summary    string          `json:"summary"`
	Parameters []*parameter    `json:"parameters,omitempty"`
	Body       json.RawMessage `json:"requestBody,omitempty"`
	Responses  map[string]any  `json:"responses"`
}

type parameter struct {
	Ref         string         `json:"$ref,omitempty"`
	Name        string         `json:"name,omitempty"`
	In          string         `json:"in,omitempty"`
	Required    bool           `json:"required,omitempty"`
	Description string         `json:"description,omitempty"`
	Schema      map[string]any `json:"schema,omitempty"`
}

// small is an object of one text, which is written on one line.
var small = regexp.MustCompile(`\{\s*("[^"\n]+": "[^"\n]*")\s*\}`)

// lists are the calls that have a filter, and what else they may be asked with.
var lists = map[string]struct {
	list Lists
	also []string
}{
	"/inbox/events":            {OfEvents, eventsWords},
	"/inbox/events/stream":     {OfEvents, []string{"after"}},
	"/inbox/counts":            {OfEvents, []string{"by"}},
	"/inbox/logs":              {OfEvents, logWords},
	"/inbox/dead":              {OfDead, listWords},
	"/inbox/dead/groups":       {OfDead, nil},
	"/inbox/quarantine":        {OfQuarantine, listWords},
	"/inbox/quarantine/groups": {OfQuarantine, nil},
}

// routeStates are the words for Route.State.
var routeStates = []string{RouteReady, RouteSlowed, RouteHeld, RouteHeldByHand, RouteParked}

// deliveryStates are the states that a delivery is shown in.
func deliveryStates() (names []string) {
	for _, s := range stateWords {
		if s.of != 0 || s.name == parked {
			names = append(names, s.name)
		}
	}
	return names
}

// schemaOf describes a word: as a parameter, or as a member of a filter's JSON.
func schemaOf(w Word, member bool) map[string]any {
	switch w.field(new(Filter)).(type) {
	case *int:
		return map[string]any{"type": "integer", "minimum": 100, "maximum": 999}
	case *string:
		if w.Values != nil {
			return map[string]any{"type": "string", "enum": w.Values}
		}
	default: // A parameter may also be a date, or how long ago.
		if member {
			return map[string]any{"type": "string", "format": "date-time"}
		}
	}
	return map[string]any{"type": "string"}
}

// fill puts the words into the description.
func (d *openAPI) fill(t *testing.T) {
	t.Helper()
	members := map[string]any{}
	for _, w := range AllWords() {
		d.Components.Parameters[w.Name] = &parameter{
			Name: w.Name, In: "query", Description: strings.ToUpper(w.Help[:1]) + w.Help[1:] + ".", Schema: schemaOf(w, false),
		}
		members[w.Name] = schemaOf(w, true)
	}
	d.Components.Schemas["Filter"]["properties"] = members
	member := func(of, name string, values []string) {
		d.Components.Schemas[of]["properties"].(map[string]any)[name] = map[string]any{"type": "string", "enum": values}
	}
	member("Route", "state", routeStates)
	member("Delivery", "state", deliveryStates())
	for path, l := range lists {
		call := d.Paths[path]["get"]
		call.Parameters = nil
		for _, w := range Words(l.list) {
			call.Parameters = append(call.Parameters, &parameter{Ref: "#/components/parameters/" + w.Name})
		}
		for _, name := range l.also {
			if d.Components.Parameters[name] == nil {
				t.Errorf("components/parameters/%s is missing: describe it by hand", name)
			}
			call.Parameters = append(call.Parameters, &parameter{Ref: "#/components/parameters/" + name})
		}
	}
}

// The parameters and the members of a filter are described as the table has them.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	var d openAPI
	strict := json.NewDecoder(bytes.NewReader(description))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&d); err != nil {
		t.Fatal(err)
	}
	d.fill(t)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(d); err != nil {
		t.Fatal(err)
	}
	want := small.ReplaceAll(b.Bytes(), []byte("{$1}"))
	if bytes.Equal(want, description) {
		return
	}
	if !*update {
		t.Fatal("openapi.json differs from the table of words: run go test ./internal/control -run TestOpenAPI -update")
	}
	if err := os.WriteFile("openapi.json", want, 0o644); err != nil {
		t.Fatal(err)
	}
}
