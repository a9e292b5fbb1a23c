package storage

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/metrics"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/postgres"
	"github.com/inboxgate/inboxgate/internal/spool/sqlite"
)

const password = "hunter2"

// replaced fills placeholders in as Caddy does.
func replaced(values map[string]string) func(string) (string, error) {
	return func(text string) (string, error) {
		for name, value := range values {
			text = strings.ReplaceAll(text, "{env."+name+"}", value)
		}
		if strings.Contains(text, "{env.") {
			return "", errors.New("evaluated placeholder {env.…} is empty")
		}
		return text, nil
	}
}

// Every mistake is an error that ends in the fix and has no password in it, whatever
// form the address has.
func TestConfigMistakes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config Config
		env    map[string]string
		want   string
	}{
		"engine":            {Config{Engine: "mysql"}, nil, "write storage postgres"},
		"literal":           {Config{Engine: Postgres, DSN: "postgres://inbox:hunter2@db/inbox"}, nil, "{env.INBOX_DATABASE_URL}"},
		"literal keyword":   {Config{Engine: Postgres, DSN: "host=db password='hunter2 x'"}, nil, "{env.INBOX_DATABASE_URL}"},
		"literal query":     {Config{Engine: Postgres, DSN: "postgres://db/inbox?password=hunter2"}, nil, "{env.INBOX_DATABASE_URL}"},
		"no brace":          {Config{Engine: Postgres, DSN: "{env.URL"}, nil, "lacks a brace"},
		"no address":        {Config{Engine: Postgres, DSN: "db.example.com"}, nil, "postgres://user:password@host:5432/database"},
		"durability":        {Config{Engine: Postgres, DSN: "postgres://db/inbox", Durability: "repilca"}, nil, "did you mean 'replica'"},
		"batches":           {Config{Engine: Postgres, DSN: "postgres://db/inbox", Batches: 3}, nil, "write 1, or 2"},
		"name":              {Config{Engine: Postgres, DSN: "postgres://db/inbox", Name: "a b"}, nil, "use letters"},
		"long name":         {Config{Engine: Postgres, DSN: "postgres://db/inbox", Name: strings.Repeat("x", 54)}, nil, "at most 53"},
		"unset":             {Config{Engine: Postgres, DSN: "{env.URL}"}, nil, "set what the placeholder names"},
		"empty":             {Config{Engine: Postgres, DSN: "{env.URL}"}, map[string]string{"URL": " "}, "set INBOX_DATABASE_URL"},
		"garbage":           {Config{Engine: Postgres, DSN: "{env.URL}"}, map[string]string{"URL": "postgres://inbox:hunter2@db:hunter2/inbox"}, "with special characters of the password written as %XX"},
		"not encoded":       {Config{Engine: Postgres, DSN: "{env.URL}"}, map[string]string{"URL": "postgres://inbox:hunter2/%zz@db/inbox"}, "%XX"},
		"bad keyword":       {Config{Engine: Postgres, DSN: "{env.URL}"}, map[string]string{"URL": "host=db password='hunter2"}, "%XX"},
		"bad sslmode":       {Config{Engine: Postgres, DSN: "{env.URL}"}, map[string]string{"URL": "postgres://inbox:hunter2@db/inbox?sslmode=hunter2"}, "sslmode"},
		"bad port":          {Config{Engine: Postgres, DSN: "{env.URL}"}, map[string]string{"URL": "host=db port=hunter2 password=hunter2"}, "database's address"},
		"name unset":        {Config{Engine: Postgres, DSN: "postgres://db/inbox", Name: "{env.MEMBER}"}, nil, "set what the placeholder names"},
		"name of two words": {Config{Engine: Postgres, DSN: "postgres://db/inbox", Name: "{env.MEMBER}"}, map[string]string{"MEMBER": "a b"}, "use letters"},
	} {
		_, err := c.config.Resolve(replaced(c.env), "v1")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q in it", name, err, c.want)
		} else if strings.Contains(err.Error(), password) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: the password is in %v", name, err)
		}
	}
}

// A database has a name without a password, and a member the machine's by default.
func TestResolve(t *testing.T) {
	t.Parallel()
	host, _ := os.Hostname()
	d, err := Config{Engine: Postgres, DSN: "{env.URL}", Durability: Replica}.Resolve(replaced(map[string]string{"URL": "\n postgres://inbox:hunter2@db:5433,db2/inbox?search_path=gate\n"}), "v1")
	if err != nil {
		t.Fatal(err)
	}
	if d.Durability != postgres.Replica || d.Batches != 1 || d.Name != host[:min(len(host), maxName)] || d.Version != "v1" {
		t.Errorf("it is %+v", d)
	}
	for _, text := range []string{d.String(), Place{Database: d}.Key(), Place{Database: d}.Holds(), Place{Database: d}.Instead("backup")} {
		if strings.Contains(text, password) || !strings.Contains(text, "db") {
			t.Errorf("it is called %s", text)
		}
	}
	if dsn, err := d.DSN(); err != nil || dsn != "postgres://inbox:hunter2@db:5433,db2/inbox?search_path=gate" {
		t.Errorf("the address is %q, %v", dsn, err)
	}
}

