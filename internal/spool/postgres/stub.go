package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// STUB: dropped at the merge.

type Target struct {
	user, database, schema string
	hosts                  []string
	insecure               string
}

func (t Target) String() string {
	return fmt.Sprintf("postgres://%s@%s/%s?schema=%s", t.user, strings.Join(t.hosts, ","), t.database, t.schema)
}

func ParseTarget(dsn string) (Target, error) {
	u, err := url.Parse(dsn)
	if err != nil || u.Scheme != "postgres" || u.Host == "" {
		return Target{}, errors.New("it is no address of a database: write it as postgres://user@host/database")
	}
	t := Target{user: u.User.Username(), database: strings.TrimPrefix(u.Path, "/"), schema: "inboxgate", hosts: strings.Split(u.Host, ",")}
	if s := u.Query().Get("search_path"); s != "" {
		t.schema = s
	}
	if u.Query().Get("sslmode") != "verify-full" && !strings.HasPrefix(u.Host, "127.") {
		t.insecure = "sslmode is not verify-full"
	}
	return t, nil
}

func (t Target) Key() string {
	hosts := slices.Clone(t.hosts)
	slices.Sort(hosts)
	return strings.Join(hosts, ",") + "/" + t.database + "/" + t.schema
}

func (t Target) Insecure() string { return t.insecure }

// URI is for the command line of PostgreSQL's own tools: without a password or a schema.
func (t Target) URI() string {
	return fmt.Sprintf("postgres://%s@%s/%s", t.user, strings.Join(t.hosts, ","), t.database)
}

func (t Target) Schema() string { return t.schema }

type Durability uint8

const (
	Local Durability = iota
	Replica
)

type Options struct {
	Now           func() time.Time
	Log           *slog.Logger
	Settings      spool.Settings
	Name, Version string
	Durability    Durability
	Batches       int
	DSN           func() (string, error)
	Committed     func(time.Duration)
	Reset         func()
}

type Health struct {
	Version               string
	Schema                int
	Standbys              int
	Synchronous           bool
	Connections           int
	Ambiguous, Reconnects uint64
	OldestSnapshot        time.Duration
	DeadRows              int64
	Durability            Durability
	Batches               int
	HeldHere              int
}

type Store struct {
	spool.Store
	o Options
}

func Open(ctx context.Context, dsn string, o Options) (*Store, error) {
	return nil, errors.New("the engine is not there yet")
}

func Migrate(ctx context.Context, dsn string) (from, to int, err error) {
	return 0, 0, errors.New("the engine is not there yet")
}

func (s *Store) Members(ctx context.Context) ([]spool.Member, error) { return nil, nil }
func (s *Store) Live(k spool.RouteKey) int                           { return 1 }
func (s *Store) Health() Health                                      { return Health{} }
func (s *Store) SetDurability(Durability)                            {}
