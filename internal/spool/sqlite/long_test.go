//go:build linux

package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// long says whether the slow tests and benchmarks were asked for.
func long(tb testing.TB) {
	if os.Getenv("INBOXGATE_LONG") == "" {
		tb.Skip("set INBOXGATE_LONG=1")
	}
}

// rss is the resident memory of this process in MiB.
func rss() int64 {
	b, _ := os.ReadFile("/proc/self/statm")
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0
	}
	n, _ := strconv.ParseInt(f[1], 10, 64)
	return n * int64(os.Getpagesize()) >> 20
}

// fill makes a store of n waiting events and ids by plain SQL.
func fill(tb testing.TB, dir string, n int, events bool) {
	s := openBench(tb, dir)
	accept(tb, s, benchEvent(1), "held", false)
	s.Close()
	c, err := sqlite3.Open(filepath.Join(dir, "spool.db"))
	if err != nil {
		tb.Fatal(err)
	}
	defer c.Close()
	series := fmt.Sprintf(`WITH RECURSIVE c(n) AS (SELECT 1000 UNION ALL SELECT n+1 FROM c WHERE n<%d) `, n+1000)
	sql := `PRAGMA synchronous=OFF; PRAGMA cache_size=-100000; BEGIN;` +
		`INSERT INTO ids ` + series + `SELECT 1, 'evt_'||lower(hex(randomblob(8))), randomblob(32), n, 0 FROM c ORDER BY 2;` +
		fmt.Sprintf(`INSERT INTO meta VALUES ('merged', %d) ON CONFLICT DO UPDATE SET value=excluded.value;`, n+1000)
	if events {
		sql += `INSERT INTO events ` + series + `SELECT n, at, source, id, type, head, body FROM c, (SELECT * FROM events LIMIT 1);` +
			`INSERT INTO deliveries ` + series + `SELECT n<<12, route, state, due, until, fence, attempts, replay, ended, reason, log
				FROM c, (SELECT * FROM deliveries LIMIT 1);`
	}
	if err := c.Exec(sql + `COMMIT; PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
		tb.Fatal(err)
	}
}

func BenchmarkAcceptWith2MIDs(b *testing.B) {
	long(b)
	dir := b.TempDir()
	fill(b, dir, 2_000_000, false)
	s := openBench(b, dir)
	if err := s.buildFilter(bg); err != nil {
		b.Fatal(err)
	}
	base := serial.Add(1 << 32)
	measure(b, s, func() {
		load(b, 64, func(n int64) { accept(b, s, benchEvent(base+n), "held", false) })
	})
}

// BenchmarkStart opens a store with a million waiting events.
func BenchmarkStart(b *testing.B) {
	long(b)
	dir := b.TempDir()
	fill(b, dir, 1_000_000, true)
	b.ResetTimer()
	for range b.N {
		start := time.Now()
		s := openBench(b, dir)
		b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms/start")
		states, err := s.Routes(bg)
		if err != nil || len(states) != 2 {
			b.Fatal(states, err)
		}
		before := rss()
		for n := range int64(5000) {
			life(b, s, serial.Add(1<<32)+n)
		}
		b.ReportMetric(float64(before), "MiB-at-start")
		b.ReportMetric(float64(rss()), "MiB-after-5000")
		s.Close()
	}
}
