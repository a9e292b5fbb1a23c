package cli

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// override sets one value of an event.
type override struct {
	path  []string // the names that lead to it
	value jsontext.Value
}

// parseOverride reads path=value. What is JSON is taken as such, anything else
// is text: a phone number such as +15557654321 is no JSON.
func parseOverride(s string) (override, error) {
	path, text, ok := strings.Cut(s, "=")
	o := override{path: strings.Split(path, "."), value: jsontext.Value(text)}
	for _, name := range o.path {
		if name == "" {
			ok = false
		}
	}
	if !ok {
		return override{}, Usagef("--override %q: write it as path=value, for example data.to=+15557654321", s)
	}
	if !o.value.IsValid() {
		o.value = quoted(text)
	}
	return o, nil
}

// quoted returns text as a JSON string.
func quoted(text string) jsontext.Value {
	// Bytes that are no UTF-8 become U+FFFD, so this cannot fail.
	b, _ := jsontext.AppendQuote(nil, strings.ToValidUTF8(text, "\ufffd"))
	return b
}

// apply returns the body with the value set, its members in their order.
// A new name is added at the end, and so are the objects that lead to it.
func (o override) apply(body []byte) ([]byte, error) {
	v, err := setMember(body, o.path, o.value)
	if err != nil {
		return nil, fmt.Errorf("setting %s: %w", strings.Join(o.path, "."), err)
	}
	return v, nil
}

// setMember returns object with the value at path.
func setMember(object jsontext.Value, path []string, value jsontext.Value) (jsontext.Value, error) {
	if len(path) == 0 {
		return value, nil
	}
	if object.Kind() != '{' {
		return nil, fmt.Errorf("%s lies in a value that is no object", path[0])
	}
	all, err := members(object)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(all, func(m member) bool { return m.name == path[0] })
	if at < 0 {
		at = len(all)
		all = append(all, member{path[0], jsontext.Value("{}")})
	}
	if all[at].value, err = setMember(all[at].value, path[1:], value); err != nil {
		return nil, err
	}
	return writeMembers(all), nil
}

// member is a name and a value of a JSON object.
type member struct {
	name  string
	value jsontext.Value
}

// members returns the members of an object, in its order.
func members(object jsontext.Value) ([]member, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(object))
	var all []member
	if _, err := dec.ReadToken(); err != nil { // The opening brace.
		return nil, fmt.Errorf("reading JSON: %w", err)
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, fmt.Errorf("reading JSON: %w", err)
		}
		m := member{name: name.String()}
		value, err := dec.ReadValue()
		if err != nil {
			return nil, fmt.Errorf("reading JSON: %w", err)
		}
		m.value = value.Clone()
		all = append(all, m)
	}
	return all, nil
}

// writeMembers returns the object that has these members.
func writeMembers(all []member) jsontext.Value {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, m := range all {
		if i > 0 {
			out.WriteByte(',')
		}
		out.Write(quoted(m.name))
		out.WriteByte(':')
		out.Write(m.value)
	}
	out.WriteByte('}')
	return out.Bytes()
}
