package cli_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// fleet is a store that several processes share.
type fleet struct {
	spool.Store // Without the calls of an engine that has a file.
	members     []spool.Member
}

func (f fleet) Members(context.Context) ([]spool.Member, error) { return f.members, nil }
func (f fleet) Live(spool.RouteKey) int                         { return 2 }

// newFleet returns the address of an API on a store in a database.
func newFleet(t *testing.T) (admin string) {
	t.Helper()
	d := newDesk(t)
	now := time.Now()
	app, crm := spool.RouteKey{Source: "inbox", Route: "app"}, spool.RouteKey{Source: "inbox", Route: "crm"}
	api := httptest.NewServer(control.New(control.Options{
		Store: fleet{d.store, []spool.Member{
			{Number: 3, Name: "gate-1", Version: "v1.2.0", Began: now.Add(-time.Hour), Seen: now.Add(-10 * time.Minute)},
			{Number: 4, Name: "gate-2", Version: "v1.2.0", Began: now.Add(-time.Hour), Seen: now, Live: true, Here: true, Serves: []spool.RouteKey{app, crm}},
			{Number: 5, Name: "gate-3\x1b[31m", Version: "v1.3.0", Began: now, Seen: now, Live: true, Serves: []spool.RouteKey{app}, Holds: []spool.RouteKey{app}},
		}},
		Database: func() *control.Database {
			return &control.Database{
				Address: "postgres://inbox@db/inbox?schema=inboxgate", Version: "15.18", Schema: 1, Durability: "replica", Batches: 1, Standbys: 1, Synchronous: true,
				Connections: 5, Reconnects: 2, Ambiguous: 1, Snapshot: 700, Dead: 12345,
			}
		},
		Instead: func(command string) string { return "this store is a PostgreSQL database: use the tool for " + command },
		About:   func() control.About { return control.About{Max: 10 << 30} },
	}))
	t.Cleanup(api.Close)
	return api.URL
}

func TestStoreMembers(t *testing.T) {
	t.Parallel()
	admin := newFleet(t)
	got := runCommand(t.Context(), "", "store", "members", "--admin", admin)
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	if got.failed != nil || len(lines) != 4 {
		t.Fatalf("%v\n%s", got.failed, got.out)
	}
	for i, want := range [][]string{
		{"NUMBER", "NAME", "VERSION", "SEEN", "SERVES", "HOLDS", "STATE"},
		{"3", "gate-1", "v1.2.0", "10 min ago", "-", "-", "gone"},
		{"4", "gate-2", "0 s ago", "inbox/app, inbox/crm", "lives, answers"},
		{"5", "gate-3", "v1.3.0", "inbox/app", "lives"},
	} {
		for _, word := range want {
			if !strings.Contains(lines[i], word) {
				t.Errorf("line %d does not say %q: %s", i, word, lines[i])
			}
		}
	}
	if strings.Contains(got.out, "\x1b[31m") {
		t.Error("a name of another machine reaches the terminal as it is")
	}
	asJSON := runCommand(t.Context(), "", "store", "members", "--format", "json", "--admin", admin)
	var second control.Member
	lines = strings.Split(strings.TrimSpace(asJSON.out), "\n")
	if err := json.Unmarshal([]byte(lines[1]), &second); err != nil || len(lines) != 3 || second.Name != "gate-2" || !second.Here || len(second.Serves) != 2 || second.Holds == nil {
		t.Errorf("%v, %s", err, asJSON.out)
	}
	alone := newDesk(t)
	if got := runCommand(t.Context(), "", "store", "members", "--admin", alone.api.URL); got.failed != nil || !strings.Contains(got.out, "in a data directory") {
		t.Errorf("a store in a directory: %v, %s", got.failed, got.out)
	}
	if got := runCommand(t.Context(), "", "store", "members", "--format", "json", "--admin", alone.api.URL); got.failed != nil || got.out != "" {
		t.Errorf("a store in a directory, as JSON: %v, %s", got.failed, got.out)
	}
}