// A password may change while a store is open, and the database may not.
func TestDSNFollowsItsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "url")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("INBOX_DATABASE_URL", "")
	t.Setenv("INBOX_DATABASE_URL_FILE", file)
	write("postgres://inbox:one@db/inbox\n")
	d, err := Config{Engine: Postgres}.Resolve(replaced(nil), "v1")
	if err != nil {
		t.Fatal(err)
	}
	write("postgres://other:two@db/inbox\n")
	if dsn, err := d.DSN(); err != nil || dsn != "postgres://other:two@db/inbox" {
		t.Errorf("after a change of the password: %q, %v", dsn, err)
	}
	for _, text := range []string{"postgres://inbox:hunter2@elsewhere/inbox", "postgres://inbox:hunter2@db/inbox?search_path=other", "postgres://inbox:hunter2%zz@db", ""} {
		write(text)
		if dsn, err := d.DSN(); err == nil || strings.Contains(err.Error(), password) {
			t.Errorf("%q became %q, %v", text, dsn, err)
		}
	}
}

// Places that hold the same events are known as such, and members that differ are not
// one storage.
func TestPlaces(t *testing.T) {
	t.Parallel()
	at := func(c Config, url string) Place {
		c.Engine, c.DSN = Postgres, "{env.URL}"
		d, err := c.Resolve(replaced(map[string]string{"URL": url}), "v1")
		if err != nil {
			t.Fatal(err)
		}
		return Place{Dir: "/data", Database: d}
	}
	first := at(Config{Name: "a"}, "postgres://inbox:one@db:5432,db2:5432/inbox")
	for name, c := range map[string]struct {
		place          Place
		holds, storage bool
	}{
		"another password": {at(Config{Name: "a"}, "postgres://inbox:two@db:5432,db2:5432/inbox"), true, true},
		"another user":     {at(Config{Name: "a"}, "postgres://other@db2,db/inbox"), true, true},
		"durable":          {at(Config{Name: "a", Durability: Replica}, "postgres://inbox@db,db2/inbox"), true, false},
		"another name":     {at(Config{Name: "b"}, "postgres://inbox@db,db2/inbox"), true, false},
		"more batches":     {at(Config{Name: "a", Batches: 2}, "postgres://inbox@db,db2/inbox"), true, false},
		"another database": {at(Config{Name: "a"}, "postgres://inbox@db,db2/other"), false, false},
		"a directory":      {Place{Dir: "/data"}, false, false},
	} {
		if holds, storage := c.place.Holds() == first.Holds(), c.place.Key() == first.Key(); holds != c.holds || storage != c.storage {
			t.Errorf("%s: holds the same: %t, want %t; one storage: %t, want %t", name, holds, c.holds, storage, c.storage)
		}
	}
}

// A directory has tools of ours.
func TestInstead(t *testing.T) {
	t.Parallel()
	if got := (Place{}).Instead("backup"); got != "" {
		t.Errorf("instead of a backup: %s", got)
	}
}

// What a directory would leave behind is counted without a process that has it.
func TestLeftIn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if left, err := LeftIn(t.Context(), dir); err != nil || left != (Left{}) {
		t.Errorf("without a store: %+v, %v", left, err)
	}
	st, err := sqlite.Open(dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Configure(t.Context(), "", "inbox", []spool.RouteName{{Name: "app"}}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b", "c"} {
		in := spool.Intake{Event: &spool.Event{Source: "inbox", ID: id, Type: "message.read", CreatedAt: time.Now(), Request: spool.Request{Body: []byte(id)}}}
		if id != "c" {
			in.Routes = []spool.RouteWish{{Route: "app"}}
		}
		if _, err := st.Accept(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := LeftIn(t.Context(), dir); !errors.Is(err, sqlite.ErrInUse) {
		t.Errorf("while it is open: %v", err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := LeftIn(t.Context(), dir); err != nil || left != (Left{Events: 3, Waiting: 2}) {
		t.Errorf("it has %+v, %v", left, err)
	}
}

// shared is a store that several processes have open.
type shared struct {
	spool.Store
	members []spool.Member
	health  postgres.Health
}

func (s shared) Members(context.Context) ([]spool.Member, error) { return s.members, nil }
func (s shared) Live(spool.RouteKey) int                         { return 1 }
func (s shared) Health() postgres.Health                         { return s.health }

func TestFigures(t *testing.T) {
	t.Parallel()
	s := Of(shared{
		health: postgres.Health{Members: 2, Connections: 4, Standbys: 1, Ambiguous: 5, Reconnects: 6, OldestSnapshot: time.Minute, DeadRows: 7, Durability: postgres.Replica},
	}, nil)
	want := metrics.Database{Members: 2, Connections: 4, Standbys: 1, Ambiguous: 5, Reconnects: 6, Snapshot: time.Minute, Dead: 7, Durability: Replica}
	if got := s.Figures(); got == nil || *got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := Of(figures{}, nil).Figures(); got != nil {
		t.Errorf("a directory has %+v", got)
	}
}

// newer is a configuration that uses a storage.
type newer struct{ place Place }

func (newer) Settings() spool.Settings       { return spool.Settings{} }
func (newer) Log() *slog.Logger              { return slog.New(slog.DiscardHandler) }
func (newer) Expired(spool.Delivery, string) {}
func (n newer) Place() Place                 { return n.place }

type untuned struct{ spool.Store }

func (untuned) Tune(spool.Settings) {}

// New connections are made with the password of the newest configuration, and of the
// one before it when that one goes.
func TestDSNIsThatOfTheNewest(t *testing.T) {
	t.Parallel()
	user := func(dsn string) *newer {
		return &newer{Place{Database: &Database{DSN: func() (string, error) { return dsn, nil }}}}
	}
	s, one, two := Of(untuned{}, nil), user("one"), user("two")
	want := func(want string) {
		t.Helper()
		if got, _ := s.dsn(); got != want {
			t.Errorf("the address is %s, want %s", got, want)
		}
	}
	s.Lead(one)
	want("one")
	s.Lead(two)
	want("two")
	s.Follow(two)
	want("one")
}
