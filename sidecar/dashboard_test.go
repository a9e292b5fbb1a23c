package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/env"
)

// Hashes of the password "correct-horse".
const (
	bcryptOfHorse = "$2a$04$2/K2ZXPHyr7jlARuFlyHvuPBPU6fj5bKO2Lq1CM6uA11P2f34z/HG"
	argonOfHorse  = "$argon2id$v=19$m=64,t=1,p=1$PTfBfKsKtXYr6bCa66yp+A$5mujoV96QHInPYotGLYXrhBWakIcbxzesxBNA1JnISI"
)

// dashboardWith is a whole dashboard but for one variable.
func dashboardWith(name string) (environ []string) {
	for n, value := range map[string]string{env.Dashboard: ":9182", env.DashboardUser: "alice", env.DashboardPasswordHash: bcryptOfHorse} {
		if n != name && !(n == env.DashboardPasswordHash && name == env.DashboardPasswordHashFile) {
			environ = append(environ, n+"="+value)
		}
	}
	return environ
}

// The dashboard has no password on loopback alone, and what may be done there depends on
// who can reach it.
func TestDashboardRights(t *testing.T) {
	t.Parallel()
	const user, hash = "INBOX_DASHBOARD_USER=alice", "INBOX_DASHBOARD_PASSWORD_HASH=" + bcryptOfHorse
	for name, c := range map[string]struct {
		environ []string
		want    string // In the Caddyfile, a line each.
	}{
		"loopback":           {[]string{"INBOX_DASHBOARD=127.0.0.1:9181"}, "http://:9181 {\nbind 127.0.0.1\ninbox_dashboard {\nactions operate\nreveal operate\n}\n}"},
		"loopback of v6":     {[]string{"INBOX_DASHBOARD=[::1]:9181"}, "http://:9181 {\nbind ::1\ninbox_dashboard {\nactions operate\nreveal operate\n}\n}"},
		"loopback, to read":  {[]string{"INBOX_DASHBOARD=127.0.0.1:9181", "INBOX_DASHBOARD_ACTIONS=read"}, "http://:9181 {\nbind 127.0.0.1\ninbox_dashboard {\nactions read\n}\n}"},
		"loopback with user": {[]string{"INBOX_DASHBOARD=127.0.0.1:9181", user, hash}, "http://:9181 {\nbind 127.0.0.1\nbasic_auth bcrypt inboxgate {\nalice `{env.INBOX_DASHBOARD_PASSWORD_HASH}`\n}\ninbox_dashboard {\nactions operate\nreveal operate\n}\n}"},
		"socket":             {[]string{"INBOX_DASHBOARD=unix//run/d.sock"}, "http://:9181 {\nbind `unix//run/d.sock|0600`\ninbox_dashboard {\nactions operate\nreveal operate\n}\n}"},
		"others":             {[]string{"INBOX_DASHBOARD=:9181", user, hash}, "http://:9181 {\nbasic_auth bcrypt inboxgate {\nalice `{env.INBOX_DASHBOARD_PASSWORD_HASH}`\n}\ninbox_dashboard {\nactions read\n}\n}"},
		"others may operate": {[]string{"INBOX_DASHBOARD=0.0.0.0:9181", user, "INBOX_DASHBOARD_PASSWORD_HASH=" + argonOfHorse, "INBOX_DASHBOARD_ACTIONS=operate"}, "http://:9181 {\nbind 0.0.0.0\nbasic_auth argon2id inboxgate {\nalice `{env.INBOX_DASHBOARD_PASSWORD_HASH}`\n}\ninbox_dashboard {\nactions operate\n}\n}"},
		"others may reveal":  {[]string{"INBOX_DASHBOARD=:9181", user, hash, "INBOX_DASHBOARD_ACTIONS=operate, reveal"}, "inbox_dashboard {\nactions operate\nreveal operate\n}\n}"},
		"the port of others": {[]string{"INBOX_DASHBOARD=127.0.0.1:9180", "INBOX_OPS_LISTEN=:9190"}, "http://:9180 {\nbind 127.0.0.1\ninbox_dashboard {"},
		"off":                {[]string{"INBOX_DASHBOARD=off"}, ""},
		"unset":              {nil, ""},
	} {
		s, _, err := readEnvironment(append(c.environ, "INBOX_UPSTREAM=app:3000"), secretsAre(goodSecret))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		text, err := s.caddyfile()
		if err != nil {
			t.Fatal(err)
		}
		got := strings.ReplaceAll(string(text), "\t", "")
		if !strings.Contains(got, c.want) || c.want == "" && strings.Contains(got, "inbox_dashboard") {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, c.want)
		}
		if strings.Contains(got, "$") {
			t.Errorf("%s: the Caddyfile holds the hash:\n%s", name, got)
		}
		if _, _, err := s.adapt(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A dashboard that others reach without a password, or with one that cannot work, does not
// start, and what is wrong is said with the fix and without the password.
func TestDashboardMistakes(t *testing.T) {
	t.Parallel()
	const at, user, hash = "INBOX_DASHBOARD=:9181", "INBOX_DASHBOARD_USER=alice", "INBOX_DASHBOARD_PASSWORD_HASH="
	const noHash = "INBOX_DASHBOARD_PASSWORD_HASH: it is no hash of a password: set it to the output of `inboxgate hash-password`, and not to the password; in a compose file write each $ of it as $$"
	for name, c := range map[string]struct {
		environ []string
		want    string
	}{
		"nobody is asked":    {[]string{at}, "INBOX_DASHBOARD: other machines reach ':9181', and nobody is asked who they are: set INBOX_DASHBOARD_USER to a name and INBOX_DASHBOARD_PASSWORD_HASH to the output of `inboxgate hash-password`, or choose 127.0.0.1:9181 or a socket"},
		"another address":    {[]string{"INBOX_DASHBOARD=192.0.2.7:9181"}, "INBOX_DASHBOARD: other machines reach '192.0.2.7:9181'"},
		"no password":        {[]string{at, user}, "INBOX_DASHBOARD_USER: the user has no password: set INBOX_DASHBOARD_PASSWORD_HASH to the output of `inboxgate hash-password`"},
		"no user":            {[]string{at, hash + bcryptOfHorse}, "INBOX_DASHBOARD_PASSWORD_HASH: the password belongs to nobody: set INBOX_DASHBOARD_USER to a name, for example operator"},
		"a plain password":   {[]string{at, user, hash + "correct-horse"}, noHash},
		"compose took the $": {[]string{at, user, hash + "a4/K2ZXPHyr7jlARuFlyHvuPBPU6fj5bKO2Lq1CM6uA11P2f34z/HG"}, noHash},
		"a cut hash":         {[]string{at, user, hash + bcryptOfHorse[:50]}, noHash},
		"a hash of another":  {[]string{at, user, hash + "$6$salt$IxDD3jeSOb5eB1CX5LBsqZFVkJdido3OUILO5Ifz5iwMuTS4XMS130MTSuDDl3aCI6WouIL9AjRbLCelDCy.g."}, noHash},
		"spaces around":      {[]string{at, user, hash + bcryptOfHorse + " "}, "INBOX_DASHBOARD_PASSWORD_HASH: spaces are around the hash: remove them"},
		"both":               {[]string{at, user, hash + bcryptOfHorse, "INBOX_DASHBOARD_PASSWORD_HASH_FILE=" + os.DevNull}, "both INBOX_DASHBOARD_PASSWORD_HASH and INBOX_DASHBOARD_PASSWORD_HASH_FILE are set: unset one of them"},
		"no file":            {[]string{at, user, "INBOX_DASHBOARD_PASSWORD_HASH_FILE=/does/not/exist"}, "set it to the path of a file that inboxgate may read"},
		"a user of two":      {[]string{at, "INBOX_DASHBOARD_USER=a:b", hash + bcryptOfHorse}, "INBOX_DASHBOARD_USER: it holds a colon or a space, which the name of a user cannot: choose another"},
		"off":                {[]string{user, hash + bcryptOfHorse, "INBOX_DASHBOARD_ACTIONS=read"}, "INBOX_DASHBOARD_ACTIONS: it is for the dashboard, which is off: set INBOX_DASHBOARD to, for example, 127.0.0.1:9181, or unset it"},
		"a near word":        {[]string{"INBOX_DASHBOARD=127.0.0.1:9181", "INBOX_DASHBOARD_ACTIONS=reed"}, "INBOX_DASHBOARD_ACTIONS: unknown word 'reed'; did you mean 'read'?"},
		"reveal alone":       {[]string{"INBOX_DASHBOARD=127.0.0.1:9181", "INBOX_DASHBOARD_ACTIONS=reveal"}, "INBOX_DASHBOARD_ACTIONS: reveal is for users who may operate: write operate,reveal"},
		"both rights":        {[]string{"INBOX_DASHBOARD=127.0.0.1:9181", "INBOX_DASHBOARD_ACTIONS=read,operate"}, "INBOX_DASHBOARD_ACTIONS: read means to look only: write either read or operate"},
		"a port":             {[]string{"INBOX_DASHBOARD=9181"}, "INBOX_DASHBOARD: '9181' is a port without its colon: write it as :9181"},
		"a host name":        {[]string{"INBOX_DASHBOARD=ops.example.com"}, "INBOX_DASHBOARD: 'ops.example.com' is no address of this machine with a port: write it as 127.0.0.1:9181, or mount a Caddyfile with inbox_dashboard"},
		"a scheme":           {[]string{"INBOX_DASHBOARD=http://127.0.0.1:9181"}, "INBOX_DASHBOARD: 'http://127.0.0.1:9181' has the scheme http: leave it out, as in 127.0.0.1:9181; for HTTPS mount a Caddyfile with inbox_dashboard"},
		"a socket":           {[]string{"INBOX_DASHBOARD=unix/run/d.sock"}, "INBOX_DASHBOARD: 'unix/run/d.sock' has no absolute path: write it as unix//run/inboxgate-dashboard.sock"},
		"the port of probes": {[]string{"INBOX_DASHBOARD=127.0.0.1:9180"}, "INBOX_DASHBOARD: its port is that of INBOX_OPS_LISTEN too: choose another, for example 127.0.0.1:9181"},
		"the site's port":    {[]string{"INBOX_DASHBOARD=127.0.0.1:8080"}, "INBOX_DASHBOARD: its port is that of INBOX_LISTEN too"},
		"yes":                {[]string{"INBOX_DASHBOARD=true"}, "INBOX_DASHBOARD: 'true' is no address of this machine with a port: write it as 127.0.0.1:9181"},
	} {
		_, _, err := readEnvironment(append(c.environ, "INBOX_UPSTREAM=app:3000"), secretsAre(goodSecret))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v\nwant %s", name, err, c.want)
		}
		if err != nil && (strings.Contains(err.Error(), "correct-horse") || strings.Contains(err.Error(), bcryptOfHorse[8:20])) {
			t.Errorf("%s: the error shows the password: %v", name, err)
		}
	}
}

// A hash in a file is read as Caddy will read it.
func TestDashboardHashInAFile(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		bcryptOfHorse: "", bcryptOfHorse + "\n": "", argonOfHorse + "\r\n": "",
		bcryptOfHorse + "\n\n": "more than one line", " " + bcryptOfHorse: "more than one line", "correct-horse\n": "no hash of a password", "": "no hash of a password",
	} {
		file := filepath.Join(t.TempDir(), "the hash")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, _, err := readEnvironment([]string{"INBOX_UPSTREAM=app:3000", "INBOX_DASHBOARD=:9181", "INBOX_DASHBOARD_USER=alice", "INBOX_DASHBOARD_PASSWORD_HASH_FILE=" + file}, secretsAre(goodSecret))
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "correct")) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if err != nil {
			continue
		}
		raw, _, err := s.adapt()
		if err != nil || !strings.Contains(string(raw), `"{file.`+file+`}"`) {
			t.Errorf("%q: %v, %s", text, err, raw)
		}
	}
}
