package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// Each folder of testdata/env holds an environment, the Caddyfile that is
// written from it, and what Caddy makes of that.
func TestGolden(t *testing.T) {
	t.Parallel()
	dirs, err := filepath.Glob("testdata/env/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			env, err := os.ReadFile(filepath.Join(dir, "env"))
			if err != nil {
				t.Fatal(err)
			}
			s, _, err := readEnvironment(strings.Split(strings.TrimSpace(string(env)), "\n"), secretsAre(goodSecret))
			if err != nil {
				t.Fatal(err)
			}
			text, err := s.caddyfile()
			if err != nil {
				t.Fatal(err)
			}
			config, warnings, err := s.adapt()
			if err != nil {
				t.Fatal(err)
			}
			if len(warnings) > 0 { // For one, that it is not formatted as `caddy fmt` would.
				t.Errorf("Caddy warns: %v", warnings)
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, config, "", "\t"); err != nil {
				t.Fatal(err)
			}
			pretty.WriteByte('\n')
			golden(t, filepath.Join(dir, "Caddyfile"), text)
			golden(t, filepath.Join(dir, "config.json"), pretty.Bytes())
		})
	}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test -update writes it anew); got:\n%s", path, got)
	}
}

// hostile are values that would change the Caddyfile around them if they could.
var hostile = []string{
	"app:3000 }\n}\n:9999 {\nrespond 200", "app:3000`", "`app:3000` `", "app:3000\"", "\"", "`", "\\", "app:3000\\",
	"{$INBOX_CANARY}:1", "{env.INBOX_CANARY}:1", "{file./etc/passwd}:1", "{$X:}}:1", "app:3000 # ", "#", "<<EOF\napp:3000\nEOF",
	"app:3000 {", "}", "{", "/x` {\nrespond 200\n}\n#", "/a b", "/\u0085x", "/\u2028x", "/\xff\xfe", "@named", "import /etc/passwd",
	"http://user:password@app:3000", "http://app:3000/a?b=`c`", ":8080, :9090", ":8080 {", "http://x {$INBOX_CANARY}",
	"24h\n}\nadmin :2019", "24h }", "*", "$1", "%00:1", "[::1]:3000", "unix//run/app.sock", "/data/with space", "/data/with'quote",
	"/data # comment", "/data \u00a0x", "\\data\\x", "<<x y",
}

func TestNoValueEscapes(t *testing.T) {
	t.Setenv("INBOX_CANARY", "canary")
	for _, v := range variables {
		for _, value := range hostile {
			checkContained(t, v.name, value)
		}
	}
}

func FuzzNoValueEscapes(f *testing.F) {
	f.Setenv("INBOX_CANARY", "canary")
	for i := range variables {
		for _, value := range hostile {
			f.Add(i, value)
		}
	}
	f.Fuzz(func(t *testing.T, i int, value string) {
		checkContained(t, variables[uint(i)%uint(len(variables))].name, value)
	})
}

// checkContained: a value is refused, or the configuration has the same parts
// as with any other value.
func checkContained(t *testing.T, name, value string) {
	t.Helper()
	environ := []string{"INBOX_UPSTREAM=app:3000", name + "=" + value}
	s, _, err := readEnvironment(environ, secretsAre(goodSecret))
	if err != nil {
		return
	}
	raw, _, err := s.adapt()
	if err != nil {
		t.Fatalf("%s=%q passed, and does not adapt: %v", name, value, err)
	}
	if bytes.Contains(raw, []byte("canary")) || bytes.Contains(raw, []byte("{env.")) || bytes.Contains(raw, []byte("{file.")) {
		t.Errorf("%s=%q brought a placeholder in: %s", name, value, raw)
	}
	var config struct {
		Admin struct{ Disabled bool }
		Apps  map[string]json.RawMessage
	}
	if err := json.Unmarshal(raw, &config); err != nil {
		t.Fatal(err)
	}
	if !config.Admin.Disabled {
		t.Errorf("%s=%q turned the admin API on", name, value)
	}
	for app := range config.Apps {
		if app != "http" && app != "inbox" {
			t.Errorf("%s=%q brought the app %s in", name, value, app)
		}
	}
	var inbox struct {
		DataDir string `json:"data_dir"`
	}
	if name == "INBOX_DATA_DIR" && strings.TrimSpace(value) != "" {
		if err := json.Unmarshal(config.Apps["inbox"], &inbox); err != nil || inbox.DataDir != strings.TrimSpace(value) {
			t.Errorf("%s=%q became %q: %v", name, value, inbox.DataDir, err)
		}
	}
	var http struct {
		Servers map[string]struct{ Routes json.RawMessage }
	}
	if err := json.Unmarshal(config.Apps["http"], &http); err != nil {
		t.Fatal(err)
	}
	if len(http.Servers) != 1 {
		t.Errorf("%s=%q made %d servers", name, value, len(http.Servers))
	}
	for _, server := range http.Servers {
		for _, h := range handlers(server.Routes) {
			if !slices.Contains([]string{"inbox_webhook", "static_response", "reverse_proxy", "rewrite", "subroute"}, h) {
				t.Errorf("%s=%q brought the handler %s in", name, value, h)
			}
		}
		if n := bytes.Count(server.Routes, []byte(`"status_code":404`)); n != bytes.Count(server.Routes, []byte(`"static_response"`)) || n < 1 {
			t.Errorf("%s=%q changed the 404s: %s", name, value, server.Routes)
		}
	}
}

// handlers are the names of all handlers in raw, however deep.
func handlers(raw json.RawMessage) (all []string) {
	var list []json.RawMessage
	var object map[string]json.RawMessage
	switch {
	case json.Unmarshal(raw, &list) == nil:
		for _, e := range list {
			all = append(all, handlers(e)...)
		}
	case json.Unmarshal(raw, &object) == nil:
		for key, e := range object {
			var name string
			if key == "handler" && json.Unmarshal(e, &name) == nil {
				all = append(all, name)
			}
			all = append(all, handlers(e)...)
		}
	}
	return all
}

func TestAdapterTakesNoFile(t *testing.T) {
	t.Parallel()
	_, _, err := envAdapter{}.Adapt([]byte(":80\nrespond 200"), nil)
	if err == nil || !strings.Contains(err.Error(), "reads the environment and no file") {
		t.Errorf("a file was taken: %v", err)
	}
}
