package caddymodule

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// mentionsHandler finds a handler of that name anywhere in raw.
func mentionsHandler(raw json.RawMessage, name string) bool {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return false // Caddy refuses it with a better message.
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

// resolvable refuses addresses whose placeholder names nothing: Caddy would
// dial an empty host, and the route would wait for ever. It refuses those that a
// request fills in, too.
func resolvable(raw json.RawMessage) error {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return fmt.Errorf("reading handler: %w", err)
	}
	return eachDial(v, func(dial string) error {
		if err := notOfRequest(dial); err != nil {
			return err
		}
		if !strings.Contains(dial, "{env.") && !strings.Contains(dial, "{file.") {
			return nil
		}
		if _, err := caddy.NewReplacer().ReplaceOrErr(dial, true, true); err != nil {
			return fmt.Errorf("upstream '%s' is unknown or empty: set what it names", dial)
		}
		return nil
	})
}

// notOfRequest refuses an address that the sender of a request could choose.
func notOfRequest(address string) error {
	if strings.Contains(address, "{http.") || strings.Contains(address, "{vars.") {
		return fmt.Errorf("upstream '%s' depends on the request, so a sender could choose where events go: name it outright", address)
	}
	return nil
}

// eachDial calls f for every address of an upstream in v, and for every text of
// a module that finds upstreams.
func eachDial(v any, f func(string) error) error {
	switch v := v.(type) {
	case map[string]any:
		for key, e := range v {
			if dial, ok := e.(string); ok && key == "dial" {
				if err := f(dial); err != nil {
					return err
				}
			}
			if key == "dynamic_upstreams" {
				if err := eachText(e, f); err != nil {
					return err
				}
				continue
			}
			if err := eachDial(e, f); err != nil {
				return err
			}
		}
	case []any:
		for _, e := range v {
			if err := eachDial(e, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func eachText(v any, f func(string) error) error {
	switch v := v.(type) {
	case string:
		return f(v)
	case map[string]any:
		for _, e := range v {
			if err := eachText(e, f); err != nil {
				return err
			}
		}
	case []any:
		for _, e := range v {
			if err := eachText(e, f); err != nil {
				return err
			}
		}
	}
	return nil
}
