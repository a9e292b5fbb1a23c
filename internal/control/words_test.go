package control_test

import (
	"net/url"
	"testing"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// A word that cannot choose from a list is refused. Ignored, it would choose
// everything: a discard by status would empty quarantine.
func TestWordsOfOtherListsAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.odd(1, "inbox", "", "", "body is not JSON")
	r.accept(1, "message.read", "app", spool.Dead)
	words := map[string]string{"route": "app", "state": "dead", "status": "500", "error": "x", "reason": "x"}
	for list, refused := range map[string][]string{
		"quarantine":  {"route", "state", "status", "error"},
		"events":      {"reason"},
		"dead":        {"reason", "state"},
		"dead/groups": {"reason", "state"},
	} {
		for _, word := range refused {
			path := control.Prefix + list + "?" + url.Values{word: {words[word]}}.Encode()
			if status, text := r.call("GET", path, "", "", ""); status != 400 {
				t.Errorf("%s: %d %s", path, status, text)
			}
		}
	}
	for path, bodies := range map[string][]string{
		"quarantine/release": {`{"status":500}`, `{"error":"x"}`, `{"state":"dead"}`, `{"route":"app"}`},
		"quarantine/discard": {`{"status":500}`, `{"error":"x"}`, `{"state":"dead"}`, `{"route":"app"}`},
		"dead/discard":       {`{"reason":"x"}`, `{"state":"delivered"}`},
		"replay":             {`{"reason":"x"}`, `{"status":5}`, `{"state":"deadly"}`},
	} {
		for _, filter := range bodies {
			for _, dry := range []string{`,"dry_run":true`, ""} {
				body := `{"filter":` + filter + dry + `}`
				if status, text := r.call("POST", control.Prefix+path, "", "", body); status != 400 {
					t.Errorf("%s %s: %d %s", path, body, status, text)
				}
			}
		}
	}
	if _, text := r.call("GET", control.Prefix+"quarantine", "", "", ""); len(decode[control.Page](t, text).Events) != 1 {
		t.Errorf("quarantine after all that was refused: %s", text)
	}
}
