package caddymodule

import (
	"encoding/json"
	"strings"
	"testing"
)

// What a Caddyfile refuses is refused in JSON too.
func TestDashboardJSON(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`{}`: "",
		`{"actions":"operate","reveal":"operate","user":"{http.vars.user}","prefix":"/a/b"}`: "",
		`{"actions":"write"}`:                      "actions is 'write'",
		`{"reveal":"yes"}`:                         "reveal is 'yes'",
		`{"reveal":"operate"}`:                     "write actions operate too",
		`{"user":"root"}`:                          "the same for everybody",
		`{"user":"{http.request.remote.host}"}`:    "names no user",
		`{"user":"{http.auth.user.id}x"}`:          "the same for everybody",
		`{"user":"{http.request.header.COOKIE}"}`:  "would bring secrets into the audit log",
		`{"user":"{http.request.cookie.session}"}`: "names no user",
		`{"prefix":"ops"}`:                         "prefix is 'ops'",
		`{"prefix":"//evil.example"}`:              "prefix is '//evil.example'",
		`{"prefix":"/ops/*"}`:                      "prefix is '/ops/*'",
	} {
		var d Dashboard
		if err := json.Unmarshal([]byte(raw), &d); err != nil {
			t.Fatal(err)
		}
		if err := d.Validate(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", raw, err, want)
		}
	}
}
