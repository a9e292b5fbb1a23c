package e2e

import (
	"bytes"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/testapp"
)

// examples are the Caddyfiles that users copy.
var examples = []string{
	"../../Caddyfile.example", "../../examples/express/Caddyfile", "../../examples/caddy/Caddyfile", "../../examples/xcaddy/Caddyfile",
	"../../examples/cluster/Caddyfile",
}

// nowhere is the address of a database that is not there: validate connects to nothing.
const nowhere = "postgres://inboxgate@db.invalid/inboxgate?sslmode=verify-full"

func TestExamplesAreFormatted(t *testing.T) {
	t.Parallel()
	for _, path := range examples {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if formatted := caddyfile.Format(text); !bytes.Equal(text, formatted) {
			t.Errorf("%s is not as `caddy fmt` writes it, which is:\n%s", path, formatted)
		}
	}
}

// Every word of the directive and of the global option stands in the long form.
func TestExampleHasEveryWord(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range strings.Fields(`data_dir window retention max_size grace
		name secret types on to max_body read_timeout stale pass ack_timeout
		until optional was retry timeout max_in_flight rate handle`) {
		if !slices.Contains(strings.Fields(string(text)), word) {
			t.Errorf("%s is missing", word)
		}
	}
}

func TestExamplesAreValid(t *testing.T) {
	t.Parallel()
	for _, path := range examples {
		path, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		env := []string{"INBOX_WEBHOOK_SECRET=" + newSecret, "INBOX_DATA_DIR=" + filepath.Join(dir, "inbox")}
		if strings.HasSuffix(path, "examples/cluster/Caddyfile") { // The others would be warned of it.
			env = append(env, "INBOX_DATABASE_URL="+nowhere)
		}
		code, out := run(t, command(t, dir, env, "validate", "--config", path, "--adapter", "caddyfile"))
		if code != 0 || !strings.Contains(out, "Valid configuration") || strings.Contains(out, `"warn"`) {
			t.Errorf("%s: exit code %d:\n%s", path, code, out)
		}
		if _, err := os.Stat(filepath.Join(dir, "inbox")); err == nil {
			t.Errorf("validating %s made a store", path)
		}
		code, out = run(t, command(t, dir, env[1:], "validate", "--config", path, "--adapter", "caddyfile"))
		if code == 0 || !strings.Contains(out, "INBOX_WEBHOOK_SECRET") {
			t.Errorf("%s without a secret: exit code %d:\n%s", path, code, out)
		}
	}
}

func TestValidateBesideARunningInstance(t *testing.T) {
	t.Parallel()
	app := testapp.New(t, nil)
	listen, dir := proctest.FreeAddress(t), t.TempDir()
	env := []string{
		"INBOX_WEBHOOK_SECRET=" + newSecret, "INBOX_UPSTREAM=" + app.Addr,
		"INBOX_LISTEN=" + listen, "INBOX_DATA_DIR=" + filepath.Join(dir, "inbox"),
	}
	p := proctest.Start(t, command(t, dir, env))
	p.Await(t, started, 1)
	url := "http://" + listen + "/webhooks/inbox"
	body := sample(t)
	wantPost(t, url, body, newSecret, http.StatusOK, "accepted")
	app.Next(t)

	p.Await(t, "finished cleaning storage units", 1) // Caddy's own, which writes a file.
	before := filesIn(t, dir)
	example, err := filepath.Abs("../../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if code, out := run(t, command(t, dir, env, "validate", "--config", example, "--adapter", "caddyfile")); code != 0 {
			t.Errorf("validate: exit code %d:\n%s", code, out)
		}
	}
	if after := filesIn(t, dir); !slices.Equal(before, after) {
		t.Errorf("validate changed the files from %q to %q", before, after)
	}
	wantPost(t, url, body, newSecret, http.StatusOK, "duplicate")
	wantPost(t, url, sample(t), newSecret, http.StatusOK, "accepted")
	app.Next(t)
	if code := p.Stop(t); code != 0 {
		t.Errorf("SIGTERM ends with exit code %d", code)
	}
}

func filesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		names = append(names, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
