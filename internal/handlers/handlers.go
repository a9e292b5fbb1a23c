// Package handlers reads the JSON of Caddy's HTTP handlers without loading them: what
// a route would dial, and how it would behave.
//
// Guarantee: no JSON is refused. What is broken is found to have nothing; Caddy refuses
// it with a better message.
//
// Limits: of handlers that are not Caddy's own it knows the members that they share
// with those.
package handlers

import (
	"encoding/json"
	"strings"
)

// Mentions reports whether a handler of that name is anywhere in raw.
func Mentions(raw json.RawMessage, name string) bool {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return false
	}
	return holdsHandler(v, name)
}

func holdsHandler(v any, name string) bool {
	switch v := v.(type) {
	case map[string]any:
		if v["handler"] == name {
			return true
		}
		for _, e := range v {
			if holdsHandler(e, name) {
				return true
			}
		}
	case []any:
		for _, e := range v {
			if holdsHandler(e, name) {
				return true
			}
		}
	}
	return false
}

// Dials returns every address of an upstream in those handlers, as it is written, and
// every text of a module that finds upstreams.
func Dials(chain ...json.RawMessage) (dials []string) {
	for _, raw := range chain {
		var v any
		if json.Unmarshal(raw, &v) == nil {
			eachDial(v, func(dial string) { dials = append(dials, dial) })
		}
	}
	return dials
}

func eachDial(v any, f func(string)) {
	switch v := v.(type) {
	case map[string]any:
		for key, e := range v {
			if dial, ok := e.(string); ok && key == "dial" {
				f(dial)
			}
			if key == "dynamic_upstreams" {
				eachText(e, f)
				continue
			}
			eachDial(e, f)
		}
	case []any:
		for _, e := range v {
			eachDial(e, f)
		}
	}
}

func eachText(v any, f func(string)) {
	switch v := v.(type) {
	case string:
		f(v)
	case map[string]any:
		for _, e := range v {
			eachText(e, f)
		}
	case []any:
		for _, e := range v {
			eachText(e, f)
		}
	}
}

// RewritesTo returns the path to which a handler rewrites every request. ok is false
// for any other handler.
func RewritesTo(raw json.RawMessage) (path string, ok bool) {
	var h struct{ Handler, URI string }
	if json.Unmarshal(raw, &h) != nil || h.Handler != "rewrite" || h.URI == "" {
		return "", false
	}
	path, _, _ = strings.Cut(h.URI, "?")
	return path, true
}

// EndWithContext reports whether handlers are known to end with their context, so that
// an attempt needs no goroutine beside its own. The fastcgi transport does not.
func EndWithContext(chain []json.RawMessage) bool {
	for _, raw := range chain {
		var h struct {
			Handler   string
			Transport struct{ Protocol string }
		}
		if json.Unmarshal(raw, &h) != nil {
			return false
		}
		switch h.Handler {
		case "rewrite", "headers", "vars", "static_response", "error":
		case "reverse_proxy":
			if p := h.Transport.Protocol; p != "" && p != "http" {
				return false
			}
		default:
			return false
		}
	}
	return true
}
