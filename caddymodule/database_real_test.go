package caddymodule_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/pgtest"
)

// logText returns what Caddy has logged by now.
func (in *instance) logText() string {
	in.t.Helper()
	raw, err := os.ReadFile(in.logs)
	if err != nil {
		in.t.Fatal(err)
	}
	return string(raw)
}

// With `storage postgres` events go by the database; the status, the metrics and the
// audit log say which member this is. A reload that changes what a member is opens
// another one, and ends the former.
func TestStorePostgres(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	t.Setenv("INBOX_DATABASE_URL", withPassword(pgtest.Shared(t).Database(t)))
	app := newApp(t, nil)
	site := "inbox_webhook /hook {\nname m-database\nto " + app.addr() + " {\nname app\n}\n}\ninbox_health"
	in := start(t, "", "inbox_health")
	in.options = "storage postgres {\nname gate-1\n}"
	if err := in.load("", site); err != nil {
		t.Fatal(err)
	}
	id, body := sample(t, "message.read")
	if r := post(t, in.url("/hook"), body); r.result != "accepted" {
		t.Fatalf("%+v", r)
	}
	app.await(t, id)
	if r := post(t, in.url("/hook"), body); r.result != "duplicate" {
		t.Errorf("a copy: %+v", r)
	}
	eventually(t, "the audit log to name the member", func() bool {
		return strings.Count(in.logText(), `"member":"gate-1"`) >= 1
	})
	got := gather(t)
	got.want(t, series{"inbox_store_up{}": 1, "inbox_store_members{}": 1, "inbox_db_ambiguous_total{}": 0, `inbox_db_standbys{durability="local"}`: 0})
	if got["inbox_db_connections{}"] < 1 || got["inbox_db_commit_seconds{}"] < 1 {
		t.Errorf("%v connections, %v commits", got["inbox_db_connections{}"], got["inbox_db_commit_seconds{}"])
	}
	if _, ok := got["inbox_disk_floor_bytes{}"]; ok {
		t.Error("there is a floor of a disk that is not ours")
	}
	if _, err := os.Stat(in.dir + "/spool.db"); err == nil {
		t.Error("there is a store in the data directory as well")
	}

	in.options = "storage postgres {\nname gate-2\nbatches 2\n}"
	if err := in.load("", site); err != nil {
		t.Fatal(err)
	}
	if r := post(t, in.url("/hook"), body); r.result != "duplicate" {
		t.Errorf("a copy after a reload: %+v", r)
	}
	id, body = sample(t, "message.read")
	if r := post(t, in.url("/hook"), body); r.result != "accepted" {
		t.Fatalf("after a reload: %+v", r)
	}
	app.await(t, id)
	eventually(t, "the audit log to name the other member", func() bool { return strings.Contains(in.logText(), `"member":"gate-2"`) })
	eventually(t, "the former member to go", func() bool { return gather(t)["inbox_store_members{}"] == 1 })
	if text := in.logText(); strings.Contains(text, dbPassword) {
		t.Error("the password is in the log")
	}
}

// withPassword adds a password, which a server that trusts us does not ask for.
func withPassword(dsn string) string {
	if strings.Contains(dsn, "://") {
		if at := strings.Index(dsn, "@"); at > 0 {
			return dsn[:at] + ":" + dbPassword + dsn[at:]
		}
		return dsn
	}
	return dsn + " password=" + dbPassword
}

// With durability replica and no standby, no event is taken, and readiness says so.
func TestReplicaWithoutAStandbyIsNotReady(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	t.Setenv("INBOX_DATABASE_URL", pgtest.Shared(t).Database(t))
	app := newApp(t, nil)
	in := start(t, "", "inbox_health")
	in.options = "storage postgres {\ndurability replica\n}"
	if err := in.load("", "inbox_webhook /hook {\nname m-replica\nto "+app.addr()+" {\nname app\n}\n}\ninbox_health"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "readiness to end", func() bool {
		res, err := http.Get(in.url("/readyz"))
		if err != nil {
			return false
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		return res.StatusCode == http.StatusServiceUnavailable && strings.Contains(string(text), "set synchronous_standby_names")
	})
	_, body := sample(t, "message.read")
	if r := post(t, in.url("/hook"), body); r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" {
		t.Errorf("an event: %+v", r)
	}
	gather(t).want(t, series{"inbox_store_up{}": 0, `inbox_db_standbys{durability="replica"}`: 0})
}

// A store that stays behind in data_dir is said, with what it has.
func TestStoreLeftBehindIsSaid(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	t.Setenv("INBOX_DATABASE_URL", pgtest.Shared(t).Database(t))
	site := "inbox_webhook /hook {\nname m-left\nto 127.0.0.1:1 {\nname app\n}\n}"
	in := start(t, "", site)
	for range 3 {
		_, body := sample(t, "message.read")
		post(t, in.url("/hook"), body)
	}
	in.options = "storage postgres"
	if err := in.load("", site); err == nil || !strings.Contains(err.Error(), "while 3 deliveries wait in the former") {
		t.Errorf("a reload that leaves events behind: %v", err)
	}
	in.options = ""
	if err := in.load("", ""); err != nil { // The store closes.
		t.Fatal(err)
	}
	in.options = "storage postgres"
	eventually(t, "the warning, once the directory is free", func() bool {
		if err := in.load("", site); err != nil {
			t.Fatal(err)
		}
		text := in.logText()
		if strings.Contains(text, "data_dir holds a store of its own") {
			return strings.Contains(text, `"events":3`) && strings.Contains(text, `"waiting":3`) && strings.Contains(text, "inboxgate store copy")
		}
		if err := in.load("", ""); err != nil {
			t.Fatal(err)
		}
		return false
	})
}

// Two configurations of one process may differ in what a member is: each has its own.
func TestTwoMembersInAProcess(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	t.Setenv("INBOX_DATABASE_URL", pgtest.Shared(t).Database(t))
	block := make(chan struct{})
	app := newApp(t, func(_ http.ResponseWriter, _ *http.Request, _ int) { <-block })
	site := fmt.Sprintf("inbox_webhook /hook {\nname m-two\nto %s {\nname app\n}\n}", app.addr())
	in := start(t, "", "")
	in.options = "storage postgres {\nname gate-1\n}"
	if err := in.load("", site); err != nil {
		t.Fatal(err)
	}
	_, body := sample(t, "message.read")
	if r := post(t, in.url("/hook"), body); r.result != "accepted" {
		t.Fatalf("%+v", r)
	}
	in.options = "storage postgres {\nname gate-2\n}"
	if err := in.load("", site); err != nil { // The first member has an attempt that runs.
		close(block)
		t.Fatal(err)
	}
	members := func() float64 { return gather(t)["inbox_store_members{}"] }
	eventually(t, "both to be members", func() bool { return members() == 2 })
	close(block)
	eventually(t, "the first to end", func() bool { return members() == 1 })
	text := in.logText()
	if strings.Count(text, `"msg":"delivery ended","member":"gate-1"`) != 1 || strings.Contains(text, `"msg":"delivery ended","member":"gate-2"`) {
		t.Error("the delivery was not ended by the member that had it, or more than once")
	}
}
