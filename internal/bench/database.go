//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/spool"
	"github.com/inboxgate/inboxgate/internal/spool/postgres"
)

// database is a PostgreSQL server of this run, with its files on the disk that is
// measured, and one database in it.
type database struct {
	*pgtest.Cluster
	name string
	// before is how many ids it had before anything was measured.
	before int64
}

// databaseSettings are what a server of that size would have: the tables of the
// benchmark stay in memory, and no checkpoint falls into one round and not the other.
var databaseSettings = map[string]string{
	"shared_buffers": "512MB", "max_wal_size": "4GB", "min_wal_size": "512MB", "wal_keep_size": "0",
	"checkpoint_timeout": "30min", "track_wal_io_timing": "off", "wal_buffers": "16MB",
}

// openDatabase starts a server. Where PostgreSQL is missing, the row is skipped.
func (b *bench) openDatabase() (*database, error) {
	dir, err := b.fresh("database")
	if err != nil {
		return nil, err
	}
	for at := dir; len(at) >= len(b.dir); at = filepath.Dir(at) { // The server's user passes through.
		if err := os.Chmod(at, 0o755); err != nil {
			return nil, fmt.Errorf("opening directory: %w", err)
		}
	}
	c, err := pgtest.New(pgtest.Options{Dir: filepath.Join(dir, "data"), SegmentMiB: 16, Settings: databaseSettings})
	if err != nil {
		if strings.Contains(err.Error(), "looking for PostgreSQL") {
			return nil, skipped{why: "it needs PostgreSQL: " + err.Error(), optional: true}
		}
		return nil, err
	}
	d := &database{Cluster: c}
	if d.name, err = c.CreateDatabase(); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *database) url() string { return d.DSN(d.name) }

func (d *database) close() error {
	return errors.Join(d.Cluster.Stop(), d.Cluster.Close(), os.RemoveAll(d.Dir()))
}

// anew removes what the engine has made, so that the next side begins with nothing.
func (d *database) anew() error {
	d.before = 0
	return d.Exec(d.name, "DROP SCHEMA IF EXISTS "+schemaName+" CASCADE", "CHECKPOINT")
}

// schemaName is where the engine keeps its tables unless the URL says otherwise.
const schemaName = "inboxgate"

// know makes n known ids of the source, as forgotten events leave them, and brings
// the server to rest.
func (d *database) know(ctx context.Context, n int) error {
	store, err := postgres.Open(ctx, d.url(), postgres.Options{})
	if err != nil {
		return err
	}
	err = store.Configure(ctx, owner, source, []spool.RouteName{{Name: engineRoute}})
	if err := errors.Join(err, store.Close()); err != nil {
		return err
	}
	d.before = int64(n)
	const t = schemaName + "."
	return d.Exec(d.name,
		`SELECT pg_stat_reset()`,
		fmt.Sprintf(`INSERT INTO `+t+`ids(source,id,digest,seq,tag,created,base)
			SELECT s.source, 'evt_'||substr(md5(random()::text),1,16), sha256(i::text::bytea), nextval('`+t+`numbers'), 0, m.value, m.value
			FROM generate_series(1,%d) i, `+t+`sources s, `+t+`meta m WHERE m.name='age'`, n),
		"VACUUM ANALYZE "+t+"ids", "CHECKPOINT")
}

// usage sums up all processes of the server, with those that have ended.
func (d *database) usage() (sum usage, err error) {
	pid, err := d.postmaster()
	if err != nil {
		return sum, err
	}
	for _, p := range append(childrenOf(pid), pid) {
		u, err := readUsage(p)
		if err != nil {
			if errors.Is(err, os.ErrNotExist) && p != pid {
				continue // It has ended, and is among what the postmaster has waited for.
			}
			return sum, err
		}
		sum.cpu += u.cpu
		sum.written += u.written
		sum.rss += u.rss
	}
	waited, err := waitedTime(pid)
	sum.cpu += waited
	return sum, err
}

func (d *database) postmaster() (int, error) {
	text, err := os.ReadFile(filepath.Join(d.Dir(), "postmaster.pid"))
	if err != nil {
		return 0, fmt.Errorf("finding the server's process: %w", err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strconv.Atoi(first)
}

// childrenOf lists the processes whose parent is pid.
func childrenOf(pid int) (children []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		if f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:])); len(f) > 1 && f[1] == strconv.Itoa(pid) {
			children = append(children, child)
		}
	}
	return children
}

// logPosition is how many bytes the server has ever written to its log.
func (d *database) logPosition() (float64, error) {
	return pgtest.One[float64](d.Cluster, d.name, "SELECT (pg_current_wal_insert_lsn()-'0/0'::pg_lsn)::float8")
}

// syncs is how often the server has flushed its log, as far as its processes have told
// it: each does when it ends. Unknown where the server counts that elsewhere.
func (d *database) syncs() float64 {
	n, err := pgtest.One[int64](d.Cluster, d.name, "SELECT wal_sync FROM pg_stat_wal")
	if err != nil {
		return unknown
	}
	return float64(n)
}

// counted are the rows of the engine's tables.
type counted struct{ ids, distinct, events, deliveries, delivered int64 }

func (d *database) count() (c counted, err error) {
	for query, into := range map[string]*int64{
		"SELECT count(*) FROM " + schemaName + ".ids":                      &c.ids,
		"SELECT count(DISTINCT (source,id)) FROM " + schemaName + ".ids":   &c.distinct,
		"SELECT count(*) FROM " + schemaName + ".events":                   &c.events,
		"SELECT count(*) FROM " + schemaName + ".deliveries":               &c.deliveries,
		"SELECT count(*) FROM " + schemaName + ".deliveries WHERE state=4": &c.delivered,
	} {
		if *into, err = pgtest.One[int64](d.Cluster, d.name, query); err != nil {
			return c, err
		}
	}
	return c, nil
}

// void says what is wrong with the tables after so many events were answered, of which
// so many were delivered. Nothing: the empty string.
func (c counted) void(before, answered, delivered int64) string {
	want := counted{before + answered, before + answered, answered, answered, delivered}
	if c == want {
		return ""
	}
	return fmt.Sprintf("%d events were answered and %d delivered, but the tables have %d ids (%d distinct, %d of them before), %d events, %d deliveries, %d delivered",
		answered, delivered, c.ids, c.distinct, before, c.events, c.deliveries, c.delivered)
}

// roundTrip is the median time of a statement that does nothing.
func (d *database) roundTrip(ctx context.Context) (time.Duration, error) {
	c, err := pgx.Connect(ctx, d.url())
	if err != nil {
		return 0, fmt.Errorf("measuring a round trip: %w", err)
	}
	defer c.Close(context.Background())
	times := make([]time.Duration, 500)
	for i := range times {
		from := time.Now()
		if _, err := c.Exec(ctx, "SELECT 1"); err != nil {
			return 0, fmt.Errorf("measuring a round trip: %w", err)
		}
		times[i] = time.Since(from)
	}
	slices.Sort(times)
	return quantile(times, 0.5), nil
}
