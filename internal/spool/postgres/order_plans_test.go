//go:build linux

package postgres

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/inboxgate/inboxgate/internal/pgtest"
	"github.com/inboxgate/inboxgate/internal/spool"
)

// TestOrderReadsLittle: however much is behind, of one key or in many, what looks at keys
// reads a few pages of an index, and no plan that was made while nothing was behind
// reads all of it later.
func TestOrderReadsLittle(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared(t).Database(t)
	s := openOn(t, dsn, Options{})
	ctx := t.Context()
	if err := s.Configure(ctx, "one", "inbox", []spool.RouteName{{Name: "a"}, {Name: "b"}}); err != nil {
		t.Fatal(err)
	}
	route := s.catalog.route(spool.RouteKey{Source: "inbox", Route: "a"}).id
	source := s.catalog.source("inbox").id
	promoting := func(key int) string { return fmt.Sprintf("'{%d}','{%d}',0", route, key) }
	accepting := func(key int) string {
		return fmt.Sprintf(`'{%d}','{x}','{abc}','{0}','{0}','{t}','{""}','{""}','{1}','{0}',0,0,'{1}','{0}','{%d}','{t}','{9}','{1}',1,3,'{%d}'`, source, route, key)
	}
	const (
		ofPromote = "bigint[],bigint[],bigint"
		ofAccept  = "bigint[],text[],bytea[],bigint[],bigint[],text[],bytea[],bytea[],bigint[],bigint[],bigint,bigint,bigint[],bigint[],bigint[],bool[],bigint[],bigint[],bigint,smallint,bigint[]"
	)
	statements := map[string]struct {
		sql, types, args string
		most             int
	}{
		"promoting a key of many":    {promoteNext, ofPromote, promoting(7), 100},
		"promoting nothing":          {promoteNext, ofPromote, promoting(3), 100},
		"promoting one of many keys": {promoteNext, ofPromote, promoting(5000), 100},
		"accepting to a key of many": {insertOrdered, ofAccept, accepting(7), 300},
		"accepting to one of many":   {insertOrdered, ofAccept, accepting(5000), 300},
		"accepting to a new key":     {insertOrdered, ofAccept, accepting(3), 300},
		"the next due":               {nextDue, "bigint,bigint[]", strconv.FormatInt(route, 10) + ",'{}'", 100},
		"going from key to key":      {keysBehind, "bigint,bigint,int", fmt.Sprintf("%d,30000,100", route), 1500},
		"the oldest":                 {oldestOf, "bigint[]", fmt.Sprintf("'{%d}'", route), 100},
	}
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.WithoutCancel(ctx))
	i := 0
	plans := map[string]string{}
	for name, x := range statements {
		i++
		plans[name] = fmt.Sprintf("p%d", i)
		run(t, c, fmt.Sprintf(`PREPARE p%d(%s) AS %s`, i, x.types, s.sql(x.sql)))
	}
	// 20,000 of key 7 without a head, and a head and one behind of each key from 1000 on.
	run(t, c, s.sql(fmt.Sprintf(`INSERT INTO @.deliveries (number, route, key, state, due) SELECT n<<12, %[1]d, 7, 8, 0 FROM generate_series(100000,119999) n;
		INSERT INTO @.deliveries (number, route, key, state, due) SELECT n<<12, %[1]d, n-199000, CASE WHEN n%%2=0 THEN 1 ELSE 8 END, 0 FROM generate_series(200000,239999) n;
		UPDATE @.deliveries SET key=key-1 WHERE number>=200000::bigint<<12 AND key%%2=1`, route)))
	for _, analysed := range []bool{false, true} {
		if analysed {
			run(t, c, s.sql(`ANALYZE @.deliveries`))
		}
		for name, x := range statements {
			read, plan := pagesRead(t, c, plans[name], x.args)
			if read > x.most {
				t.Errorf("%s reads %d pages (analysed: %v), want a few:\n%s", name, read, analysed, plan)
			}
		}
	}
}

// run runs statements that have no answer.
func run(t *testing.T, c *pgx.Conn, sql string) {
	t.Helper()
	if _, err := c.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// pagesRead runs a prepared statement as the engine does, undoes it, and returns how many
// pages it has read, with its plan.
func pagesRead(t *testing.T, c *pgx.Conn, name, args string) (pages int, plan string) {
	t.Helper()
	run(t, c, `BEGIN; SET LOCAL enable_seqscan=off; SET LOCAL plan_cache_mode=force_generic_plan; SET LOCAL jit=off`)
	defer run(t, c, `ROLLBACK`)
	rows, err := c.Query(t.Context(), `EXPLAIN (ANALYZE, BUFFERS) EXECUTE `+name+`(`+args+`)`, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		if m := pagesOf.FindStringSubmatch(line); m != nil {
			for _, n := range regexp.MustCompile(`\d+`).FindAllString(m[1], -1) {
				one, _ := strconv.Atoi(n)
				pages += one
			}
			break // The first is of the whole.
		}
	}
	return pages, strings.Join(lines, "\n")
}

var pagesOf = regexp.MustCompile(`Buffers: shared ((?:hit=\d+ ?|read=\d+ ?)+)`)