// How a database is stands in the status, and no disk that is not ours.
func TestStatusOfADatabase(t *testing.T) {
	t.Parallel()
	admin := newFleet(t)
	store := runCommand(t.Context(), "", "store", "status", "--admin", admin)
	for _, want := range []string{
		"PostgreSQL 15.18, postgres://inbox@db/inbox?schema=inboxgate", "schema", "2 live, \"caddy inbox store members\" lists them",
		"replica, with 1 synchronous standby", "5 of this process; 2 made again, 1 commit asked for", "the oldest is 11 min old, and keeps about 12,345 dead rows",
	} {
		if !strings.Contains(store.out, want) {
			t.Errorf("it does not say %q:\n%s", want, store.out)
		}
	}
	if store.failed != nil || strings.Contains(store.out, "disk") || strings.Contains(store.out, "write-ahead") {
		t.Errorf("%v\n%s", store.failed, store.out)
	}
	screen := runCommand(t.Context(), "", "status", "--admin", admin)
	if screen.failed != nil || !strings.Contains(screen.out, "2 members live in postgres://inbox@db/inbox?schema=inboxgate, durability replica") || strings.Contains(screen.out, "disk") {
		t.Errorf("%v\n%s", screen.failed, screen.out)
	}
}

// What a database does itself is said with its own tool.
func TestToolsOfADatabase(t *testing.T) {
	t.Parallel()
	admin := newFleet(t)
	file := filepath.Join(t.TempDir(), "copy.db")
	runCommand(t.Context(), "", "store", "backup", file, "--admin", admin).complains(t, "use the tool for backup")
	if _, err := os.Stat(file); err == nil {
		t.Error("there is a file all the same")
	}
	runCommand(t.Context(), "", "store", "compact", "--admin", admin).complains(t, "use the tool for compact")
}

func TestCheckOfADatabase(t *testing.T) {
	t.Setenv("INBOX_DATABASE_URL", "postgres://inbox:hunter2@db/inbox")
	got := runCommand(t.Context(), "", "store", "check")
	got.complains(t, "pg_amcheck --schema=inboxgate", "dbname=inbox user=inbox")
	if strings.Contains(got.out+got.err, "hunter2") {
		t.Errorf("the password is in %s%s", got.out, got.err)
	}
}

func TestMigrateMistakes(t *testing.T) {
	t.Setenv("INBOX_DATABASE_URL", "")
	t.Setenv("INBOX_DATABASE_URL_FILE", "")
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "set INBOX_DATABASE_URL"},
		{[]string{"--to", "postgres://inbox:hunter2@db/inbox"}, "--to has a password in it"},
		{[]string{"--to", "host=db password='hunter2'"}, "--to has a password in it"},
		{[]string{"--to", "db.example.com"}, "postgres://user:password@host:5432/database"},
		{[]string{"--to", ""}, "--to is empty"},
	} {
		got := runCommand(t.Context(), "", append([]string{"store", "migrate"}, c.args...)...)
		got.complains(t, c.want)
		if strings.Contains(got.out+got.err, "hunter2") {
			t.Errorf("%q: the password is in %s%s", c.args, got.out, got.err)
		}
	}
	t.Setenv("INBOX_DATABASE_URL", "postgres://inbox:hunter2@db:hunter2/inbox")
	got := runCommand(t.Context(), "", "store", "migrate")
	got.complains(t, "%XX")
	if strings.Contains(got.out+got.err, "hunter2") {
		t.Errorf("the password is in %s%s", got.out, got.err)
	}
}

// The tables are made once; after that there is nothing to do.
func TestMigrate(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared(t).Database(t)
	first := runCommand(t.Context(), "", "store", "migrate", "--to", dsn)
	if first.failed != nil || !strings.Contains(first.out, "The tables were made in postgres://") {
		t.Fatalf("%v: %s%s", first.failed, first.out, first.err)
	}
	second := runCommand(t.Context(), "", "store", "migrate", "--to", dsn, "--format", "json")
	var said struct{ From, To int }
	if err := json.Unmarshal([]byte(second.out), &said); err != nil || second.failed != nil || said.From != said.To || said.To < 1 {
		t.Errorf("%v, %v: %s%s", err, second.failed, second.out, second.err)
	}
	third := runCommand(t.Context(), "", "store", "migrate", "--to", dsn)
	if third.failed != nil || !strings.Contains(third.out, "already") {
		t.Errorf("%v: %s%s", third.failed, third.out, third.err)
	}
}
