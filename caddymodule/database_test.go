package caddymodule_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/inboxgate/inboxgate/caddymodule"
)

// dbPassword is written in no log, no error and no configuration.
const dbPassword = "hunter2-of-the-database"

// database is a listener that speaks no PostgreSQL, and counts who comes.
func database(t *testing.T) (address string, visits *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	visits = new(atomic.Int32)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			visits.Add(1)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String(), visits
}

// `caddy validate` finds out where the database is, and does not go there.
func TestValidateConnectsToNothing(t *testing.T) {
	address, visits := database(t)
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	t.Setenv("INBOX_DATABASE_URL", "postgres://inbox:"+dbPassword+"@"+address+"/inbox")
	caddyLoad.Lock()
	defer caddyLoad.Unlock()
	for _, storage := range []string{"storage postgres", "storage postgres {env.INBOX_DATABASE_URL}", "storage postgres `host=127.0.0.1 dbname=inbox`"} {
		if err := validate(t, storage); err != nil {
			t.Errorf("%s: %v", storage, err)
		}
	}
	if n := visits.Load(); n != 0 {
		t.Errorf("the database had %d visits", n)
	}
}

// validate does what `caddy validate` does.
func validate(t *testing.T, storage string) error {
	t.Helper()
	text := fmt.Sprintf("{\n\tadmin off\n\tpersist_config off\n\tauto_https off\n\tinbox {\n\t\tdata_dir %s\n\t\t%s\n\t}\n}\nhttp://127.0.0.1:1 {\n\tinbox_webhook /hook app:3000\n}\n", t.TempDir(), storage)
	raw, err := adapt(t, "Caddyfile", text)
	if err != nil {
		return err
	}
	var c caddy.Config
	if err := json.Unmarshal([]byte(raw), &c); err != nil {
		t.Fatal(err)
	}
	return caddy.Validate(&c)
}

// What the environment or a file holds is refused with its fix, and without the
// password, in every form that an address has.
func TestDatabaseMistakes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "url")
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	caddyLoad.Lock()
	defer caddyLoad.Unlock()
	for name, c := range map[string]struct{ storage, value, want string }{
		"unset":      {"storage postgres {env.INBOX_DATABASE_URL}", "", "set what the placeholder names"},
		"default":    {"storage postgres", "", "set INBOX_DATABASE_URL"},
		"no URL":     {"storage postgres {env.INBOX_DATABASE_URL}", "postgres://inbox:%zz" + dbPassword + "@db/inbox", "%XX"},
		"port":       {"storage postgres", "postgres://inbox:" + dbPassword + "@db:" + dbPassword + "/inbox", "%XX"},
		"keyword":    {"storage postgres", "host=db password='" + dbPassword + " x", "%XX"},
		"encoded":    {"storage postgres", "postgres://inbox:%68unter2-of-the-database@db/inbox?sslmode=" + dbPassword, "sslmode"},
		"file":       {"storage postgres {file." + file + "}", "postgres://inbox:" + dbPassword + "@db:x/inbox", "%XX"},
		"missing":    {"storage postgres {file." + file + ".not}", "", "set what the placeholder names"},
		"part":       {"storage postgres postgres://inbox:{env.INBOX_DATABASE_URL}@db:x/inbox", dbPassword, "%XX"},
		"durability": {"storage postgres {\n durability {env.NOT}\n}", "", "write local, or replica"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("INBOX_DATABASE_URL", c.value)
			if err := os.WriteFile(file, []byte(c.value), 0o600); err != nil {
				t.Fatal(err)
			}
			err := validate(t, c.storage)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error is %v, want %q in it", err, c.want)
			}
			if text := err.Error(); strings.Contains(text, dbPassword) || strings.Contains(text, "unter2") {
				t.Errorf("the password is in %s", text)
			}
		})
	}
}

// JSON is no way around the rule for passwords.
func TestDatabasePasswordInJSON(t *testing.T) {
	t.Parallel()
	for _, dsn := range []string{
		"postgres://inbox:" + dbPassword + "@db/inbox", "postgres://inbox@db/inbox?password=" + dbPassword,
		"host=db password = '" + dbPassword + "'", "postgres://inbox:%68unter2-of-the-database@db/inbox",
	} {
		a := &caddymodule.App{Database: &caddymodule.Database{Engine: "postgres", DSN: dsn}}
		err := a.Validate()
		if err == nil || !strings.Contains(err.Error(), "{env.INBOX_DATABASE_URL}") || strings.Contains(err.Error(), "unter2") {
			t.Errorf("%s: %v", dsn, err)
		}
	}
}

// A reload to a database that does not answer fails when its time is over, and what ran
// goes on; no log, no configuration and no error has the password.
func TestReloadToADatabaseThatIsAway(t *testing.T) {
	address, _ := database(t)
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	t.Setenv("INBOX_DATABASE_URL", "postgres://inbox:"+dbPassword+"@"+address+"/inbox")
	caddymodule.StartWithin(t, "2s")
	app := newApp(t, nil)
	site := "inbox_webhook /hook {\nto " + app.addr() + " {\nname app\n}\n}"
	in := start(t, "", site)
	in.options = "storage postgres {env.INBOX_DATABASE_URL}"
	err := in.load("", site)
	if err == nil || !strings.Contains(err.Error(), "opening the store in postgres://inbox@"+address+"/inbox") {
		t.Fatalf("the reload: %v", err)
	}
	_, body := sample(t, "message.read")
	if r := post(t, in.url("/hook"), body); r.result != "accepted" {
		t.Errorf("what ran takes no event: %+v", r)
	}
	t.Setenv("INBOX_DATABASE_URL", "postgres://inbox:"+dbPassword+"@db.invalid/inbox")
	if err := in.load("", site); err == nil {
		t.Error("a reload to a host that does not exist is taken")
	}
	logged, readErr := os.ReadFile(in.logs)
	if readErr != nil {
		t.Fatal(readErr)
	}
	if text := string(logged); strings.Count(text, "the way to the database is not safe") != 1 || !strings.Contains(text, "sslmode=verify-full") {
		t.Error("nothing is said of a connection that others can read, or also of that to this machine")
	}
	for what, text := range map[string]string{"error": err.Error(), "log": string(logged)} {
		if strings.Contains(text, dbPassword) {
			t.Errorf("the password is in the %s", what)
		}
	}
}

// A Caddyfile that does not use the database of the environment is told so.
func TestDatabaseOfTheEnvironmentIsNotForgotten(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	t.Setenv("INBOX_DATABASE_URL", "postgres://inbox:"+dbPassword+"@127.0.0.1:1/inbox")
	in := start(t, "", "inbox_webhook /hook 127.0.0.1:1")
	raw, err := os.ReadFile(in.logs)
	if err != nil || strings.Count(string(raw), "the environment names a database") != 1 || strings.Contains(string(raw), dbPassword) {
		t.Errorf("%v:\n%s", err, raw)
	}
}
