package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/inboxgate/inboxgate/internal/env"
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
	"off", ":9181", "127.0.0.1:9181", "unix//run/admin.sock", "unix//run/admin.sock|0660", "unix//run/a|0600`\n}", "unix//run/a {", "0.0.0.0:2019",
	"/data|0777",
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
	environ := []string{"INBOX_UPSTREAM=app:3000", "INBOX_ADMIN_TOKEN=a-token-of-the-tests", name + "=" + value}
	pages := strings.HasPrefix(name, env.Dashboard)
	if pages {
		environ = append(dashboardWith(name), environ...)
	}
	s, _, err := readEnvironment(environ, secretsAre(goodSecret))
	if err != nil {
		return
	}
	raw, _, err := s.adapt()
	if pages {
		raw = bytes.Replace(raw, []byte(`"{env.`+env.DashboardPasswordHash+`}"`), []byte(`"hash"`), 1)
	}
	if err != nil {
		t.Fatalf("%s=%q passed, and does not adapt: %v", name, value, err)
	}
	if bytes.Contains(raw, []byte("canary")) || bytes.Contains(raw, []byte("{env.")) || bytes.Contains(raw, []byte("{file.")) {
		t.Errorf("%s=%q brought a placeholder in: %s", name, value, raw)
	}
	var config struct {
		Admin json.RawMessage
		Apps  map[string]json.RawMessage
	}
	if err := json.Unmarshal(raw, &config); err != nil {
		t.Fatal(err)
	}
	value = strings.TrimSpace(value)
	if want := containedAdmin(t, name, value); !sameJSON(t, config.Admin, want) {
		t.Errorf("%s=%q made the admin endpoint %s, want %s", name, value, config.Admin, want)
	}
	for app := range config.Apps {
		line := app == "events" && sameJSON(t, config.Apps[app], []byte(`{"subscriptions":[{"events":["started"],"handlers":[{"handler":"inboxgate_started"}]}]}`))
		if app != "http" && app != "inbox" && !line {
			t.Errorf("%s=%q brought the app %s in", name, value, app)
		}
	}
	var inbox struct {
		DataDir string `json:"data_dir"`
	}
	if name == "INBOX_DATA_DIR" && value != "" {
		if err := json.Unmarshal(config.Apps["inbox"], &inbox); err != nil || inbox.DataDir != value {
			t.Errorf("%s=%q became %q: %v", name, value, inbox.DataDir, err)
		}
	}
	var http struct {
		Servers map[string]struct{ Routes json.RawMessage }
	}
	if err := json.Unmarshal(config.Apps["http"], &http); err != nil {
		t.Fatal(err)
	}
	if name == env.Admin && openToOthers(value) {
		checkOperator(t, http.Servers)
	}
	if pages && !(name == env.Dashboard && value == off) {
		checkDashboard(t, name+"="+value, http.Servers)
	}
	checkServers(t, name+"="+value, http.Servers, name == "INBOX_OPS_LISTEN" && value == off)
}

// containedAdmin is what the admin endpoint has to be: a socket in the data
// directory that only its owner may use, or what is said of it alone.
func containedAdmin(t *testing.T, name, value string) []byte {
	t.Helper()
	dir := env.DefaultDataDir(caddy.AppDataDir())
	if name == "INBOX_DATA_DIR" && value != "" {
		dir = value
	}
	admin := map[string]any{"listen": "unix/" + filepath.Join(dir, env.AdminSocket) + "|0600", "config": map[string]bool{"persist": false}}
	if name == env.Admin && value != "" && !openToOthers(value) {
		admin["listen"] = value
		if strings.HasPrefix(value, "unix/") && !strings.Contains(value, "|") {
			admin["listen"] = value + "|0600"
		}
		if value == off {
			delete(admin, "listen")
			admin["disabled"] = true
		}
	}
	raw, err := json.Marshal(admin)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// openToOthers: of the hostile values that INBOX_ADMIN takes, these do not keep to
// this machine.
func openToOthers(value string) bool {
	return strings.HasPrefix(value, "0.0.0.0:") || strings.HasPrefix(value, ":")
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}

// checkOperator takes the one server of the operator's API out, which serves that
// and nothing else.
func checkOperator(t *testing.T, servers map[string]struct{ Routes json.RawMessage }) {
	t.Helper()
	found := 0
	for name, server := range servers {
		all := handlers(server.Routes)
		if !slices.Contains(all, "inbox_admin") {
			continue
		}
		found++
		delete(servers, name)
		if others := slices.DeleteFunc(all, func(h string) bool { return h == "inbox_admin" || h == "static_response" }); len(others) > 0 {
			t.Errorf("beside the operator's API there are %q", others)
		}
		if !bytes.Contains(server.Routes, []byte(`"status_code":404`)) {
			t.Errorf("the operator's API does not end with 404: %s", server.Routes)
		}
	}
	if found != 1 {
		t.Errorf("%d servers for the operator's API", found)
	}
}

// checkDashboard takes the one server of the operator's pages out, which serves those to a
// user and nothing else.
func checkDashboard(t *testing.T, pair string, servers map[string]struct{ Routes json.RawMessage }) {
	t.Helper()
	found := 0
	for name, server := range servers {
		if all := handlers(server.Routes); slices.Contains(all, "inbox_dashboard") {
			found++
			delete(servers, name)
			if !slices.Equal(all, []string{"authentication", "inbox_dashboard"}) {
				t.Errorf("%s: the dashboard's server has the handlers %q", pair, all)
			}
		}
	}
	if found != 1 {
		t.Errorf("%s: %d servers for the dashboard", pair, found)
	}
}

// checkServers: there is one for the webhook and, unless it is off, one for
// probes and metrics; each knows only its own handlers and ends with its 404.
func checkServers(t *testing.T, pair string, servers map[string]struct{ Routes json.RawMessage }, noOps bool) {
	t.Helper()
	webhooks, probes := 0, 0
	for _, server := range servers {
		if len(server.Routes) == 0 {
			continue // Caddy sends clients on to HTTPS from there.
		}
		all := handlers(server.Routes)
		may, refusals := []string{"inbox_webhook", "static_response", "reverse_proxy", "rewrite", "subroute"}, 0
		if slices.Contains(all, "inbox_health") {
			probes++
			may = []string{"inbox_health", "metrics", "headers", "static_response", "subroute"}
			refusals = 1 // 405 to what does not read /metrics.
		} else {
			webhooks++
		}
		for _, h := range all {
			if !slices.Contains(may, h) {
				t.Errorf("%s brought the handler %s in", pair, h)
			}
		}
		if n := bytes.Count(server.Routes, []byte(`"status_code":404`)); n != bytes.Count(server.Routes, []byte(`"static_response"`))-refusals || n < 1 {
			t.Errorf("%s changed the 404s: %s", pair, server.Routes)
		}
	}
	want := 1
	if noOps {
		want = 0
	}
	if webhooks != 1 || probes != want {
		t.Errorf("%s made %d servers for webhooks and %d for probes", pair, webhooks, probes)
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
