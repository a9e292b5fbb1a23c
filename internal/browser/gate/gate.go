// Package gate runs the real inboxgate with apps behind it that a test controls, and
// sends it signed events as the platform does.
//
// Guarantee: what a test has started has ended when the test ends, and its files are
// gone. Every event of Send was answered with 200.
//
// Limits: it knows inboxgate by its addresses alone, as a user does; it imports nothing
// of it, so that the module which holds it needs none of its dependencies.
package gate

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Gate is an inboxgate that runs.
type Gate struct {
	Process
	// Webhook is where it takes events, signed with Secret.
	Webhook, Secret string
	// Pages is the address of its pages, without a path.
	Pages string
	// Dir holds all its files.
	Dir string
	// Log is the file of its log.
	Log string
}

// Route is one `on` of the configuration.
type Route struct {
	Types, Name string
	App         *App
	Words       string // What else the block has, one word a line.
}

// Config is what a Gate runs with.
type Config struct {
	Routes []Route
	// Source is the name of the webhook. Default: inbox.
	Source string
	// Pages is what the site of the pages holds. Default: an inbox_dashboard that may
	// operate and reveal.
	Pages string
}

// Start runs inboxgate until the test ends.
func Start(t testing.TB, c Config) *Gate {
	t.Helper()
	dir, err := os.MkdirTemp("", "ig") // A socket's path must be short.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	webhook, pages := FreeAddress(t), FreeAddress(t)
	g := &Gate{
		Secret:  fmt.Sprintf("whsec_%032x", rand.Uint64()),
		Webhook: "http://" + webhook + "/webhooks/inbox", Pages: "http://" + pages,
		Dir: dir, Log: filepath.Join(dir, "log"),
		Process: Process{dir: dir},
	}
	file := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(file, []byte(c.caddyfile(dir, webhook, pages)), 0o600); err != nil {
		t.Fatal(err)
	}
	g.run(t, []string{"INBOX_WEBHOOK_SECRET=" + g.Secret}, "run", "--config", file, "--adapter", "caddyfile")
	g.await(t, func() bool {
		return g.answers(t, g.Pages+"/", http.DefaultClient) && g.answers(t, "http://inboxgate/inbox/routes", g.admin())
	})
	return g
}

// caddyfile returns the configuration, as a user would write it.
func (c Config) caddyfile(dir, webhook, pages string) string {
	source, pagesSite := c.Source, c.Pages
	if source == "" {
		source = "inbox"
	}
	if pagesSite == "" {
		pagesSite = "inbox_dashboard {\n\t\tactions operate\n\t\treveal operate\n\t}"
	}
	var routes strings.Builder
	for _, r := range c.Routes {
		words := strings.ReplaceAll(strings.TrimSpace(r.Words), "\n", "\n\t\t\t")
		fmt.Fprintf(&routes, "\t\ton %s %s {\n\t\t\tname %s\n\t\t\t%s\n\t\t}\n", r.Types, r.App.Addr, r.Name, words)
	}
	return fmt.Sprintf(`{
	admin "unix/%[1]s/admin.sock|0600"
	persist_config off
	auto_https off
	storage file_system "%[1]s/caddy"
	log {
		output file "%[1]s/log"
	}
	inbox {
		data_dir "%[1]s/store"
	}
}

http://:%[2]s {
	bind 127.0.0.1
	inbox_webhook /webhooks/inbox {
		name %[4]s
%[5]s	}
}

http://:%[3]s {
	bind 127.0.0.1
	%[6]s
}
`, dir, port(webhook), port(pages), source, routes.String(), pagesSite)
}

func port(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

// Reload has inboxgate run with another configuration of the same addresses.
func (g *Gate) Reload(t testing.TB, c Config) {
	t.Helper()
	file := filepath.Join(g.Dir, "Caddyfile")
	webhook := strings.TrimSuffix(strings.TrimPrefix(g.Webhook, "http://"), "/webhooks/inbox")
	text := c.caddyfile(g.Dir, webhook, strings.TrimPrefix(g.Pages, "http://"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := g.command(t.Context(), "reload", "--config", file, "--adapter", "caddyfile", "--address", "unix/"+g.Dir+"/admin.sock")
	cmd.Env = append(cmd.Env, "INBOX_WEBHOOK_SECRET="+g.Secret)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("reloading: %v\n%s", err, out)
	}
}

// answers reports whether somebody answers, and is ready or asks for a password.
func (g *Gate) answers(t testing.TB, address string, client *http.Client) bool {
	t.Helper()
	answer, err := client.Get(address)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return err == nil && (answer.StatusCode == http.StatusOK || answer.StatusCode == http.StatusUnauthorized)
}

// admin returns a client of the operator's API, whatever the host of the address is.
func (g *Gate) admin() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(g.Dir, "admin.sock"))
	}}}
}

// API calls the operator's API over its socket and returns the answer.
func (g *Gate) API(t testing.TB, path string) string {
	t.Helper()
	answer, err := g.admin().Get("http://inboxgate" + path)
	if err != nil {
		t.Fatalf("calling the operator's API: %v", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s %v", path, answer.StatusCode, text, err)
	}
	return string(text)
}
